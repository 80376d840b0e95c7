"""The airbag at work: count before acting, hold what is far from the usual, and remember what was held (R-15).

While a plan is held nothing harmful is done to anybody by itself: no cut, no status switch, no late fee, no charge.
Everything else goes on. The verdicts are pure and stand in `rules/airbag.py`.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain, islice
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, Sum

from accounts.models import Account, Company
from accounts.operations import raise_attention
from accounts.queries import share_house
from billing_project.kernel import clock, money
from billing_project.kernel.garbage import left_for_later

from ..models import AirbagStep, AirbagTrip, Forecast
from ..models import Event as EventRow
from ..reading import Position, read_positions
from ..rules.actions import Event, Kind
from ..rules.airbag import CUTTING, FEW, LOOKS_BACK, ZERO, Verdict, judge_cuts, judge_fees
from ..rules.when import LOOK, SWITCH
from .playing import harms_ahead

logger = logging.getLogger(__name__)

CHUNK = 500
CODE = "airbag"
CUT_EVENTS = [str(Kind.RESTRICTED), str(Kind.STATUS_SWITCH)]
LATE_FEE = str(Kind.LATE_FEE)
# Which trips keep a look from doing harm; held bills are a matter of their own.
GROUNDING = (AirbagTrip.Kind.CUTS, AirbagTrip.Kind.MONEY)
State = AirbagTrip.State


@dataclass(slots=True)
class Plan:
    """What is about to be done, together with what was done today: accounts cut, each once, and late fees."""

    cut: set[int] = field(default_factory=set)
    fees: Decimal = ZERO
    fees_count: int = 0


# --- The operator's day ---


def desk_day(at: datetime) -> tuple[date, datetime]:
    """Return the operator's local day of an instant, and when it began; the first company's zone counts."""
    zone = Company.objects.order_by("pk").values_list("timezone", flat=True).first() or "UTC"
    day = clock.local(at, zone).date()
    return day, clock.instant(datetime.combine(day, time.min), zone)


def trips_in_force(at: datetime, kinds: Sequence[str] = GROUNDING) -> list[AirbagTrip]:
    """Return the trips that hold things back at an instant: open ones, and those dismissed earlier the same day."""
    trips = list(
        AirbagTrip.objects.filter(kind__in=kinds)
        .filter(Q(state__in=AirbagTrip.OPEN) | Q(state=State.DISMISSED, decided_at__gte=at - timedelta(days=2)))
        .order_by("state", "pk")
    )
    if not any(trip.state == State.DISMISSED for trip in trips):
        return trips
    began = desk_day(at)[1]
    # A dismissed plan stays held for the rest of the day; the next day's check plans anew.
    return [trip for trip in trips if trip.decided_at is None or trip.decided_at >= began]


# --- Before a sweep acts ---


def guard(account_ids: Iterable[int], *, at: datetime, before_bill: bool = False) -> list[AirbagTrip]:
    """Compare what looks at accounts would do with the usual, before any of it is done; return the trips opened.

    Costs one reading of all the accounts, and only where they and what was done today are more than 20 together: fewer
    can never be too many. Accounts that a released trip let through are not counted again.
    """
    ids = iter(account_ids)
    some = list(islice(ids, FEW + 1))
    if not some or trips_in_force(at):
        return []
    day, began = desk_day(at)
    plan = _done_today(day, began)
    if len(plan.cut | set(some)) <= FEW and plan.fees_count + len(some) <= FEW:
        return []
    known = _let_through(began)
    _add(plan, (key for key in chain(some, ids) if key not in known), at, SWITCH if before_bill else LOOK)
    return [open_trip(kind, verdict, day, at) for kind, verdict in _verdicts(plan, day)]


def _done_today(day: date, began: datetime) -> Plan:
    rows = (
        EventRow.objects.filter(kind__in=[*CUT_EVENTS, LATE_FEE], on__gt=day - LOOKS_BACK, recorded_at__gte=began)
        .exclude(account__in=_let_through(began))
        .values_list("account_id", "kind", "amount")
    )
    plan = Plan()
    for account_id, kind, amount in rows:
        if kind == LATE_FEE:
            plan.fees, plan.fees_count = plan.fees + (amount or ZERO), plan.fees_count + 1
        else:
            plan.cut.add(account_id)
    return plan


def _let_through(began: datetime) -> set[int]:
    """Return the accounts whose held steps were released: still to be decided again, or so today."""
    rows = AirbagStep.objects.filter(trip__state=State.RELEASED, trip__kind__in=GROUNDING)
    return set(rows.filter(Q(again_at__isnull=True) | Q(again_at__gte=began)).values_list("account_id", flat=True))


def _add(plan: Plan, account_ids: Iterator[int], at: datetime, phase: int) -> None:
    while chunk := list(islice(account_ids, CHUNK)):
        with left_for_later():
            _add_chunk(plan, chunk, at, phase)


def _add_chunk(plan: Plan, ids: list[int], at: datetime, phase: int) -> None:
    for position in _positions(ids):
        position.state.leaves_on = clock.local(max(at, clock.now()), position.account.timezone).date()
        try:
            harms = harms_ahead(position, at, phase)
        except Exception as error:  # noqa: BLE001 - the look itself will meet it, and park that account alone
            logger.warning("account %d is not counted ahead: %s", position.account.pk, error)
            continue
        for event in harms:
            if event.kind in CUTTING:
                plan.cut.add(position.account.pk)
            elif event.kind is Kind.LATE_FEE:
                plan.fees, plan.fees_count = plan.fees + (event.amount or ZERO), plan.fees_count + 1


def _positions(ids: list[int]) -> Iterator[Position]:
    """Read accounts as they are, unlocked: nothing is written, and each is read again under its lock."""
    rows = list(Account.objects.filter(pk__among=ids, parked_at__isnull=True).order_by())
    share_house(rows)
    try:
        with transaction.atomic():
            yield from read_positions(rows)
    except Exception as error:  # noqa: BLE001 - one unreadable account must not leave the others uncounted
        if len(ids) == 1:
            logger.warning("account %d is not counted ahead: %s", ids[0], error)
            return
        for account_id in ids:
            yield from _positions([account_id])


def _verdicts(plan: Plan, day: date) -> Iterator[tuple[str, Verdict]]:
    if max(len(plan.cut), plan.fees_count) <= FEW:
        return
    past = EventRow.objects.filter(on__gte=day - LOOKS_BACK, on__lt=day).order_by().values("on")
    forecast = Forecast.objects.filter(for_on=day).first()
    if len(plan.cut) > FEW:
        days = past.filter(kind__in=CUT_EVENTS).annotate(n=Count("account", distinct=True))
        active = Account.objects.filter(closed_on__isnull=True, status__activates_billing=True).count()
        cuts = judge_cuts(
            len(plan.cut),
            largest=max((row["n"] for row in days), default=0),
            active=active,
            forecast=forecast.cuts if forecast else None,
        )
        if cuts is not None:
            yield AirbagTrip.Kind.CUTS, cuts
    if plan.fees_count > FEW:
        sums = past.filter(kind=LATE_FEE).annotate(x=Sum("amount"))
        fees = judge_fees(
            plan.fees,
            count=plan.fees_count,
            largest=max((row["x"] for row in sums), default=ZERO),
            forecast=forecast.fee_total if forecast else None,
        )
        if fees is not None:
            yield AirbagTrip.Kind.MONEY, fees


# --- Trips and what they hold ---


@transaction.atomic
def open_trip(kind: str, verdict: Verdict, day: date, at: datetime) -> AirbagTrip:
    """Hold a plan, and tell the staff; if one of the kind is held already, that one is returned."""
    # The partial unique constraint decides between two sweeps of the same moment.
    found = AirbagTrip.objects.select_for_update().filter(kind=kind, state__in=AirbagTrip.OPEN).first()
    if found is not None:
        return found
    trip = AirbagTrip(
        kind=kind, on=day, tripped_at=at, planned=verdict.planned, limit=verdict.limit, words=verdict.words
    )
    trip._change_reason, trip._history_date = "held by the airbag", clock.now()  # type: ignore[attr-defined]
    trip.save()
    raise_attention(
        code=CODE,
        key=f"trip:{trip.pk}",
        words=f"The airbag holds the {trip}. {trip.words} Look at the held steps under “Airbag”: if they are right, ask"
        " for their release and have a second person approve it; if not, dismiss them and mend the policy or price.",
    )
    logger.warning("the airbag holds the %s: %s", trip, trip.words)
    return trip


def note_held(trips: Sequence[AirbagTrip], held: Iterable[tuple[Account, Event]], at: datetime) -> None:
    """Write down the steps that looks held back, each once for its trip."""
    by_kind = {trip.kind: trip for trip in reversed(trips)}
    rows = []
    for account, event in held:
        wanted = AirbagTrip.Kind.MONEY if event.kind is Kind.LATE_FEE else AirbagTrip.Kind.CUTS
        rows.append(
            AirbagStep(
                trip=by_kind.get(wanted) or trips[0],
                account=account,
                kind=shown_kind(event),
                step=event.step.key if event.step else "",
                anchor_key=event.anchor,
                on=event.on,
                invoice_id=event.invoice if isinstance(event.invoice, int) else None,
                amount=event.amount,
                why=event.why[:400],
                held_at=at,
            )
        )
    AirbagStep.objects.bulk_create(rows, ignore_conflicts=True)


def shown_kind(event: Event) -> str:
    """Return the name of a held step's kind; a cut that would come back is a cut."""
    return str(Kind.RESTRICTED if event.kind is Kind.HOLD_AGAIN else event.kind)


