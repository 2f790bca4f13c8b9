"""A registry that asks for a Bearer token, as every public one does: in front of one that does not. It gives the tokens too."""

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "benchmark"
# Fields that are of one connection only: RFC 9110, section 7.6.1.
OF_A_CONNECTION = {"connection", "transfer-encoding", "keep-alive"}


class Gate(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A head and its body are two writes here: the second must not wait for the first to be acknowledged.
    disable_nagle_algorithm = True
    registry_port = None

    def setup(self):
        super().setup()
        self.registry = http.client.HTTPConnection("127.0.0.1", self.registry_port)

    def finish(self):
        self.registry.close()
        super().finish()

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/token"):
            return self._send(200, {"Content-Type": "application/json"}, json.dumps({"token": TOKEN}).encode())
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._send(401, {"WWW-Authenticate": self._challenge()}, b"")
        self.registry.request(self.command, self.path, body, dict(self.headers.items()))
        answer = self.registry.getresponse()
        fields = {name: value for name, value in answer.getheaders() if name.lower() not in OF_A_CONNECTION}
        return self._send(answer.status, fields, answer.read())

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = answer

    def _challenge(self):
        repository = self.path.removeprefix("/v2/").split("/manifests/")[0].split("/blobs/")[0]
        return (f'Bearer realm="http://{self.headers["Host"]}/token",service="benchmark",'
                f'scope="repository:{repository}:pull"')

    def _send(self, status, fields, body):
        self.send_response_only(status)
        for name, value in ({"Content-Length": str(len(body))} | fields).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def token_gate(registry_port):
    """The port of a gate in front of the registry; it ends with the program."""
    handler = type("Gate", (Gate,), {"registry_port": registry_port})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port
