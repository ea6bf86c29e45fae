"""`Server`: answers `rescind top`, on a thread of its own.

*What it is.* One thread with a selector: it listens, reads requests, writes answers. That it is no
part of a loop is the point: it answers while a loop is stuck in a function that never awaits.

*Invariants.*
 T1  Who is no user of ours learns nothing and changes nothing: a peer of another user is refused
     before it is read; where the system does not tell who it is, a token has to be right.
 T2  What a client can have the server keep is bounded: a request of `MAX_REQUEST` bytes, and one
     answer; the next request is read when that was taken.
 T3  A client that does not say who it is, or takes no answer, is let go of after a while.
 T4  Tasks are watched only while somebody looks (`Answers.rest`).
 T5  In a fork nothing of this goes on, and nothing that is the parent's is removed.

*Threads.* `close` from any; the rest is the server's own.
"""

from __future__ import annotations

import hmac
import logging
import os
import selectors
import socket
import struct
import threading
import time
from typing import Any, Final

from rescind.top.answers import Answers
from rescind.top.protocol import MAX_REQUEST, VERSION, Refusal, decode, encode

__all__ = ["Server", "peer_uid"]

_log = logging.getLogger("rescind")

_CLIENTS: Final = 16
_CHUNK: Final = 65536
#: How long a client may take to say who it is, and to take an answer, in seconds.
_PATIENCE: Final = 10.0
_CLOSING: Final = 2.0
_CREDENTIALS: Final = struct.Struct("3i")


