"""The lower half of a device's page: its lines, what stands there of nobody's, and how it drifted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import Case, Count, F, FilteredRelation, IntegerField, Max, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Coalesce, TruncDate
from django.utils.safestring import SafeString

from accounts.admin.base import local_time
from billing_project.kernel import clock
from netenforce.models import Device, DeviceReading, LinePlacement, LineState, SimulatedEntry
from netenforce.models.hold import Level

from .levels import level_badge

LINES_PER_PAGE = 50
LEFT_BEHIND_MAX = 50
STRANGERS_MAX = 100
CHART_DAYS = 14
PLOT_HEIGHT, BAR_WIDTH, STEP, LEFT = 120, 24, 32, 8
SHOWN = {"": "all", "differ": "not as they should be", "held": "restricted, or to be", "open": "open"}

DIFFERS = ~Q(want=F("seen")) | (~Q(want_list="") & ~Q(seen_list="") & ~Q(want_list=F("seen_list")))
DIFFERS_STATE = ~Q(desired_level=F("observed_level")) | (
    ~Q(desired_list="") & ~Q(observed_list="") & ~Q(desired_list=F("observed_list"))
)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the filters of the list: its words, how many lines it shows, its address."""

    words: str
    count: int
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what it should be on this device, and what the device last said."""

    placement: LinePlacement
    desired: SafeString
    desired_list: str
    observed: SafeString
    observed_list: str
    seen: SafeString | str
    differs: bool
    entries: Sequence[SimulatedEntry]


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of the chart: how far the device was off at worst, and what was repaired."""

    on: date
    drift: int
    repaired: int
    failed: int
    readings: int
    x: int
    y: int
    height: int


def lines_of(device: Device, asked: Mapping[str, str]) -> dict[str, Any]:
    """Return a page of the device's lines, those that differ first, with filters; a constant number of queries."""
    words = asked.get("q", "").strip()
    shown = asked.get("show", "") if asked.get("show", "") in SHOWN else ""
    rows = _lines(device)
    if words:
        rows = rows.filter(
            Q(line__ipv4__icontains=words) | Q(line__ipv6__icontains=words)
            | Q(line__radius_username__icontains=words) | Q(line__account__number__icontains=words)
            | Q(line__account__name__icontains=words)
        )  # fmt: skip
    held = ~Q(want=Level.OPEN) | ~Q(seen=Level.OPEN)
    counts = rows.aggregate(
        all=Count("pk"), differ=Count("pk", filter=DIFFERS), held=Count("pk", filter=held),
        open=Count("pk", filter=~held),
    )  # fmt: skip
    narrowed = {"": rows, "differ": rows.filter(DIFFERS), "held": rows.filter(held), "open": rows.exclude(held)}[shown]
    page = Paginator(narrowed, LINES_PER_PAGE).get_page(asked.get("page"))
    return {
        "rows": _rows(device, page), "page": page, "query": words, "chosen": shown, "total": counts["all"],
        "choices": [
            Choice(label, counts[key or "all"], _address(words, key), key == shown) for key, label in SHOWN.items()
        ],
        "before": _address(words, shown, page.number - 1), "after": _address(words, shown, page.number + 1),
        "left_behind": _left_behind(device), "strangers": _strangers(device),
    }  # fmt: skip


def _lines(device: Device) -> QuerySet[Any]:
    """Return the lines placed on a device with what they should be and are; those that differ come first."""
    state = FilteredRelation("line__network_states", condition=Q(line__network_states__device=device))
    rows = LinePlacement.objects.filter(device=device).annotate(
        state=state,
        want=Coalesce("state__desired_level", Value(Level.OPEN)),
        seen=Coalesce("state__observed_level", Value(Level.OPEN)),
        want_list=Coalesce("state__desired_list", Value("")),
        seen_list=Coalesce("state__observed_list", Value("")),
        seen_at=F("state__observed_at"),
    )  # fmt: skip
    first = Case(When(DIFFERS, then=0), When(~Q(want=Level.OPEN), then=1), default=2, output_field=IntegerField())
    return rows.annotate(place=first).select_related("line__account").order_by("place", "line__ipv4", "line_id")


