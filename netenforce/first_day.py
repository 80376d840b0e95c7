"""Take a device over on the first day: what stands in its lists already, whose it is, and what becomes of it.

Before this program there was another one, or a person, and lines stand in the lists that our books know nothing of.
The first comparison would free what carries our mark and could never free the rest. *Trust* keeps everybody as they
are: a line that is held though our books say otherwise gets a hold of cause FOUND, for a clerk to look at, and entries
of others become ours, so that we can free them later.

Nothing is taken over that would restrict anybody more than they are, nor what we restricted and freed ourselves: who
has paid is not kept back. The holds are written first and the entries marked after that, so that an interruption
frees nobody and cuts nobody; pressed again it goes on.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import TextChoices

from accounts.models import Account, ServiceLine, User
from accounts.queries import open_stops
from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, Unavailable
from billing_project.kernel.locks import lock_rows

from .contact import note_contact
from .dispatch import identify
from .drivers.port import Driver, Held, Inventory
from .drivers.registry import driver_for
from .drivers.turn import turn_on
from .models import Device, EnforcementTask, Hold, LinePlacement, LineState
from .operations import PlaceHold, change_holds, requeue
from .probing import without_secret
from .queries import lists_on, open_tasks, running_windows
from .rules.desired import NOTHING, OPEN, rank
from .rules.lists import ListView, Standing, choose
from .rules.spans import Spans, key_of

TURN_SECONDS = 5.0
CHUNK = 500


class Choice(TextChoices):
    """What becomes of lines that are held though our books say that they should be freer."""

    KEEP = "keep", "Keep them as they are, for a clerk to look at"
    FREE = "free", "Our books are right: free them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the device that is a line's: which, what it is, what our books say, and what to know of it."""

    address: str
    held: Held
    line: ServiceLine
    wanted: Held
    ours: bool
    words: str = ""

    @property
    def account(self) -> Account:
        """Return whose line it is."""
        return self.line.account


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """One entry that is no line's of this device; ``words`` say why it is not taken over."""

    address: str
    held: Held
    ours: bool
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """All that stands in our lists on a device, told apart.

    ``agree`` should be so; ``taken`` are held though our books say freer, and can be kept; ``left`` are held and are
    left to the comparison, each with the reason; ``absent`` should be held and are not; ``strays`` are of no line here.
    """

    agree: list[Entry] = field(default_factory=list)
    taken: list[Entry] = field(default_factory=list)
    left: list[Entry] = field(default_factory=list)
    absent: list[Entry] = field(default_factory=list)
    strays: list[Stray] = field(default_factory=list)

    @property
    def foreign(self) -> list[Entry]:
        """Return the entries of others that would become ours."""
        return [entry for entry in (*self.agree, *self.taken) if not entry.ours]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """What was done: holds placed, lines to be freed, entries that are ours now, and what went wrong at the end."""

    held: int
    freed: int
    adopted: int
    failure: str = ""


def what_is_there(device: Device) -> Inside:
    """Read a device and tell its entries apart; nothing is written. Raises Refused if it cannot be read."""
    with turn_on(device.pk, seconds_max=TURN_SECONDS) as got:
        driver = _driver(device, got)
        return _told_apart(device, driver, _inventory(device, driver))


