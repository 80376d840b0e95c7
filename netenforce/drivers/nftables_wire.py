"""Two ways to a Linux inline device: on this machine, or over SSH. What is run there is fixed; only data differs.

Here each program is started by itself, without a shell. Over SSH one fixed program is run by the device's own shell,
the same for every call: what to do, and all data, comes on its standard input, so nothing of a customer ever stands in
a command line, and a key may be bound to this one program (see docs/nftables.md).
"""

import os
import re
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable
from netenforce.models import Device
from netenforce.rules.nftables_entries import with_connections
from netenforce.rules.nftables_options import SSH_PORT, Options

CONNECT_SECONDS = 5
PREFIXES_MAX = 50
NOT_FOUND, SSH_FAILED = 127, 255
_DELETED = re.compile(r"flow entries have been (deleted|shown)")
_SYSCTLS = ("ipv4/ip_forward", "ipv6/conf/all/forwarding")

# Runs on the device, in any shell of POSIX. Sections of its answer end with a line "@ name status".
PROGRAM = r"""
PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
export PATH LC_ALL
said() { printf '\n@ %s %s\n' "$1" "$2"; }
read -r verb table customers upstream || exit 64
case $verb$table$customers$upstream in *[!A-Za-z0-9_.-]*) exit 64;; esac
live() {
    { conntrack -L -f ipv4; conntrack -L -f ipv6; } 2>/dev/null |
        tr ' ' '\n' | sed -n -e 's/^src=//p' -e 's/^dst=//p' | sort -u
}
flows() {
    conntrack -C >/dev/null && live; said flows $?
}
look() {
    nft -j list table inet "$table"; said table $?
    ip -j addr; said addresses $?
    cat /proc/uptime; said uptime $?
}
change() {
    freed=
    while IFS= read -r one; do
        case $one in [.,]) break;; esac
        freed="$freed $one"
    done
    if [ "$one" = . ]; then
        nft -j -f -; done=$?
        said nft $done
        [ $done = 0 ] || return 0
    fi
    [ -n "$freed" ] || return 0
    conntrack -C >/dev/null || { said flows $?; return 0; }
    { live; echo .; printf '%s\n' $freed; } |
        awk '$0 == "." { on = 1; next } !on { live[$0]; next } index($0, "/") || ($0 in live)' |
        while IFS= read -r one; do
            case $one in *:*) family=ipv6;; *) family=ipv4;; esac
            for way in -s -d; do conntrack -D -f $family $way "$one" 2>&1 >/dev/null; done
        done | grep -v 'flow entries have been deleted' >&2
    said flows 0
}
probe() {
    look
    nft --version; said version $?
    uname -r; said kernel $?
    conntrack -C; said conntrack $?
    for name in ipv4/ip_forward ipv6/conf/all/forwarding; do cat /proc/sys/net/$name; done; said forwarding $?
    for name in $customers $upstream; do
        [ "$name" = - ] || { tc class show dev "$name" | head -n 20000; said "classes-$name" $?; }
    done
}
case $verb in look | change | flows | probe) "$verb";; *) exit 64;; esac
"""