def peer_uid(peer: socket.socket) -> int | None:
    """Return which user is at the other end of a Unix socket; None if the system does not say."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None or peer.family != getattr(socket, "AF_UNIX", None):
        return None
    credentials = peer.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size)
    _pid, uid, _gid = _CREDENTIALS.unpack(credentials)
    return int(uid)


class _Client:
    """One that is connected."""

    __slots__ = ("answer", "greeted", "leaving", "request", "since", "socket")

    def __init__(self, peer: socket.socket) -> None:
        self.socket = peer
        self.request = bytearray()  # what was read, and not answered yet (T2)
        self.answer = memoryview(b"")  # what is left to write
        self.greeted = False
        self.leaving = False  # Is it to be let go of when that is written?
        self.since = time.monotonic()  # when it last got on (T3)


class Server:
    """Listens until it is closed.

    Args:
        listener: the socket, listening.
        answers: what answers requests; an attribute, too.
        token: what clients have to say first; None: nothing, the socket is protected otherwise.
    """

    def __init__(self, listener: socket.socket, answers: Answers, token: str | None = None) -> None:
        self._listener = listener
        self.answers = answers
        self._token = token
        self._clients: set[_Client] = set()
        self._bell, self._rung = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._closing = False
        for end in (listener, self._bell, self._rung):
            end.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="rescind-top", daemon=True)

    def start(self) -> None:
        """Listen from now on."""
        self._thread.start()

    def close(self) -> None:
        """Let go of all clients, and end the thread."""
        self._closing = True
        try:
            self._rung.send(b"!")
        except OSError:
            pass  # it is closed already
        if threading.current_thread() is not self._thread:
            self._thread.join(_CLOSING)

    def forked(self) -> None:
        """Let go of what a fork has inherited (T5): there is no thread, and nobody is answered."""
        self.answers.rest()
        self._closing = True
        self._selector.close()  # not unregistered: that would be done for the parent, too
        for end in (self._listener, self._bell, self._rung, *(one.socket for one in self._clients)):
            end.close()
        self._clients.clear()

    # -- the thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._closing:
                for key, _ in self._selector.select(self._patience()):
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.data is not None:
                        self._serve(key.data)
                self._lose_patience()
        except Exception:
            _log.exception("rescind top can no longer look at this process")
        finally:
            for client in list(self._clients):
                self._let_go(client)
            self._selector.close()
            for end in (self._listener, self._bell, self._rung):
                end.close()

    def _accept(self) -> None:
        try:
            peer, _ = self._listener.accept()
        except OSError:
            return  # it has gone already, or there are too many open files
        peer.setblocking(False)
        client = _Client(peer)
        self._clients.add(client)
        self._selector.register(peer, selectors.EVENT_READ, client)
        refusal = self._refusal(peer)
        if refusal is not None:
            self._put(client, {"error": {"code": refusal.code, "message": refusal.message}})
            client.leaving = True
            self._write(client)

    def _refusal(self, peer: socket.socket) -> Refusal | None:
        """Return why this client is not even listened to (T1)."""
        uid = peer_uid(peer)
        if uid is not None and uid != os.geteuid():
            return Refusal(
                "user",
                f"this program is that of user {os.geteuid()}, and you are user {uid}: run "
                "'rescind top' as that user",
            )
        if len(self._clients) > _CLIENTS:
            return Refusal("busy", f"{_CLIENTS} look at this program already; close one of them")
        return None

    def _serve(self, client: _Client) -> None:
        """Go on with a client that can be read, or written to."""
        try:
            if client.answer:
                self._write(client)
            elif self._read(client):
                self._take(client)
        except OSError:
            self._let_go(client)

    def _read(self, client: _Client) -> bool:
        """Read what there is; let go of a client that has gone, or says too much."""
        try:
            data = client.socket.recv(_CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._let_go(client)
            return False
        client.request += data
        return True

    def _take(self, client: _Client) -> None:
        """Answer the requests that are complete, each when the answer before it was taken (T2)."""
        while not client.answer and not client.leaving:
            end = client.request.find(b"\n", 0, MAX_REQUEST)
            if end < 0 and len(client.request) < MAX_REQUEST:
                return
            if end < 0:
                refusal = Refusal("malformed", f"a request has at most {MAX_REQUEST} bytes")
                self._refuse(client, None, refusal)
            else:
                line = bytes(client.request[:end])
                del client.request[: end + 1]
                self._answer(client, line)
            self._write(client)

    def _answer(self, client: _Client, line: bytes) -> None:
        number: Any = None
        try:
            request = decode(line)
            number = request.get("id")
            if client.greeted:
                answer = self.answers.answer(request.get("op"), request)
            else:
                answer = self._greet(request)
                client.greeted = True
            self._put(client, {"id": number, "ok": answer})
        except Refusal as refusal:
            self._refuse(client, number, refusal)
        except Exception as exc:
            _log.exception("a request of rescind top could not be answered: %r", line[:200])
            what = f"{type(exc).__name__}: {exc}"
            self._refuse(client, number, Refusal("internal", f"this is a fault: {what}"))

    def _greet(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return who this is, to somebody who may know it.

        Raises:
            Refusal: somebody else, or who does not speak this version.
        """
        if request.get("op") != "hello":
            raise Refusal("hello", "the first request must be 'hello'")
        token = request.get("token")
        if self._token is not None and not (
            isinstance(token, str) and hmac.compare_digest(token.encode(), self._token.encode())
        ):
            raise Refusal(
                "token", "the token is wrong; it is in a file that only its user can read"
            )
        if request.get("version") != VERSION:
            raise Refusal(
                "version",
                f"this program speaks version {VERSION} of the protocol, and not "
                f"{request.get('version')!r}; use the 'rescind' that it runs with",
            )
        return self.answers.hello()

    def _refuse(self, client: _Client, number: Any, refusal: Refusal) -> None:
        """Say what was wrong; let go of a client that never said who it is, or lost its lines."""
        client.leaving = not client.greeted or len(client.request) >= MAX_REQUEST
        error = {"code": refusal.code, "message": refusal.message}
        self._put(client, {"id": number, "error": error})

    # -- writing ----------------------------------------------------------------------------------

    def _put(self, client: _Client, message: dict[str, Any]) -> None:
        client.answer = memoryview(encode(message))
        client.since = time.monotonic()

    def _write(self, client: _Client) -> None:
        """Write what can be written; ask to be told when more can be."""
        try:
            sent = client.socket.send(client.answer)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._let_go(client)
            client.leaving = True
            return
        client.answer = client.answer[sent:]
        if sent:
            client.since = time.monotonic()
        if not client.answer and client.leaving:
            self._let_go(client)
            return
        event = selectors.EVENT_WRITE if client.answer else selectors.EVENT_READ
        self._selector.modify(client.socket, event, client)
        if not client.answer and client.request and not client.leaving:
            self._take(client)

    def _let_go(self, client: _Client) -> None:
        if client not in self._clients:
            return
        self._clients.discard(client)
        client.leaving = True
        self._selector.unregister(client.socket)
        client.socket.close()
        if not any(one.greeted for one in self._clients):
            self.answers.rest()

    # -- patience ---------------------------------------------------------------------------------

    def _patience(self) -> float | None:
        """Return how long the one that keeps it waiting may still take; None: nobody does."""
        waited_for = [one.since for one in self._clients if one.answer or not one.greeted]
        if not waited_for:
            return None
        return max(0.0, min(waited_for) + _PATIENCE - time.monotonic())

    def _lose_patience(self) -> None:
        """Let go of those who took too long (T3)."""
        late = time.monotonic() - _PATIENCE
        for client in list(self._clients):
            if (client.answer or not client.greeted) and client.since <= late:
                self._let_go(client)
