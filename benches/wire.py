"""The proxy that all tools are measured behind: it delays both directions, and counts what passes.

Round trips are counted as for a client far away: opening a connection costs two after the newest answer that had arrived
(TCP, then TLS 1.3), a request one after its connection and the newest answer. The highest of these numbers counts. The first
bytes of a connection are held back as long as opening it would take.

Some tools try TLS before plain HTTP. That try is ended at once and not counted: a registry that speaks TLS would not cost it.
"""

import asyncio
import threading
import time
from collections import deque

from http_messages import Messages, answer_length, body_length

OPENING = 2
# The first byte of a TLS handshake: RFC 8446, section 5.1.
HANDSHAKE = b"\x16"
# What an HTTP server answers to it, by which clients know one.
PLAIN_HTTP = b"HTTP/1.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
BUFFER = 1 << 20
# How many pieces are under way in one direction: more than a fast connection needs, less than what fills the memory.
PIECES = 1024


class Counts:
    """What one run sent and received."""

    def __init__(self):
        self.connections = self.requests = self.bytes = self.round_trips = 0
        self.first_request = None

    def opens(self):
        self.connections += 1
        return self.round_trips + OPENING

    def asks(self, opened):
        self.requests += 1
        self.first_request = self.first_request or time.monotonic()
        return max(opened, self.round_trips) + 1

    def answers(self, depth):
        self.round_trips = max(self.round_trips, depth)


class Exchange:
    """The requests of one connection and their answers; the client knows of an answer `lag` seconds after it has passed."""

    def __init__(self, counts, lag):
        self.counts, self.lag = counts, lag
        self.pending = deque()
        self.requests = Messages(self._asks, lambda: None)
        self.answers = Messages(self._answered, self._ends)
        # What the client knew when it opened the connection passes half a lag later.
        self._later(lag / 2, self._opens)

    def up(self, data):
        self.counts.bytes += len(data)
        self.requests.feed(data)

    def down(self, data):
        self.counts.bytes += len(data)
        self.answers.feed(data)

    def _opens(self):
        self.opened = self.counts.opens()

    def forget(self):
        self.counts.connections -= 1

    def _asks(self, first, fields):
        self.pending.append((first.split()[0], self.counts.asks(self.opened)))
        return body_length(fields)

    def _answered(self, first, fields):
        return answer_length(self.pending[0][0], first, fields)

    def _ends(self):
        _, depth = self.pending.popleft()
        self._later(self.lag, self.counts.answers, depth)

    def _later(self, seconds, function, *arguments):
        if seconds:
            asyncio.get_running_loop().call_later(seconds, function, *arguments)
        else:
            function(*arguments)


def ignore(_):
    """For bytes that nobody follows."""


class Hop:
    """One port that passes everything on to another: after `delay` seconds, and the first bytes after `opening` more."""

    def __init__(self, upstream, delay=0.0, opening=0.0, tls=None):
        self.upstream, self.delay, self.opening, self.tls = upstream, delay, opening, tls
        self.port = self.exchange = self.hands_on = None
        # Of connections whose requests are followed by another hop, by the port that this one speaks to it from.
        self.handed_on = {}

    async def listen(self):
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.tls, limit=BUFFER)
        self.port = server.sockets[0].getsockname()[1]

    async def _accept(self, reader, writer):
        exchange = self.exchange(writer) if self.exchange else None
        handed_on = self.hands_on() if self.hands_on else None
        open_at = asyncio.get_running_loop().time() + self.opening
        first = await read(reader)
        if exchange and first.startswith(HANDSHAKE):
            exchange.forget()
            writer.write(PLAIN_HTTP)
            writer.close()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.upstream, limit=BUFFER)
        except OSError:
            writer.close()
            return
        if handed_on:
            self.handed_on[far_writer.get_extra_info("sockname")[1]] = handed_on
        up, down = (exchange.up, exchange.down) if exchange else (ignore, ignore)
        await asyncio.gather(self._pass_on(first, reader, far_writer, open_at, arrives=up),
                             self._pass_on(None, far_reader, writer, open_at, leaves=down))

    async def _pass_on(self, first, reader, writer, open_at, arrives=ignore, leaves=ignore):
        under_way = asyncio.Queue(PIECES)
        writing = asyncio.create_task(self._write(under_way, writer, leaves))
        clock = asyncio.get_running_loop().time
        data = await read(reader) if first is None else first
        while data:
            arrives(data)
            await under_way.put((max(clock(), open_at) + self.delay, data))
            data = await read(reader)
        await under_way.put((clock() + self.delay, b""))
        await writing

    async def _write(self, under_way, writer, leaves):
        clock, broken = asyncio.get_running_loop().time, False
        while True:
            due, data = await under_way.get()
            if (pause := due - clock()) > 0:
                await asyncio.sleep(pause)
            if not data:
                break
            # What comes for a connection that is closed is taken and forgotten, so that its reader comes to its end.
            if broken:
                continue
            leaves(data)
            try:
                writer.write(data)
                await writer.drain()
            except OSError:
                broken = True
        writer.close()


async def read(reader):
    try:
        return await reader.read(BUFFER)
    except OSError:
        return b""


class Wire:
    """The proxy, on a thread of its own; `front` opens a port, `begin` starts to count anew."""

    def __init__(self, round_trip):
        self.round_trip = round_trip
        self.counts = Counts()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def begin(self):
        """What a connection of an earlier run still does is not counted in the next one."""
        self.counts = Counts()
        return self.counts

    def front(self, upstream):
        """A port that speaks plain HTTP, in front of another."""
        hop = Hop(upstream, self.round_trip / 2, OPENING * self.round_trip)
        hop.exchange = lambda writer: Exchange(self.counts, lag=0)
        return self._listen(hop)

    def secure_front(self, upstream, tls):
        """The same with TLS: its handshake passes the delay as any bytes do, so TCP's alone is added."""
        inner = Hop(upstream, tls=tls)
        outer = Hop(self._listen(inner), self.round_trip / 2, self.round_trip)
        # The inner one hears of a connection after its handshake, so the outer one counts it.
        outer.hands_on = lambda: Exchange(self.counts, lag=self.round_trip)
        inner.exchange = lambda writer: outer.handed_on.pop(writer.get_extra_info("peername")[1])
        return self._listen(outer)

    def _listen(self, hop):
        asyncio.run_coroutine_threadsafe(hop.listen(), self.loop).result()
        return hop.port