class Late(Exception):
    """Say that a program did not end in its time; it may have done its work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one program printed, and how it ended."""

    status: int = 0
    out: str = ""
    err: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What came of a change: of the transaction, and of ending the old connections of the freed."""

    nft: Said = Said()
    flows: Said = Said()


class Way(Protocol):
    """A way to the device; each call raises Unavailable, OutcomeUnknown or Rejected as the port says."""

    def look(self, *, verb: str = "look") -> Mapping[str, Said]:
        """Return the sections ``table``, ``addresses`` and ``uptime``; with "probe" all that is worth knowing."""
        ...

    def change(self, document: str, freed: Sequence[str]) -> Changed:
        """Carry out one transaction (none if it is blank), then end the connections of the freed."""
        ...


@dataclass(frozen=True, slots=True)
class Local:
    """This machine is the device."""

    device: Device
    options: Options
    until: float

    def look(self, *, verb: str = "look") -> Mapping[str, Said]:
        """Run each program that tells something."""
        asked = {
            "table": ["nft", "-j", "list", "table", "inet", self.options.table],
            "addresses": ["ip", "-j", "addr"],
            "uptime": ["cat", "/proc/uptime"],
        }
        if verb == "probe":
            links = [name for name in (self.options.customers, self.options.upstream) if name]
            asked |= {
                "version": ["nft", "--version"],
                "kernel": ["uname", "-r"],
                "conntrack": ["conntrack", "-C"],
                "forwarding": ["cat", *(f"/proc/sys/net/{name}" for name in _SYSCTLS)],
                **{f"classes-{name}": ["tc", "class", "show", "dev", name] for name in links},
            }
        try:
            return {name: self._run(words) for name, words in asked.items()}
        except Late:
            raise Unavailable(f"{self.device.name} did not answer in time.") from None

    def change(self, document: str, freed: Sequence[str]) -> Changed:
        """Run nft, and if that went well conntrack for each freed address that has connections."""
        try:
            nft = self._run(["nft", "-j", "-f", "-"], document) if document else Said()
        except Late:
            raise OutcomeUnknown(f"{self.device.name} did not answer in time.") from None
        try:
            return Changed(nft=nft, flows=self._flush(freed) if freed and nft.status == 0 else Said())
        except Late:
            return Changed(nft=nft, flows=Said(status=1, err="there was no time left for it"))

    def _flush(self, freed: Sequence[str]) -> Said:
        listed = [self._run(["conntrack", "-L", "-f", family]) for family in ("ipv4", "ipv6")]
        failed = next((one for one in listed if one.status), None)
        if failed:
            return failed
        trouble = []
        for address in with_connections(freed, _spoken(one.out for one in listed)):
            family = "ipv6" if ":" in address else "ipv4"
            for way in ("-s", "-d"):
                # It ends with 1 if there was nothing to delete, which is no error.
                said = self._run(["conntrack", "-D", "-f", family, way, address])
                trouble += [line for line in said.err.splitlines() if line and not _DELETED.search(line)]
        return Said(status=1 if trouble else 0, err="\n".join(trouble[:3]))

    def _run(self, words: Sequence[str], stdin: str = "") -> Said:
        inside = ["ip", "netns", "exec", self.options.namespace] if self.options.namespace else []
        said = run([*inside, *words], stdin, self.until)
        if inside and "network namespace" in said.err:
            raise Unavailable(f"{self.device.name}: there is no network namespace {self.options.namespace!r} now.")
        return said


@dataclass(frozen=True, slots=True)
class Remote:
    """The device is reached by the system's own ssh, with one key, one known host, and no other configuration."""

    device: Device
    options: Options
    until: float

    def look(self, *, verb: str = "look") -> Mapping[str, Said]:
        """Ask in one connection."""
        try:
            return self._call(verb)
        except (Late, OutcomeUnknown):
            raise Unavailable(f"{self.device.name} did not answer in time.") from None

    def change(self, document: str, freed: Sequence[str]) -> Changed:
        """Change and end old connections in one connection, so that a lost answer leaves neither undone."""
        if sum("/" in one for one in freed) > PREFIXES_MAX:
            # The device cannot tell which prefixes have connections; one look spares it thousands of searches.
            live = self.look(verb="flows").get("flows", Said(status=1))
            freed = freed if live.status else with_connections(freed, set(live.out.split()))
        try:
            said = self._call("change", "".join(f"{one}\n" for one in [*freed, "." if document else ","]) + document)
        except Late:
            raise OutcomeUnknown(f"{self.device.name} did not answer in time.") from None
        if (document and "nft" not in said) or (freed and "flows" not in said and not _failed(said.get("nft"))):
            raise OutcomeUnknown(f"{self.device.name} stopped in the middle of its answer.")
        return Changed(nft=said.get("nft", Said()), flows=_flows(said.get("flows", Said())))

    def _call(self, verb: str, data: str = "") -> Mapping[str, Said]:
        if not self.device.host or not self.device.username or not self.device.secret:
            lacking = [
                words
                for words, value in (
                    ("host", self.device.host), ("user name", self.device.username),
                    ("secret (the private key)", self.device.secret),
                )
                if not value
            ]  # fmt: skip
            raise Rejected(f"{self.device.name} has no {lacking[0]}; enter it at the device.", "incomplete")
        for what, text in (("host", self.device.host), ("user name", self.device.username)):
            if not re.fullmatch(r"[A-Za-z0-9_.:][A-Za-z0-9_.:%-]*", text):
                raise Rejected(f"{self.device.name}: {text!r} is no {what}; correct it at the device.", "incomplete")
        head = f"{verb} {self.options.table} {self.options.customers or '-'} {self.options.upstream or '-'}\n"
        with tempfile.TemporaryDirectory(prefix="billing-line-") as folder:
            said = run(self._words(Path(folder)), head + data, self.until)
        if said.status == SSH_FAILED:
            raise _trouble(self.device.name, said.err)
        if said.status:
            raise Unavailable(
                f"{self.device.name} ends with status {said.status}: {_brief(said.err)}. Is another program bound to"
                " this key there?"
            )
        return sections(said)

    def _words(self, folder: Path) -> list[str]:
        """Return the command line; key and known host are files that only we can read, and are deleted after it."""
        key, known = folder / "key", folder / "known_hosts"
        for path, text in ((key, self.device.secret), (known, f"device {self.options.known_host}")):
            path.touch(mode=0o600)
            path.write_text(text.replace("\r\n", "\n").strip() + "\n")
        choices = {
            "BatchMode": "yes", "StrictHostKeyChecking": "yes", "UserKnownHostsFile": known,
            "GlobalKnownHostsFile": "/dev/null", "HostKeyAlias": "device", "CheckHostIP": "no", "UpdateHostKeys": "no",
            "IdentityFile": key, "IdentitiesOnly": "yes", "IdentityAgent": "none", "ForwardAgent": "no",
            "PreferredAuthentications": "publickey", "ConnectTimeout": CONNECT_SECONDS, "ConnectionAttempts": 1,
            "ServerAliveInterval": 5, "ServerAliveCountMax": 2, "ControlPath": "none", "ClearAllForwardings": "yes",
            "PermitLocalCommand": "no", "LogLevel": "ERROR",
        }  # fmt: skip
        inside = f"ip netns exec {self.options.namespace} " if self.options.namespace else ""
        return [
            "ssh", "-F", "/dev/null", "-T", *(f"-o{name}={value}" for name, value in choices.items()),
            "-l", self.device.username, "-p", str(self.device.port or SSH_PORT), "--", self.device.host,
            f"{inside}sh -c {shlex.quote(PROGRAM)} billing-line",
        ]  # fmt: skip


