"""MikroTik devices for the tests of faults: simulated over real sockets, with a log that tells when each did what."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accounts.models import Account, ServiceLine
from billing_project.kernel import clock
from netenforce.models import Device, LinePlacement
from netenforce.operations import LiftHold, PlaceHold, change_holds
from tests.factories import make_account, make_device
from tests.peers.routeros_fake import RouterFake
from tests.peers.routeros_fake_books import V4, Command

LISTS = {"throttle": "Delinquent-Throttle", "suspend": "Suspended"}


class TimedFake(RouterFake):
    """A device that knows when it did what, and how many spoke to devices of its group at once."""

    def __init__(self, log: Path, group: "Group") -> None:
        self.times: list[float] = []
        self.freed: dict[str, tuple[float, int]] = {}
        self.silent = False
        self._group = group
        super().__init__(log)

    def _note(self, user: str, command: Command, trap: str) -> None:
        super()._note(user, command, trap)
        self.times.append(clock.monotonic())

    def _serve(self, sock: Any) -> None:
        with self._group.counted(self):
            if self.silent:
                # It accepts, and never says a word.
                self.connections += 1
                self.ended.wait(self._group.silence_seconds)
                sock.close()
                return
            super()._serve(sock)

    def last_write(self) -> float:
        """Return when it was last changed."""
        return max(
            at
            for at, row in zip(self.times, self.done, strict=True)
            if row["verb"] in ("add", "set", "remove") and not row["trap"]
        )

    def since(self, first: int) -> list[str]:
        """Return the changes since there were so many rows in its log, in their order."""
        rows = self.done[first:]
        return [row["verb"] for row in rows if row["verb"] in ("add", "set", "remove") and not row["trap"]]

    def levels(self) -> dict[str, str]:
        """Return what it holds by our mark, from its own books."""
        marks = {address: comment for address, (_, comment) in self.router.entries(V4).items()}
        return {
            address: mark.removeprefix("billing:") for address, mark in marks.items() if mark.startswith("billing:")
        }


@dataclass
class Group:
    """Devices that are counted together."""

    silence_seconds: float = 30.0
    fakes: list[TimedFake] = field(default_factory=list)
    open_now: set[int] = field(default_factory=set)
    most: int = 0

    @contextmanager
    def counted(self, fake: TimedFake) -> Iterator[None]:
        """Count a conversation while it lasts."""
        self.open_now.add(fake.port)
        self.most = max(self.most, len(self.open_now))
        try:
            yield
        finally:
            self.open_now.discard(fake.port)


@contextmanager
def devices(count: int, folder: Path, **fields: Any) -> Iterator[tuple[Group, list[Device]]]:
    """Run so many devices in threads of this process, and return them with their rows."""
    group = Group()
    with ExitStack() as stack:
        rows = []
        for number in range(count):
            fake = TimedFake(folder / f"device-{number}.log", group)
            stack.callback(fake.stop)
            group.fakes.append(fake)
            rows.append(device_row(f"edge-{number:03}", fake.port, **fields))
        yield group, rows


def device_row(name: str, port: int, **fields: Any) -> Device:
    """Return a device that is reached at a port; what it lost is restricted anew without a limit."""
    options = {"tls": False, **fields.pop("options", {})}
    return make_device(
        name, driver="routeros", host="127.0.0.1", port=port, username="billing", secret="s3cret-Zürich",
        options=options, repairs_max=100_000, **fields,
    )  # fmt: skip


def accounts_on(device: Device, addresses: Sequence[str]) -> list[Account]:
    """Return an account with one line for each address, all on a device."""
    accounts = [make_account() for _ in addresses]
    lines = ServiceLine.objects.bulk_create(
        [ServiceLine(account=account, ipv4=address) for account, address in zip(accounts, addresses, strict=True)]
    )
    LinePlacement.objects.bulk_create([LinePlacement(line=line, device=device) for line in lines])
    return accounts


def change(accounts: Sequence[Account], level: str, *, before: str = "") -> None:
    """Let the lines of accounts be slowed or suspended; a blank level opens them; ``before`` is the level that ends."""
    change_holds(
        placed=[
            PlaceHold(account_id=account.pk, cause="abuse", cause_key=level, level=level, why="spam")
            for account in accounts
            if level
        ],
        lifted=[LiftHold(account_id=account.pk, cause_key=before, why="mended") for account in accounts if before],
    )
