"""Compare what a device holds with what its lines should be there, and write down what was seen (D10).

Only lines that are restricted, or of which the device holds something, are looked at one by one; so a comparison needs
the same number of queries for fifty lines and for twenty thousand, and memory for the restricted ones alone.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounts.models import ServiceLine
from billing_project.kernel import clock

from .drivers.port import Driver, Held, Inventory
from .models import Device, EnforcementTask, LinePlacement, LineState
from .queries import OPEN_STATES
from .rules.commands import Drift, addresses, diff, seen
from .rules.desired import NOTHING, OPEN, rank

State = EnforcementTask.State

FIELDS = ("ipv4", "ipv6", "radius_username")
# A line that has not been seen restricted for so long is cut anew when it is restricted again (D6).
NO_NEW_CUT = timedelta(days=1)
NOT_RESTRICTED = Q(desired_level=OPEN, observed_level=OPEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line on the device, as far as a comparison needs it.

    ``pending``: an order for it is under way, or was vetoed, and it is left to that. ``seen_before`` is what it was
    last seen restricted to, and when; a repair that restores that state is no new cut if ``is_no_new_cut``.
    """

    line_id: int
    account_id: int
    addresses: tuple[str, ...]
    desired: Held = NOTHING
    desired_since_at: datetime | None = None
    pending: bool = False
    generation: int = 0
    seen_before: tuple[str, datetime | None] = (OPEN, None)

    def is_no_new_cut(self, at: datetime) -> bool:
        """Tell whether restricting it restores what was seen there within a day, under the same decision."""
        level, seen_at = self.seen_before
        if seen_at is None or self.desired_since_at is None or rank(level) < rank(self.desired.level):
            return False
        return seen_at >= max(self.desired_since_at, at - NO_NEW_CUT)


def lines_on(device: Device, driver: Driver, held: Inventory, *, lists: Mapping[int, str] | None = None) -> list[Line]:
    """Return the lines that should be restricted on a device, were seen so, or of which it holds something.

    Lines that were taken off the device should be open there. ``lists`` are the lists that the lines belong into by
    now, where their states do not tell it yet.
    """
    states = LineState.objects.filter(device=device)
    lines = _known(states.exclude(NOT_RESTRICTED), driver, lists)
    owned = {address for line in lines for address in line.addresses}
    unclaimed = [address for address in {**held.ours, **held.foreign} if address not in owned]
    lines += _known(states.filter(NOT_RESTRICTED).filter(_at(unclaimed)), driver, lists)
    without = LinePlacement.objects.filter(device=device).exclude(Exists(states.filter(line=OuterRef("line"))))
    identifiers = driver.capabilities.identifiers
    for line_id, account_id, *named in without.filter(_at(unclaimed)).values_list(
        "line_id", "line__account_id", *(f"line__{name}" for name in FIELDS)
    ):
        known_by = addresses(dict(zip(FIELDS, named, strict=True)), identifiers)
        lines.append(Line(line_id=line_id, account_id=account_id, addresses=known_by))
    return lines


def _at(unclaimed: Collection[str]) -> Q:
    """Return the condition that a line may be known by one of these addresses."""
    anywhere = Q(pk__in=[])
    for name in FIELDS if unclaimed else ():
        anywhere |= Q(**{f"line__{name}__in": unclaimed})
    return anywhere


def _known(states: QuerySet[LineState], driver: Driver, lists: Mapping[int, str] | None) -> list[Line]:
    """Return lines that have a state on the device, in one query."""
    rows = states.annotate(pending=_left_alone()).values_list(
        "line_id", "line__account_id", "desired_level", "desired_since_at", "pending", "generation", "observed_level",
        "observed_at", "earlier_level", "earlier_at", "desired_list", *(f"line__{name}" for name in FIELDS),
    )  # fmt: skip
    identifiers = driver.capabilities.identifiers
    lines = []
    for line_id, account_id, level, since_at, pending, generation, *rest in rows.order_by("line_id").iterator():
        observed_level, observed_at, earlier_level, earlier_at, list_name, *named = rest
        if lists is not None:
            list_name = lists.get(line_id, "")
        before = (observed_level, observed_at) if observed_level != OPEN else (earlier_level or OPEN, earlier_at)
        lines.append(
            Line(
                line_id=line_id, account_id=account_id, pending=pending, generation=generation, seen_before=before,
                addresses=addresses(dict(zip(FIELDS, named, strict=True)), identifiers), desired_since_at=since_at,
                desired=Held(level=level, list_name=list_name if level != OPEN else ""),
            )
        )  # fmt: skip
    return lines