def _rows(device: Device, page: Page[Any]) -> list[Row]:
    names = [name for row in page for name in (row.line.ipv4, row.line.ipv6, row.line.radius_username) if name]
    memory: dict[str, SimulatedEntry] = {}
    if device.driver == Device.Driver.SIMULATED:
        memory = {entry.address: entry for entry in SimulatedEntry.objects.filter(device=device, address__in=names)}
    return [
        Row(
            placement=row, desired=level_badge(row.want), desired_list=row.want_list, observed=level_badge(row.seen),
            observed_list=row.seen_list, seen=local_time(row.seen_at, row.line.account.timezone),
            differs=row.place == 0,
            entries=[
                memory[name] for name in (row.line.ipv4, row.line.ipv6, row.line.radius_username) if name in memory
            ],
        )
        for row in page
    ]  # fmt: skip


def _left_behind(device: Device) -> list[dict[str, Any]]:
    """Return lines that were taken off the device and that it still holds."""
    rows = (
        LineState.objects.filter(device=device)
        .exclude(observed_level=Level.OPEN)
        .exclude(line__placements__device=device)
        .select_related("line__account")[:LEFT_BEHIND_MAX]
    )
    return [{"line": row.line, "observed": level_badge(row.observed_level)} for row in rows]


def _strangers(device: Device) -> list[str]:
    """Return what stands in our lists by somebody else's hand, or is no line's, as the last comparison found it."""
    if device.driver == Device.Driver.SIMULATED:
        on_it = LinePlacement.objects.filter(device=device).values
        entries = SimulatedEntry.objects.filter(device=device)
        for name in ("ipv4", "ipv6", "radius_username"):
            entries = entries.exclude(address__in=on_it(f"line__{name}"))
        return [_entry_words(entry.address, entry.level, entry.list_name) for entry in entries[:STRANGERS_MAX]]
    newest = DeviceReading.objects.filter(device=device, failure="").first()
    return foreign_words(newest.details if newest else {})[:STRANGERS_MAX]


def foreign_words(details: Mapping[str, Any]) -> list[str]:
    """Return what a comparison found that is no line's here, or somebody else's, in words."""
    strangers = [row for row in details.get("extra", ()) if row.get("line") is None]
    return [
        _entry_words(row["address"], row["seen"], row.get("seen_list", ""))
        for row in (*details.get("foreign", ()), *strangers)
    ]


def _entry_words(address: str, level: str, list_name: str) -> str:
    return f"{address}: {level} ({list_name})" if list_name else f"{address}: {level}"


def _address(words: str, shown: str, page: int = 1) -> str:
    asked = {"q": words, "show": shown, "page": str(page) if page > 1 else ""}
    return f"?{urlencode({key: value for key, value in asked.items() if value})}#device-lines"


def drift_of(device: Device) -> dict[str, Any]:
    """Return the chart of the last days: how many lines were not as they should be at worst, and were repaired."""
    today = clock.today("UTC")
    first = today - timedelta(days=CHART_DAYS - 1)
    rows = (
        DeviceReading.objects.filter(device=device, at__gte=clock.now() - timedelta(days=CHART_DAYS))
        .annotate(on=TruncDate("at"))
        .order_by()
        .values("on")
        .annotate(
            drift=Max(F("missing") + F("extra") + F("stale")), repairs=Sum("repaired"), total=Count("pk"),
            failed=Count("pk", filter=~Q(failure="")),
        )
    )  # fmt: skip
    by_day = {row["on"]: row for row in rows}
    most = max((row["drift"] for row in by_day.values()), default=0)
    bars = []
    for place in range(CHART_DAYS):
        day = first + timedelta(days=place)
        row = by_day.get(day)
        drift = row["drift"] if row else 0
        height = max(round(PLOT_HEIGHT * drift / most), 2) if drift else 0
        bars.append(
            Bar(
                on=day, drift=drift, repaired=row["repairs"] if row else 0, failed=row["failed"] if row else 0,
                readings=row["total"] if row else 0, x=LEFT + place * STEP, y=20 + PLOT_HEIGHT - height, height=height,
            )
        )  # fmt: skip
    return {"bars": bars, "any": bool(by_day), "worst": most, "bar_width": BAR_WIDTH}