def waiting_for_switch(account_ids: Iterable[int], at: datetime) -> set[int]:
    """Return the accounts whose status switch is held: they are not billed until that is decided (S12, D5)."""
    steps = AirbagStep.objects.filter(
        account__among=list(account_ids), kind=str(Kind.STATUS_SWITCH), again_at__isnull=True
    ).values_list("account_id", "trip_id", "trip__state")
    found = list(steps)
    in_force = {trip.pk for trip in trips_in_force(at)} if found else set()
    return {account_id for account_id, trip_id, state in found if state == State.RELEASED or trip_id in in_force}


def describe(trips: Sequence[AirbagTrip]) -> dict[str, Any] | None:
    """Return the trips in force as an answer for programs; None if there is none."""
    if not trips:
        return None
    return {
        "words": " ".join(trip.words for trip in trips),
        "trips": [
            {
                "kind": trip.kind,
                "state": trip.state,
                "on": trip.on.isoformat(),
                "planned": _figure(trip, trip.planned),
                "limit": _figure(trip, trip.limit),
                "words": trip.words,
            }
            for trip in trips
        ],
    }


def _figure(trip: AirbagTrip, figure: Decimal) -> int | str:
    return int(figure) if trip.kind == AirbagTrip.Kind.CUTS else money.text(figure)