def _left_alone() -> Q:
    """Return the condition on a state that its line is left to an order: one that is under way, or was vetoed."""
    orders = EnforcementTask.objects.filter(line=OuterRef("line"), device=OuterRef("device"))
    vetoed = orders.filter(state=State.CANCELLED, generation=OuterRef("generation"))
    return Exists(orders.filter(state__in=OPEN_STATES)) | Exists(vetoed)


def is_left_alone(line: ServiceLine, device: Device) -> bool:
    """Tell whether a line is left to an order on a device: one that is under way, or was vetoed."""
    return LineState.objects.filter(_left_alone(), line=line, device=device).exists()


def drift_of(lines: Iterable[Line], held: Inventory) -> Drift:
    """Return the drift of a device, without the lines that are left to an order.

    What somebody else put there has its effect as well: a line that should be so, or milder, is none of our business,
    since we touch no hand's work but our own; it is told as foreign.
    """
    left_alone, wanted = set(), {}
    for line in lines:
        for address in line.addresses:
            if line.pending:
                left_alone.add(address)
            elif line.desired.level != OPEN:
                wanted[address] = line.desired
    observed = {address: one for address, one in held.ours.items() if address not in left_alone}
    for address, one in held.foreign.items():
        if address in wanted and address not in observed:
            if rank(one.level) >= rank(wanted[address].level):
                del wanted[address]
            else:
                observed[address] = one
    return replace(diff(wanted, observed), foreign=dict(held.foreign))


def record(device: Device, driver: Driver, lines: Sequence[Line], held: Inventory) -> None:
    """Write down what a device says now of every line that it knows, those that are open as well."""
    everything = {**held.foreign, **held.ours}
    by_held: dict[tuple[str, str], list[int]] = {}
    for line in lines:
        if line.addresses:
            now_seen = seen(line.addresses, everything, line.desired)
            by_held.setdefault((now_seen.level, now_seen.list_name), []).append(line.line_id)
    states = LineState.objects.filter(device=device)
    for (level, list_name), line_ids in sorted(by_held.items()):
        note_seen(states.filter(line_id__in=line_ids), Held(level=level, list_name=list_name))
    # The device holds nothing of all the others.
    looked_at = [line_id for line_ids in by_held.values() for line_id in line_ids]
    can_be_known = Q(pk__in=[])
    for name in {name for group in driver.capabilities.identifiers for name in group}:
        can_be_known |= ~Q(**{f"line__{name}": ""})
    others = states.filter(NOT_RESTRICTED).filter(can_be_known).exclude(line_id__in=looked_at)
    others.update(observed_at=clock.now())


def note_seen(states: QuerySet[LineState], found: Held) -> None:
    """Write down that lines were seen so just now, and what they were before where that has changed."""
    now = clock.now()
    states.filter(observed_level=found.level).update(observed_list=found.list_name, observed_at=now)
    states.exclude(observed_level=found.level).update(
        earlier_level=F("observed_level"), earlier_at=F("observed_at"), observed_level=found.level,
        observed_list=found.list_name, observed_at=now, observed_since_at=now, remark="",
    )  # fmt: skip


DETAILS_MAX = 50
DETAIL_LENGTH = 64


def details_of(lines: Iterable[Line], held: Inventory, found: Drift) -> dict[str, list[dict[str, Any]]]:
    """Return the first addresses of each class: what each should be, what was seen, and the key of its line."""
    owners = {address: line for line in lines for address in line.addresses}
    there = {**held.foreign, **held.ours}
    classes = {"missing": found.missing, "extra": found.extra, "stale": found.stale, "foreign": found.foreign}
    return {
        name: [
            _detail(address, owners.get(address), there.get(address, NOTHING)) for address in list(some)[:DETAILS_MAX]
        ]
        for name, some in classes.items()
        if some
    }


def _detail(address: str, line: Line | None, now_seen: Held) -> dict[str, Any]:
    wanted = line.desired if line else NOTHING
    return {
        "address": address[:DETAIL_LENGTH], "line": line.line_id if line else None,
        "wanted": wanted.level, "wanted_list": wanted.list_name[:DETAIL_LENGTH],
        "seen": now_seen.level[:DETAIL_LENGTH], "seen_list": now_seen.list_name[:DETAIL_LENGTH],
    }  # fmt: skip
