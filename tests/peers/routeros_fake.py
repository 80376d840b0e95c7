"""A MikroTik device of our own: the word protocol on loopback, its faults, and a log of what really happened.

In a process of its own: ``python -m tests.peers.routeros_fake --log FILE [--tls PEM] [--fault KIND:AFTER]``; it prints
its port. In a test: ``with running(log) as fake``; ``fake.router`` is what it holds.

``fake.inject(kind, after=k)`` lets the k-th command from now on (counted from 0; of ``on``: by default add, set and
remove) meet a fault, and the ``times - 1`` commands after it:

| kind | what happens |
|---|---|
| drop_before | the connection is cut, nothing is done |
| drop_after | it is done, the connection is cut, the answer is lost |
| cut_reply | it is done, the connection is cut in the middle of the answer |
| hang, hang_after | nothing is done, or it is done; no answer ever comes |
| delay | the answer comes after ``seconds`` |
| garbage | it is done, and the answer is bytes that mean nothing |
| trap | nothing is done, the answer is ``!trap`` with ``words`` |
| fatal | nothing is done, ``!fatal``, and the connection is closed |
"""

import argparse
import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.routeros_fake_books import WRITES, Command, Router, Trap, parse

GARBAGE = b"\xff\xff\xf8HTTP/1.1 400 Bad Request\r\n\r\n"
_MARKS = ((0x80, 0), (0x4000, 0x8000), (0x200000, 0xC00000), (0x10000000, 0xE0000000))


@dataclass
class Fault:
    """What the next commands of some verbs meet; see the head of this module."""

    kind: str
    after: int
    on: Sequence[str]
    times: int
    seconds: float
    words: str

    def meets(self, verb: str) -> bool:
        """Count a command and tell whether it is the one."""
        if verb not in self.on:
            return False
        self.after -= 1
        return -self.times <= self.after < 0


class Gone(Exception):
    """The connection is over."""


