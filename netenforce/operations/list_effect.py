"""What a change of an address list would do, by device, before it is made; nothing is written."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.db.models import Q

from accounts.models import Account, ServiceLine

from ..models import Device, Hold
from ..queries import all_lists
from ..rules.desired import OPEN, hardest, rank
from ..rules.lists import ListView, Standing, carried, choose, takes
from .lists import PREFIX, taken_by

NOWHERE = "on no device"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEffect:
    """How many lines on one device a list would newly hold, let go, know under another name, or hold on to."""

    device: str
    into: int
    out_of: int
    renamed: int
    stay: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a change of a list would do; ``restricted`` and ``freed`` count lines, whatever devices they are on."""

    by_device: tuple[DeviceEffect, ...] = ()
    restricted: int = 0
    harder: int = 0
    milder: int = 0
    freed: int = 0

    @property
    def moves(self) -> bool:
        """Tell whether any line would notice."""
        moved = any(row.into or row.out_of or row.renamed for row in self.by_device)
        return moved or bool(self.restricted or self.harder or self.milder or self.freed)


@dataclass(slots=True)
class _Counts:
    devices: dict[int | None, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    lines: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))


class _Side:
    """Which list each line is in, before the change or after it; the answers are few, so each is found once."""

    def __init__(self, lists: Iterable[ListView], devices: Mapping[int, Device]) -> None:
        ordered = tuple(lists)
        self.carried = {key: carried(ordered, key, device.options) for key, device in devices.items()}
        self.known: dict[tuple[int | None, str, Standing], ListView | None] = {}

    def place(self, device_id: int | None, level: str, account: Standing) -> ListView | None:
        place = device_id, level, account
        if place not in self.known:
            self.known[place] = choose(level, account, self.carried.get(device_id or 0, ()))
        return self.known[place]


def effect_of(changed: ListView) -> Effect:
    """Return what a list that is added or changed like this would do; the queries do not grow with the lines.

    Payment windows that run are left out of account: they are over in minutes.
    """
    lists = all_lists()
    after = sorted(
        [one for one in lists if one.key != changed.key] + [changed], key=lambda one: (one.position, one.name)
    )
    devices = {device.pk: device for device in Device.objects.order_by("name")}
    sides = _Side(lists, devices), _Side(after, devices)
    holds: dict[int, list[tuple[str, str, str]]] = defaultdict(list)
    for account_id, *hold in Hold.objects.filter(lifted_at__isnull=True).values_list(
        "account_id", "level", "cause", "cause_key"
    ):
        holds[account_id].append((hold[0], hold[1], hold[2]))
    accounts = _accounts(changed, holds)
    lines = ServiceLine.objects.filter(account_id__in=accounts).order_by()
    counts = _Counts()
    for line_id, account_id, device_id in lines.values_list("pk", "account_id", "placements__device_id"):
        _count(counts, line_id, device_id, changed, sides, accounts[account_id])
    return _effect(counts, devices)


def _accounts(
    changed: ListView, holds: Mapping[int, list[tuple[str, str, str]]]
) -> dict[int, tuple[tuple[str, Standing], tuple[str, Standing]]]:
    """Return how hard each account that may be concerned is restricted, and what criteria look at: before and after."""
    rows = Account.objects.filter(taken_by([changed]) | Q(pk__in=holds)).order_by()
    found = {}
    for account_id, status_id, type_id in rows.values_list("pk", "status_id", "account_type_id"):
        mine = holds.get(account_id, [])
        others = [hold for hold in mine if hold[2] != f"{PREFIX}{changed.key}"]
        if takes(Standing(status_id=status_id, account_type_id=type_id), changed):
            others.append((changed.level, Hold.Cause.STATUS, ""))
        found[account_id] = (_standing(status_id, type_id, mine), _standing(status_id, type_id, others))
    return found


def _standing(status_id: int, type_id: int, holds: list[tuple[str, str, str]]) -> tuple[str, Standing]:
    level = hardest(hold[0] for hold in holds)
    causes = frozenset(str(hold[1]) for hold in holds if hold[0] == level)
    return level, Standing(status_id=status_id, account_type_id=type_id, causes=causes)


def _count(
    counts: _Counts,
    line_id: int,
    device_id: int | None,
    changed: ListView,
    sides: tuple[_Side, _Side],
    account: tuple[tuple[str, Standing], tuple[str, Standing]],
) -> None:
    (level, standing), (level_then, standing_then) = account
    was, will_be = sides[0].place(device_id, level, standing), sides[1].place(device_id, level_then, standing_then)
    was_in = was is not None and was.key == changed.key
    is_in = will_be is not None and will_be.key == changed.key
    row = counts.devices[device_id]
    row["into"] += is_in and not was_in
    row["out_of"] += was_in and not is_in
    if was is not None and will_be is not None and was_in and is_in:
        row["renamed" if was.name != will_be.name else "stay"] += 1
    if level == OPEN != level_then:
        counts.lines["restricted"].add(line_id)
    elif level_then == OPEN != level:
        counts.lines["freed"].add(line_id)
    elif level != level_then:
        counts.lines["harder" if rank(level_then) > rank(level) else "milder"].add(line_id)


def _effect(counts: _Counts, devices: Mapping[int, Device]) -> Effect:
    order = [*devices, None]
    rows = [
        DeviceEffect(
            device=devices[key].name if key is not None else NOWHERE,
            into=row["into"], out_of=row["out_of"], renamed=row["renamed"], stay=row["stay"],
        )
        for key, row in sorted(counts.devices.items(), key=lambda pair: order.index(pair[0]))
        if +row
    ]  # fmt: skip
    return Effect(by_device=tuple(rows), **{name: len(lines) for name, lines in counts.lines.items()})
