"""A tiny HTTP/1.1 server with keep-alive: `srv_http.py PORT`, on 127.0.0.1 alone.

`/echo/X` answers X after 3 ms, `/slow/X` after 50 ms, and `/chunks/X` streams X five times. Headers
and body are sent 1 ms apart, so a client waits for each.
"""

import socketserver
import sys
import time
from contextlib import suppress

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Handler(socketserver.StreamRequestHandler):
    """One connection: answers requests until the client leaves."""

    # Else a body waits up to 40 ms for the acknowledgment of its headers.
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Serve the connection."""
        with suppress(OSError):
            while (path := self.read_request()) is not None:
                kind, _, text = path.strip("/").partition("/")
                if kind == "chunks":
                    self.stream(text.encode())
                else:
                    self.answer(text.encode(), after=0.05 if kind == "slow" else 0.003)

    def read_request(self) -> str | None:
        """Read one request with its body; return its path, or None at the end."""
        first = self.rfile.readline().split()
        if len(first) < 2:  # noqa: PLR2004 - the method and the path
            return None
        length = 0
        while (header := self.rfile.readline()) not in (b"\r\n", b"\n", b""):
            if header.lower().startswith(b"content-length:"):
                length = int(header.split(b":")[1])
        self.rfile.read(length)
        return first[1].decode()

    def stream(self, body: bytes) -> None:
        """Send the body five times, in chunks."""
        self.wfile.write(CHUNKED)
        for _ in range(5):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body))
            self.wfile.flush()
            time.sleep(0.002)
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def answer(self, body: bytes, after: float) -> None:
        """Send the body once."""
        time.sleep(after)
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        self.wfile.flush()
        time.sleep(0.001)
        self.wfile.write(body)
        self.wfile.flush()


class Server(socketserver.ThreadingTCPServer):
    """A thread for each connection."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
