"""Two alarms: who has paid and is blocked still, and who should be blocked and is not.

The target of the first is none over a minute. Both look only at lines that differ, by the index of those, and at
orders under way; so what they cost does not grow with the lines that are as they should be.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from django.db.models import Case, Count, Exists, F, IntegerField, Min, OuterRef, Q, QuerySet, When
from django.db.models.functions import Coalesce, Greatest

from accounts.models import Attention
from accounts.operations import AttentionRequest, raise_attentions, resolve_attentions
from accounts.queries import open_pause
from billing_project.kernel import clock

from .models import EnforcementTask, LineState
from .queries import OPEN_STATES
from .rules.desired import LEVELS, OPEN

State = EnforcementTask.State

STILL_BLOCKED, NOT_BLOCKED = "paid-still-blocked", "not-blocked"
BLOCKED_MAX, FREE_MAX = timedelta(seconds=60), timedelta(minutes=30)


def paid_but_blocked() -> QuerySet[LineState]:
    """Return the lines, by device, that should have been open for over a minute and are not known to be.

    They were last seen restricted, or the order to free them is not confirmed. Each row has ``since``.
    """
    long_ago = clock.now() - BLOCKED_MAX
    differing = LineState.objects.filter(~Q(desired_level=F("observed_level")), desired_level=OPEN).values("pk")
    waiting = EnforcementTask.objects.filter(restores=True, level=OPEN, state__in=OPEN_STATES)
    unconfirmed = LineState.objects.filter(
        Exists(waiting.filter(line=OuterRef("line"), device=OuterRef("device"))),
        line__in=waiting.values("line"), desired_level=OPEN, observed_level=OPEN,
    ).values("pk")  # fmt: skip
    rows = LineState.objects.filter(pk__in=differing.union(unconfirmed), device__isnull=False)
    return rows.annotate(since=_since()).filter(since__lt=long_ago)


def not_blocked() -> QuerySet[LineState]:
    """Return the lines, by device, that should be restricted harder and were seen freer for over half an hour.

    Those whose order waits for its time, such as the morning, or was vetoed are left out. Each row has ``since``.
    """
    now = clock.now()
    orders = EnforcementTask.objects.filter(line=OuterRef("line"), device=OuterRef("device"))
    excused = orders.filter(
        Q(state=State.QUEUED, due_at__gt=now) & Q(attempts=0)
        | Q(state=State.CANCELLED, generation=OuterRef("generation"))
    )
    rows = LineState.objects.filter(
        ~Q(desired_level=F("observed_level")), ~Q(desired_level=OPEN), ~Exists(excused), device__isnull=False
    )
    harder = Q(wanted_rank__gt=F("seen_rank"))
    ranked = rows.annotate(wanted_rank=_rank("desired_level"), seen_rank=_rank("observed_level"), since=_since())
    return ranked.filter(harder, since__lt=now - FREE_MAX)


def _rank(name: str) -> Case:
    cases = [When(**{name: level}, then=place) for place, level in enumerate(LEVELS)]
    return Case(*cases, default=0, output_field=IntegerField())


def _since() -> Greatest:
    return Greatest("desired_since_at", Coalesce("observed_since_at", "desired_since_at"))


def why(states: Iterable[LineState]) -> dict[int, str]:
    """Return for each row why its line is not as it should be, in a sentence; two queries for any number of rows."""
    rows = list(states)
    pause = open_pause()
    orders: dict[tuple[int, int], list[EnforcementTask]] = defaultdict(list)
    relevant = Q(state__in=OPEN_STATES) | Q(state=State.PARKED)
    for task in EnforcementTask.objects.filter(relevant, line__in={row.line_id for row in rows}):
        orders[task.line_id, task.device_id].append(task)
    return {row.pk: _why(row, orders[row.line_id, row.device_id or 0], pause.words if pause else "") for row in rows}


def _why(row: LineState, orders: Iterable[EnforcementTask], paused: str) -> str:
    device = row.device
    if paused:
        return paused
    if device is None or not device.enabled:
        return "The device is disabled, so nothing is sent to it. Enable it, or take the line off it."
    if device.failing_since_at is not None:
        return f"The device has not answered since {_moment(device.failing_since_at)}: {device.failure}"
    for task in orders:
        if task.state == State.PARKED and task.generation == row.generation:
            return "The order was given up after several tries; the next comparison orders it anew."
        if task.state == State.QUEUED and task.due_at > clock.now():
            return f"The order did not succeed yet and is tried again at {_moment(task.due_at)}."
        if task.state in OPEN_STATES:
            return "The order is waiting for its turn on the device."
    return (
        "No order is under way. The next comparison repairs it, unless somebody else made that entry on the device,"
        " which is never touched: look at the device's foreign entries."
    )


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def raise_alarms() -> int:
    """Put both alarms before the clerks and end those that are over by themselves; return how many lines there are.

    The first is told for each line and device, the second once for a device, with how many lines it is about.
    """
    return _tell_blocked() + _tell_free()


def _tell_blocked() -> int:
    rows = list(paid_but_blocked().select_related("line__account", "device").order_by("line__account_id", "pk"))
    told = _open_keys(STILL_BLOCKED)
    fresh = {_key(row): row for row in rows if _key(row) not in told}
    reasons = why(fresh.values())
    raise_attentions(
        AttentionRequest(
            code=STILL_BLOCKED, key=key, account_id=row.line.account_id,
            words=f"Line {row.line} of account {row.line.account.number} should be open on device {row.device} since"
            f" {_moment(cast(Any, row).since)}, and {_seen(row)}. {reasons[row.pk]}",
        )
        for key, row in fresh.items()
    )  # fmt: skip
    over = told - {_key(row) for row in rows}
    resolve_attentions(STILL_BLOCKED, over, "the line was seen open, or should not be open any more")
    return len(rows)


def _seen(row: LineState) -> str:
    if row.observed_level == OPEN:
        return "the device has not confirmed that it is"
    return f"was last seen {row.get_observed_level_display()}"


def _key(row: LineState) -> str:
    return f"line:{row.line_id}:{row.device_id}"


def _tell_free() -> int:
    found = list(
        not_blocked().values("device_id", "device__name").annotate(lines=Count("pk"), first=Min("since")).order_by()
    )
    told = _open_keys(NOT_BLOCKED)
    words = {f"device:{row['device_id']}": _words(row) for row in found}
    raise_attentions(AttentionRequest(code=NOT_BLOCKED, key=key, words=text) for key, text in words.items())
    for key in told & words.keys():
        Attention.objects.filter(code=NOT_BLOCKED, key=key, resolved_at__isnull=True).exclude(words=words[key]).update(
            words=words[key]
        )
    resolve_attentions(NOT_BLOCKED, told - words.keys(), "every line that should be restricted was seen so")
    return sum(row["lines"] for row in found)


def _words(row: Mapping[str, Any]) -> str:
    lines = "1 line" if row["lines"] == 1 else f"{row['lines']} lines"
    return (
        f"Device {row['device__name']} does not restrict {lines} that it should restrict, the first since"
        f" {_moment(row['first'])}. Look at its last comparison and at the orders that were given up."
    )


def _open_keys(code: str) -> set[str]:
    return set(Attention.objects.filter(code=code, resolved_at__isnull=True).values_list("key", flat=True))
