"""One direction of an HTTP/1.1 connection, followed as its bytes pass: where a message begins, and where it ends."""

ENDS = {"head": b"\r\n\r\n", "chunk": b"\r\n", "trailer": b"\r\n"}
CHUNKED = "chunked"
INTERIM = "interim"


class Messages:
    """Calls `begins(first line, fields)`, which says how long the body is, and `ends()` after its last byte."""

    def __init__(self, begins, ends):
        self.begins, self.ends = begins, ends
        self.held, self.to_pass, self.part = b"", 0, "head"

    def feed(self, data):
        data, self.held = self.held + data, b""
        while True:
            passed = min(self.to_pass, len(data))
            self.to_pass -= passed
            data = data[passed:]
            if self.to_pass:
                return
            if self.part == "body":
                self._over()
            before, mark, after = data.partition(ENDS[self.part])
            if not mark:
                self.held = data
                return
            data = after
            getattr(self, f"_{self.part}")(before)

    def _head(self, text):
        first, *lines = text.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = self.begins(first, fields)
        if length == CHUNKED:
            self.part = "chunk"
        elif length != INTERIM:
            self.part, self.to_pass = "body", length

    def _chunk(self, line):
        size = int(line.split(b";")[0], 16)
        if size:
            self.to_pass = size + len(b"\r\n")
        else:
            self.part = "trailer"

    def _trailer(self, line):
        if not line:
            self._over()

    def _over(self):
        self.part = "head"
        self.ends()


def body_length(fields):
    if fields.get("transfer-encoding", "").lower() == CHUNKED:
        return CHUNKED
    return int(fields.get("content-length", 0))


def answer_length(method, first, fields):
    """Of the answer to a request with this method: RFC 9112, section 6.3."""
    status = int(first.split()[1])
    if status < 200:
        return INTERIM
    if method == "HEAD" or status in (204, 304):
        return 0
    return body_length(fields)
