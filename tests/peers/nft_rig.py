"""A Linux inline device with a customer before it and an internet behind it: three network namespaces, real packets.

    customer 10.99.1.10-13 fd99:1::10-13 -- cust0 device up0 -- 10.99.2.2 internet, .80 card processor, .53 name server

Behind the customer there are the prefixes 10.99.5.8/29 and fd99:5::/56 as well. The portal is on the
device itself (10.99.1.1 and fd99:1::1, port 8081). The names of the namespaces are this process's own, so that several
rigs may stand side by side; everything ends with ``down()``.
"""

import ctypes
import itertools
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from billing_project.kernel.clock import monotonic

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
_PROGRAMS = ("ip", "nft", "tc", "conntrack")
_numbers = itertools.count()

PORTAL, PROCESSOR, INTERNET, RESOLVER = "10.99.1.1", "10.99.2.80", "10.99.2.2", "10.99.2.53"
PORTAL6, PROCESSOR6, INTERNET6, RESOLVER6 = "fd99:1::1", "fd99:2::80", "fd99:2::2", "fd99:2::53"
LINE, NEIGHBOUR, LINE6, NEIGHBOUR6 = "10.99.1.10", "10.99.1.11", "fd99:1::10", "fd99:1::11"
PREFIX, INSIDE, PREFIX6, INSIDE6 = "10.99.5.8/29", "10.99.5.9", "fd99:5::/56", "fd99:5:0:7::9"
OPTIONS = {
    "interfaces": {"customers": "cust0", "upstream": "up0"},
    "garden": {"dns": [RESOLVER, RESOLVER6], "hosts": [PROCESSOR, PROCESSOR6]},
    "portal": [f"{PORTAL}:8081", f"[{PORTAL6}]:8081"],
    "timeout_seconds": 20,
}