def trust(device: Device, *, by: User | None, reason: str, choice: str = Choice.KEEP) -> Trusted:
    """Take over what stands on a device, and return what was done; a second time there is nothing left to do.

    Raises Refused if the device cannot be read, if its driver cannot take over what others made, and in shadow mode.
    """
    if stop := next((stop for stop in open_stops() if stop.is_shadow), None):
        raise Refused("shadow", f"{stop.words} Nothing is written on devices; take it over after going live.")
    with turn_on(device.pk, seconds_max=TURN_SECONDS) as got:
        driver = _driver(device, got)
        found = _told_apart(device, driver, _inventory(device, driver))
        if found.foreign and not driver.capabilities.adopts:
            raise Refused(
                "adopts_nothing",
                f"{device.name} cannot take over entries that others made ({len(found.foreign)} are there). Remove them"
                " by hand on the device; the next comparison then restricts those that should be.",
            )
        _mark_observed(device, found.agree)
        kept: list[Entry] = []
        if choice == Choice.KEEP:
            for chunk in _chunks(found.taken):
                kept += _hold(device, chunk, by=by, reason=reason)
        mine = [*found.agree, *(kept if choice == Choice.KEEP else found.taken)]
        foreign = [entry.address for entry in mine if not entry.ours]
        adopted, failure = 0, ""
        try:
            if foreign:
                driver.adopt(device, foreign)
                now_ours = _inventory(device, driver).ours
                adopted = sum(address in now_ours for address in foreign)
        except (Refused, Rejected, Unavailable, OutcomeUnknown) as error:
            failure = without_secret(device, str(error))
            note_contact(device, failure)
        freed = 0
        if choice == Choice.FREE and not failure:
            for chunk in _chunks(found.taken):
                freed += _free(device, chunk, reason=reason)
    return Trusted(held=len(kept), freed=freed, adopted=adopted, failure=failure)


def foundkey_of(device_id: int) -> str:
    """Return the key of the hold that an account got when a device was taken over: one for all of its lines."""
    return f"found:{device_id}"