class RouterFake:
    """The server: one thread a connection, one lock around the device."""

    def __init__(self, log: Path, *, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.router = Router()
        self.log = log
        self.done: list[dict[str, Any]] = []
        self.connections = 0
        self.down = False
        self.ended = threading.Event()
        self._tls = tls
        self._fault: Fault | None = None
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def inject(
        self, kind: str, *, after: int = 0, on: Sequence[str] = WRITES, times: int = 1, seconds: float = 0.0,
        words: str = "failure: simulated",
    ) -> None:  # fmt: skip
        """Let a coming command meet a fault; a blank kind takes the fault away."""
        with self._lock:
            self._fault = Fault(kind, after, on, times, seconds, words) if kind else None

    def reboot(self) -> None:
        """Start the device anew: what is dynamic is gone, and every connection is cut."""
        with self._lock:
            self.router.reboot()
            for sock in self._open:
                _reset(sock)

    def writes(self) -> list[str]:
        """Return what changed anything, as ``verb address list`` or ``verb id``, from the log."""
        rows = [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []
        return [row["verb"] for row in rows if row["verb"] in WRITES and not row["trap"]]

    def stop(self) -> None:
        """Close everything."""
        self.ended.set()
        self._listener.close()
        with self._lock:
            for sock in self._open:
                _reset(sock)

    def _accept(self) -> None:
        while not self.ended.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        self.connections += 1
        try:
            if self.down:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            with self._lock:
                self._open.add(sock)
            self._session(sock, sock.makefile("rb"))
        except (OSError, Gone, ValueError):
            return  # the client went away, or a fault says so
        finally:
            with self._lock:
                self._open.discard(sock)
            _reset(sock)

    def _session(self, sock: socket.socket, stream: Any) -> None:
        user = ""
        while words := read_sentence(stream):
            if words[0] == "/quit":
                sock.sendall(sentence("!fatal", "session terminated on request"))
                return
            command = parse(words)
            if not user and command.verb != "login":
                sock.sendall(sentence("!fatal", "not logged in"))
                return
            with self._lock:
                fault = self._fault if self._fault and self._fault.meets(command.verb) else None
                reply, user = self._answer(user, command, fault)
            self._send(sock, reply, fault)

    def _answer(self, user: str, command: Command, fault: Fault | None) -> tuple[bytes, str]:
        """Do a command unless a fault comes first; write the log; return the bytes of the answer."""
        tag = (f".tag={command.tag}",) if command.tag else ()
        if fault and fault.kind in ("drop_before", "hang"):
            return b"", user
        if fault and fault.kind == "fatal":
            return sentence("!fatal", "simulated"), user
        rows, made, trap = [], "", fault.words if fault and fault.kind == "trap" else ""
        if not trap and command.verb == "login":
            name = command.attributes.get("name", "")
            if self.router.may_log_in(name, command.attributes.get("password", "")):
                user = name
            else:
                trap = "invalid user name or password (6)"
        elif not trap:
            try:
                rows, made = self.router.do(user, command)
            except Trap as refusal:
                trap = str(refusal)
        self._note(user, command, trap)
        if trap:
            return sentence("!trap", f"=message={trap}", *tag) + sentence("!done", *tag), user
        answer = [sentence("!re", *(f"={name}={value}" for name, value in row.items()), *tag) for row in rows]
        if command.verb == "print" and not rows and self.router.says_empty:
            answer.append(sentence("!empty", *tag))
        return b"".join([*answer, sentence("!done", *((f"=ret={made}",) if made else ()), *tag)]), user

    def _note(self, user: str, command: Command, trap: str) -> None:
        secret = {"password": "***"} if "password" in command.attributes else {}
        row = {
            "n": len(self.done), "user": user, "path": command.path, "verb": command.verb,
            "attributes": {**command.attributes, **secret}, "trap": trap,
        }  # fmt: skip
        self.done.append(row)
        with self.log.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def _send(self, sock: socket.socket, reply: bytes, fault: Fault | None) -> None:
        kind = fault.kind if fault else ""
        if kind in ("drop_before", "drop_after"):
            raise Gone
        if kind in ("hang", "hang_after"):
            self.ended.wait()
            raise Gone
        if kind == "delay" and fault:
            self.ended.wait(fault.seconds)
        if kind == "garbage":
            reply = GARBAGE
        sock.sendall(reply[: len(reply) // 2] if kind == "cut_reply" else reply)
        if kind in ("cut_reply", "fatal", "garbage"):
            raise Gone


def _reset(sock: socket.socket) -> None:
    """Close for good, whatever was under way."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        sock.close()


def word(text: str | bytes) -> bytes:
    """Write a word behind its length, of 1 to 5 bytes."""
    data = text if isinstance(text, bytes) else text.encode()
    size = len(data)
    for width, (limit, mark) in enumerate(_MARKS, start=1):
        if size < limit:
            return (size | mark).to_bytes(width, "big") + data
    return b"\xf0" + struct.pack(">I", size) + data


def sentence(*words: str) -> bytes:
    """Write a sentence: its words, and an empty one."""
    return b"".join(map(word, words)) + b"\0"


def read_sentence(stream: Any) -> list[str]:
    """Read a sentence; an empty list at the end of the stream."""
    words: list[str] = []
    while True:
        first = stream.read(1)
        if not first:
            return []
        lead = first[0]
        more = next(count for count, stop in enumerate((0x80, 0xC0, 0xE0, 0xF0, 0x100)) if lead < stop)
        kept = lead & (0x7F, 0x3F, 0x1F, 0x0F, 0x00)[more]
        size = int.from_bytes(bytes([kept]) + stream.read(more), "big")
        if size == 0:
            if words:
                return words
            continue
        words.append(stream.read(size).decode())


@contextmanager
def running(log: Path, *, tls: ssl.SSLContext | None = None) -> Iterator[RouterFake]:
    """Run a device in threads of this process."""
    fake = RouterFake(log, tls=tls)
    try:
        yield fake
    finally:
        fake.stop()


def main() -> None:
    """Run a device until this process is ended; print its port first."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", type=Path, help="a PEM file with key and certificate")
    parser.add_argument("--fault", help="such as drop_after:3")
    options = parser.parse_args()
    tls = None
    if options.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.tls)
    fake = RouterFake(options.log, tls=tls, port=options.port)
    if options.fault:
        kind, _, after = options.fault.partition(":")
        fake.inject(kind, after=int(after or 0))
    print(fake.port, flush=True)
    fake.ended.wait()


if __name__ == "__main__":
    main()