def lacking() -> str:
    """Return why no rig can be set up here; blank if it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [name for name in _PROGRAMS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    if missing:
        return f"{', '.join(missing)} is not installed"
    name = f"bl{os.getpid()}try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True)
    if made.returncode == 0:
        try:
            found = subprocess.run(["ip", "netns", "exec", name, "nft", "list", "tables"], capture_output=True)
        finally:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        return "" if found.returncode == 0 else "nftables cannot be used in a network namespace here"
    return "no network namespace can be made here"


@contextmanager
def namespace() -> Iterator[str]:
    """Make one empty network namespace."""
    name = f"bl{os.getpid()}n{next(_numbers)}"
    command("ip", "netns", "add", name)
    try:
        yield name
    finally:
        command("ip", "netns", "del", name)


def command(*words: str, stdin: str = "") -> str:
    """Run a program and return what it prints; raises RuntimeError with its words if it fails."""
    done = subprocess.run(words, input=stdin, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)[:200]}: {done.stderr}")
    return done.stdout


def inside(name: str, *words: str, stdin: str = "") -> str:
    """Run a program in a namespace."""
    return command("ip", "netns", "exec", name, *words, stdin=stdin)


def within(name: str, act: Callable[[], T]) -> T:
    """Do something in a namespace: by a thread of its own, as a namespace belongs to a thread."""
    box: list[T] = []
    libc = ctypes.CDLL(None, use_errno=True)

    def work() -> None:
        with open(f"/run/netns/{name}") as place:
            if libc.setns(place.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        box.append(act())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return box[0]


class Rig:
    """Three namespaces, and servers in them that answer with their names."""

    def __init__(self) -> None:
        number = next(_numbers)
        self.customer, self.device, self.internet = (f"bl{os.getpid()}{letter}{number}" for letter in "cdi")
        self._listening: list[socket.socket] = []

    def up(self) -> None:
        """Set everything up."""
        for name in (self.customer, self.device, self.internet):
            command("ip", "netns", "add", name)
        batch = [
            f"link add c0 netns {self.customer} type veth peer name cust0 netns {self.device}",
            f"link add n0 netns {self.internet} type veth peer name up0 netns {self.device}",
        ]
        command("ip", "-batch", "-", stdin="\n".join(batch))
        for name in (self.customer, self.device, self.internet):
            sysctls = ["net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0"]
            inside(name, "sysctl", "-qw", *sysctls)
        inside(self.device, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        self._links(self.customer, "c0", [f"10.99.1.{n}/24" for n in (10, 11, 12, 13)] + [f"{INSIDE}/32"])
        self._links(self.customer, "c0", [f"fd99:1::{n}/64" for n in (10, 11, 12, 13)] + [f"{INSIDE6}/128"])
        self._links(self.device, "cust0", [f"{PORTAL}/24", f"{PORTAL6}/64"])
        self._links(self.device, "up0", ["10.99.2.1/24", "fd99:2::1/64"])
        self._links(self.internet, "n0", [f"{one}/24" for one in (INTERNET, PROCESSOR, RESOLVER)])
        self._links(self.internet, "n0", [f"{one}/64" for one in (INTERNET6, PROCESSOR6, RESOLVER6)])
        for name, via4, via6 in ((self.customer, PORTAL, PORTAL6), (self.internet, "10.99.2.1", "fd99:2::1")):
            command("ip", "-n", name, "route", "add", "default", "via", via4)
            command("ip", "-n", name, "-6", "route", "add", "default", "via", via6)
        command("ip", "-n", self.device, "route", "add", PREFIX, "via", LINE)
        command("ip", "-n", self.device, "-6", "route", "add", PREFIX6, "via", LINE6)
        for name, place, port, says in (
            (self.internet, INTERNET, 80, "internet"), (self.internet, INTERNET6, 80, "internet"),
            (self.internet, INTERNET, 443, "internet"), (self.internet, INTERNET6, 443, "internet"),
            (self.internet, PROCESSOR, 443, "processor"), (self.internet, PROCESSOR6, 443, "processor"),
            (self.device, PORTAL, 8081, "portal"), (self.device, PORTAL6, 8081, "portal"),
        ):  # fmt: skip
            self._serve(name, place, port, says)
        for place in (RESOLVER, RESOLVER6, INTERNET, INTERNET6):
            self._answer(place, 53)

    def _links(self, name: str, link: str, addresses: list[str]) -> None:
        batch = [f"link set {link} up gso_max_segs 1", "link set lo up"]
        batch += [f"addr add {one} dev {link}{' nodad' if ':' in one else ''}" for one in addresses]
        command("ip", "-n", name, "-batch", "-", stdin="\n".join(batch))

    def down(self) -> None:
        """End the servers and take the namespaces away."""
        for one in self._listening:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for name in (self.customer, self.device, self.internet):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def nft(self, text: str) -> None:
        """Run commands of nft on the device."""
        inside(self.device, "nft", "-f", "-", stdin=text)

    def load(self, ruleset: Path) -> None:
        """Load a generated ruleset on the device, as its operator does."""
        inside(self.device, "sh", str(ruleset), "load")

    def reboot(self, ruleset: Path) -> None:
        """Lose every rule and every element, and load the ruleset as at boot."""
        inside(self.device, "nft", "flush", "ruleset")
        self.load(ruleset)

    def connections(self, source: str) -> int:
        """Count what the device remembers of connections from an address."""
        listed = inside(self.device, "conntrack", "-L", "-f", "ipv6" if ":" in source else "ipv4")
        return listed.count(f"src={source} ")

    def connect(self, source: str, target: str, port: int = 80) -> socket.socket:
        """Open a TCP connection from an address of the customer."""
        family = socket.AF_INET6 if ":" in target else socket.AF_INET
        sock = within(self.customer, lambda: socket.socket(family, socket.SOCK_STREAM))
        sock.settimeout(3)
        try:
            sock.bind((source, 0))
            sock.connect((target, port))
        except OSError:
            sock.close()
            raise
        return sock

    def get(self, source: str, target: str, port: int = 80) -> str:
        """Return who answers a request, or the kind of error that comes instead."""
        try:
            with self.connect(source, target, port) as sock:
                return ask(sock)
        except OSError as error:
            return type(error).__name__

    def dns(self, source: str, target: str, port: int = 53) -> str:
        """Return what a question by UDP is answered with, or the kind of error that comes instead."""
        family = socket.AF_INET6 if ":" in target else socket.AF_INET
        with within(self.customer, lambda: socket.socket(family, socket.SOCK_DGRAM)) as sock:
            sock.settimeout(3)
            try:
                sock.bind((source, 0))
                sock.connect((target, port))
                sock.send(b"?")
                return sock.recv(100).decode()
            except OSError as error:
                return type(error).__name__

    def kbit_down(self, source: str, target: str, size: int) -> float:
        """Return the speed of a download in kbit/s, without its first quarter."""
        with self.connect(source, target) as sock:
            sock.settimeout(20)
            sock.sendall(f"GET /bulk/{size} HTTP/1.1\r\n\r\n".encode())
            return _speed(sock, size)

    def kbit_up(self, source: str, target: str, size: int) -> float:
        """Return the speed of an upload in kbit/s as its receiver sees it, without its first quarter."""
        with self.connect(source, target) as sock:
            sock.settimeout(20)
            _modest(sock)
            sock.sendall(f"POST / HTTP/1.1\r\nContent-Length: {size}\r\n\r\n".encode())
            sock.sendall(b"x" * size)
            return float(body_of(sock))

    def _serve(self, name: str, place: str, port: int, says: str) -> None:
        family = socket.AF_INET6 if ":" in place else socket.AF_INET
        listener = within(name, lambda: socket.create_server((place, port), family=family, backlog=64))
        self._listening.append(listener)
        threading.Thread(target=_accept, args=(listener, says), daemon=True).start()

    def _answer(self, place: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in place else socket.AF_INET
        sock = within(self.internet, lambda: socket.socket(family, socket.SOCK_DGRAM))
        sock.bind((place, port))
        self._listening.append(sock)

        def work() -> None:
            with suppress(OSError):
                while sender := sock.recvfrom(100)[1]:
                    sock.sendto(b"name server", sender)

        threading.Thread(target=work, daemon=True).start()


@contextmanager
def standing() -> Iterator[Rig]:
    """Set a rig up and take it down."""
    rig = Rig()
    try:
        rig.up()
        yield rig
    finally:
        rig.down()


def ask(sock: socket.socket) -> str:
    """Ask over an open connection who is there."""
    sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
    return body_of(sock)


def body_of(sock: socket.socket) -> str:
    """Return the body of one answer; raises ConnectionError if the connection ends before it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            raise ConnectionResetError
        head += byte
    size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    body = b""
    while len(body) < size:
        body += sock.recv(size - len(body))
    return body.decode()