def way_to(device: Device, options: Options, *, seconds: float) -> Way:
    """Return the way to a device, for one call of at most so many seconds."""
    return (Remote if options.ssh else Local)(device, options, clock.monotonic() + seconds)


def run(words: Sequence[str], stdin: str, until: float) -> Said:
    """Run one program to its end; raises Late, after ending it with all it started, if that takes too long."""
    environment = {
        "PATH": f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin", "LC_ALL": "C",
        **{name: os.environ[name] for name in ("TMPDIR", "HOME") if name in os.environ},
    }  # fmt: skip
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
            env=environment, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return Said(status=NOT_FOUND, err=f"{words[0]}: {error.strerror}")
    with process:
        try:
            out, err = process.communicate(stdin, timeout=max(0.1, until - clock.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise Late from None
    return Said(status=process.returncode, out=out, err=err)


def sections(said: Said) -> dict[str, Said]:
    """Return the sections of an answer of PROGRAM; what its last sentence does not end was cut off."""
    found: dict[str, Said] = {}
    start = 0
    for mark in re.finditer(r"\n@ (\S+) (\d+)\n", said.out):
        found[mark[1]] = Said(status=int(mark[2]), out=said.out[start : mark.start()], err=said.err)
        start = mark.end()
    return found


def _spoken(listings: Iterable[str]) -> set[str]:
    """Return every address that has a connection, from what ``conntrack -L`` prints."""
    return {word[4:] for text in listings for word in text.split() if word.startswith(("src=", "dst="))}


def _failed(said: Said | None) -> bool:
    return said is not None and said.status != 0


def _flows(said: Said) -> Said:
    trouble = [line for line in said.err.splitlines() if line and not _DELETED.search(line)]
    return Said(status=said.status or (1 if trouble else 0), err="\n".join(trouble[:3]))


def _brief(text: str) -> str:
    """Return the last words of a program that failed, on one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip(" ^\t")]
    return " ".join(lines[-2:])[:200] or "no reason given"


# What ssh says before anything was run on the device.
_NOT_REACHED = (
    "connection refused", "connection timed out", "no route to host", "network is unreachable", "could not resolve",
    "name or service not known", "temporary failure in name resolution", "kex_exchange_identification",
    "banner exchange", "host is down",
)  # fmt: skip


def _trouble(name: str, err: str) -> Rejected | Unavailable | OutcomeUnknown:
    """Return what the words mean with which ssh itself ended."""
    words = err.lower()
    if "host key verification failed" in words or "host identification has changed" in words:
        return Rejected(
            f"{name} shows another host key than the one in its options, or none of that kind; nothing was sent. If the"
            ' device was set up anew, enter its new key as "known_host". If not, somebody is in between.',
            "host_key",
        )
    if re.search(r"load key .*(invalid format|libcrypto|passphrase)", words):
        return Rejected(
            f"{name}: its secret is no private key that ssh takes; enter the whole key, without a passphrase.",
            "login",
        )
    if "permission denied" in words or "too many authentication failures" in words:
        return Rejected(
            f"{name} refuses the log-in; is the public half of its secret in authorized_keys of that user there?",
            "login",
        )
    if any(one in words for one in _NOT_REACHED):
        return Unavailable(f"{name} cannot be reached over SSH: {_brief(err)}.")
    return OutcomeUnknown(f"{name}: the SSH connection broke: {_brief(err)}.")
