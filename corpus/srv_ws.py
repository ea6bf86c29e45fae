"""A tiny WebSocket server: `srv_ws.py PORT`, on 127.0.0.1 alone.

It answers the handshake after 4 ms, echoes one short frame at a time after 3 ms, and answers close.
"""

import base64
import hashlib
import socketserver
import sys
import time
from contextlib import suppress

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %s\r\n\r\n"
)
CLOSE = 8


class Handler(socketserver.BaseRequestHandler):
    """One connection, from the handshake to close."""

    def handle(self) -> None:
        """Serve the connection."""
        with suppress(EOFError, OSError):
            self.handshake()
            while self.echo() != CLOSE:
                pass

    def read(self, size: int) -> bytes:
        """Return exactly this many bytes."""
        got = b""
        while len(got) < size:
            more = self.request.recv(size - len(got))
            if not more:
                raise EOFError
            got += more
        return got

    def handshake(self) -> None:
        """Read the request, and switch protocols; one without a key is refused."""
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.read(1)
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"sec-websocket-key":
                accept = base64.b64encode(hashlib.sha1(value.strip() + GUID).digest())
                break
        else:
            raise EOFError
        time.sleep(0.004)
        self.request.sendall(SWITCH % accept)

    def echo(self) -> int:
        """Send one frame back; return its opcode."""
        first, second = self.read(2)
        mask = self.read(4)
        masked = self.read(second & 127)
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked))
        opcode = first & 15
        time.sleep(0.003)
        self.request.sendall(bytes([0x80 | opcode, len(payload)]) + payload)
        return opcode


class Server(socketserver.ThreadingTCPServer):
    """A thread for each connection."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