def _chunks(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Return the entries some hundred accounts at a time, the lines of an account together."""
    by_account: dict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_account[entry.line.account_id].append(entry)
    accounts = sorted(by_account)
    for start in range(0, len(accounts), CHUNK):
        yield [entry for account in accounts[start : start + CHUNK] for entry in by_account[account]]


def _driver(device: Device, got: bool) -> Driver:
    if not got:
        raise Refused("busy", f"Another worker is speaking to {device.name} at this moment; try again in a minute.")
    return driver_for(device)


def _inventory(device: Device, driver: Driver) -> Inventory:
    try:
        found = driver.read_all(device)
    except (Rejected, Unavailable, OutcomeUnknown) as error:
        words = without_secret(device, str(error))
        note_contact(device, words)
        raise Refused("no_answer", words) from error
    note_contact(device, "")
    return found


def _told_apart(device: Device, driver: Driver, inventory: Inventory) -> Inside:
    """Match entries to lines, in a constant number of queries."""
    placed = LinePlacement.objects.filter(device=device).select_related("line__account__status").order_by("line_id")
    lines = {placement.line_id: placement.line for placement in placed}
    owners = {
        key_of(address): line for line in lines.values() for address in identify(driver, line)
    }  # a line may have two addresses, and then two entries
    everything = {**inventory.foreign, **inventory.ours}
    matched: dict[int, list[str]] = defaultdict(list)
    strays = []
    for address in sorted(everything):
        owner = owners.get(key_of(address))
        if owner is None:
            strays.append(address)
        else:
            matched[owner.pk].append(address)
    books = _Books(device, lines, driver, everything)
    found = Inside(strays=_strays(strays, everything, inventory, owners))
    for line_id, line in lines.items():
        for address in matched.get(line_id, ()):
            _sort(found, books, line, address, everything[address], address in inventory.ours)
        wanted = books.wanted(line_id)
        if wanted.level != OPEN and line_id not in matched:
            found.absent.append(
                Entry(address=str(line), held=NOTHING, line=line, wanted=wanted, ours=False, words="not there")
            )
    return found


def _sort(found: Inside, books: "_Books", line: ServiceLine, address: str, held: Held, ours: bool) -> None:
    wanted = books.wanted(line.pk)
    more: dict[str, Any] = {"address": address, "held": held, "line": line, "wanted": wanted, "ours": ours}
    if held.agrees(wanted):
        found.agree.append(Entry(**more))
    elif rank(held.level) <= rank(wanted.level):
        found.left.append(Entry(**more, words="Our books say harder, or another list: the comparison changes it."))
    elif words := books.why_not_kept(line, held):
        found.left.append(Entry(**more, words=words))
    else:
        found.taken.append(Entry(**more))


class _Books:
    """What our books say of the lines of a device and of the other lines of their accounts."""

    def __init__(
        self, device: Device, lines: Mapping[int, ServiceLine], driver: Driver, everything: Mapping[str, Held]
    ) -> None:
        """Read all of it in a constant number of queries."""
        accounts = {line.account_id for line in lines.values()}
        self.device = device
        self.lists: Sequence[ListView] = lists_on(device)
        states = LineState.objects.filter(line__account__in=accounts, device__isnull=False).select_related("device")
        self.states = {(state.line_id, state.device_id): state for state in states}
        self.busy = {line_id for line_id, device_id in open_tasks(lines) if device_id == device.pk}
        tasks = EnforcementTask.objects.filter(device=device, line__in=lines)
        self.ordered = set(tasks.values_list("line_id", flat=True))
        self.windows = running_windows(accounts)
        self.seen_here = {
            (line_id, device.pk): self._hardest(identify(driver, line), everything) for line_id, line in lines.items()
        }
        self.places: dict[int, list[LinePlacement]] = defaultdict(list)
        for place in LinePlacement.objects.filter(line__account__in=accounts).select_related("line", "device"):
            self.places[place.line.account_id].append(place)

    def wanted(self, line_id: int) -> Held:
        """Return what a line should be on the device."""
        state = self.states.get((line_id, self.device.pk))
        return Held(level=state.desired_level, list_name=state.desired_list) if state else NOTHING

    def why_not_kept(self, line: ServiceLine, held: Held) -> str:
        """Return why a line must not be kept as it is found; empty if it can be."""
        if line.pk in self.busy:
            return "An order for it is under way: it is freed by that."
        if line.account_id in self.windows:
            return "It is open for a payment or released at the moment, so it is freed."
        if line.pk in self.ordered:
            return "We restricted and freed it ourselves before: it is freed by the comparison, not kept."
        account = line.account
        causes = frozenset({str(Hold.Cause.FOUND)})
        standing = Standing(status_id=account.status_id, account_type_id=account.account_type_id, causes=causes)
        chosen = choose(held.level, standing, self.lists)
        if chosen is not None and not held.agrees(Held(level=held.level, list_name=chosen.name)):
            return f"It stands in list {held.list_name}; by your address lists it would be moved to {chosen.name}."
        for place in self.places[line.account_id]:
            other = self._seen(place)
            if other != held.level and (place.line_id, place.device_id) == (line.pk, self.device.pk):
                return "Only some of its addresses stand in a list, so it is not wholly restricted: it is freed."
            if other != held.level:
                shown = other or "not known yet"
                return (
                    f"Its account has line {place.line} on {place.device} as well, which is {shown}: a hold is for all"
                    f" lines of an account and would make it {held.level}. Settle this one by hand."
                )
        return ""

    def _seen(self, place: LinePlacement) -> str:
        here = self.seen_here.get((place.line_id, place.device_id))
        if here is not None:
            return here
        state = self.states.get((place.line_id, place.device_id))
        return state.observed_level if state and state.observed_at else ""

    @staticmethod
    def _hardest(names: Iterable[str], everything: Mapping[str, Held]) -> str:
        """Return how a line is seen here; of two addresses the freer one, so that nothing is made harder."""
        keyed = {key_of(address): one.level for address, one in everything.items()}
        return min((keyed.get(key_of(name), OPEN) for name in names), key=rank, default=OPEN)


def _strays(
    addresses: Sequence[str], everything: Mapping[str, Held], inventory: Inventory, owners: Mapping[str, ServiceLine]
) -> list[Stray]:
    elsewhere = {
        key_of(name): line
        for line in ServiceLine.objects.filter(ipv4__in=addresses).select_related("account")
        | ServiceLine.objects.filter(ipv6__in=addresses).select_related("account")
        | ServiceLine.objects.filter(radius_username__in=addresses).select_related("account")
        for name in (line.ipv4, line.ipv6, line.radius_username)
        if name
    }
    spans = Spans(owners)
    return [
        Stray(
            address=address, held=everything[address], ours=address in inventory.ours,
            words=_stray_words(address, address in inventory.ours, elsewhere, spans),
        )
        for address in addresses
    ]  # fmt: skip


def _stray_words(address: str, ours: bool, elsewhere: Mapping[str, ServiceLine], spans: Spans[ServiceLine]) -> str:
    if (line := elsewhere.get(key_of(address))) is not None:
        return f"Line of account {line.account.number}, which is not placed on this device: place it here first."
    if covered := spans.covered(address):
        names = ", ".join(str(line) for line in covered[:3])
        more = f" and {len(covered) - 3} more" if len(covered) > 3 else ""
        return f"Overlaps {names}{more} and is none of them: never taken over; remove it on the device by hand."
    if ours:
        return "Carries our mark and is no line's: the next comparison removes it."
    return "No line of ours has this address; it is left alone."


def _mark_observed(device: Device, entries: Iterable[Entry]) -> None:
    """Write down what was seen of lines that our books know already."""
    by_held: dict[tuple[str, str], list[int]] = defaultdict(list)
    for entry in entries:
        by_held[entry.held.level, entry.held.list_name].append(entry.line.pk)
    for (level, list_name), line_ids in sorted(by_held.items()):
        LineState.objects.filter(device=device, line_id__in=line_ids).update(
            observed_level=level, observed_list=list_name, observed_at=clock.now()
        )


@transaction.atomic
def _hold(device: Device, entries: Sequence[Entry], *, by: User | None, reason: str) -> list[Entry]:
    """Place the holds of some lines, with what was seen, so that no order follows; those that changed are left out."""
    accounts = lock_rows(Account.objects.order_by(), {entry.line.account_id for entry in entries})
    # Under the lock nobody frees or restricts these any more; who was paid for meanwhile falls out.
    busy = {line_id for line_id, _ in open_tasks([entry.line.pk for entry in entries])}
    windows = running_windows([account.pk for account in accounts])
    mine = LineState.objects.filter(device=device, line_id__in=[entry.line.pk for entry in entries])
    states = {state.line_id: state for state in mine}
    changed = {
        entry.line.account_id
        for entry in entries
        if entry.line.pk in busy
        or entry.line.account_id in windows
        or (states[entry.line.pk].desired_level if entry.line.pk in states else OPEN) != entry.wanted.level
    }
    kept = [entry for entry in entries if entry.line.account_id not in changed]
    fresh = {entry.line.pk for entry in kept} - states.keys()
    LineState.objects.bulk_create([LineState(line_id=line_id, device=device) for line_id in sorted(fresh)])
    _mark_observed(device, kept)
    firsts = {entry.line.account_id: entry for entry in reversed(kept)}
    change_holds(
        placed=[
            PlaceHold(
                account_id=account_id, cause=Hold.Cause.FOUND, cause_key=foundkey_of(device.pk), level=entry.held.level,
                why=_why(device, entry, by, reason), at=clock.now(),
            )
            for account_id, entry in sorted(firsts.items())
        ]
    )  # fmt: skip
    return kept


def _why(device: Device, entry: Entry, by: User | None, reason: str) -> str:
    on = clock.today(entry.account.timezone)
    where = f"list {entry.held.list_name}" if entry.held.list_name else "a list"
    taken = f"taken over by {by}" if by else "taken over"
    return f"Stood in {where} on device {device.name} on {on} when it was {taken}: {reason}"


@transaction.atomic
def _free(device: Device, entries: Sequence[Entry], *, reason: str) -> int:
    """Order lines to be freed that our books say are open, and count them."""
    lock_rows(Account.objects.order_by(), {entry.line.account_id for entry in entries})
    line_ids = sorted({entry.line.pk for entry in entries})
    known = set(LineState.objects.filter(device=device, line_id__in=line_ids).values_list("line_id", flat=True))
    LineState.objects.bulk_create(
        [LineState(line_id=line_id, device=device) for line_id in line_ids if line_id not in known]
    )
    _mark_observed(device, entries)
    busy = {line_id for line_id, device_id in open_tasks(line_ids) if device_id == device.pk}
    mine = LineState.objects.filter(device=device, line_id__in=line_ids).exclude(line_id__in=busy)
    return len(requeue(mine, why=f"Stood in a list when the device was taken over, and should be open: {reason}"))