def _modest(sock: socket.socket) -> None:
    """Keep less under way than a line's queue holds, so that a speed is measured and not the mending of losses."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)


def _speed(sock: socket.socket, size: int) -> float:
    """Return the speed in kbit/s at which bytes come in, from the first quarter to the last."""
    seen, began, skipped = 0, 0.0, 0
    while seen < size:
        data = sock.recv(65536)
        if not data:
            raise ConnectionResetError
        seen += len(data)
        if not began and seen >= size / 4:
            began, skipped = monotonic(), seen
    return (seen - skipped) * 8 / max(monotonic() - began, 1e-6) / 1000


def _accept(listener: socket.socket, says: str) -> None:
    with suppress(OSError):
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=_talk, args=(sock, says), daemon=True).start()


def _talk(sock: socket.socket, says: str) -> None:
    """Answer requests over one connection for as long as it is kept open."""
    with suppress(OSError, ValueError), sock:
        sock.settimeout(30)
        _modest(sock)
        while True:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                byte = sock.recv(1)
                if not byte:
                    return
                head += byte
            verb, path = head.decode().split()[:2]
            if path.startswith("/bulk/"):
                # The head counts as bytes of the download: whoever measures does not read it apart.
                sock.sendall(b"x" * int(path[6:]))
                continue
            body = says.encode()
            if verb == "POST":
                body = b"%.3f" % _speed(sock, int(head.split(b"Content-Length:")[1].split()[0]))
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
