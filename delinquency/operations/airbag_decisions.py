"""What people decide about held plans: one asks for the release, another approves; or somebody dismisses."""

import logging
from collections.abc import Sequence
from datetime import datetime, time, timedelta

from django.db import transaction
from django.db.models import Max, QuerySet

from accounts.models import User
from accounts.operations import resolve_attention
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_row
from billing_project.kernel.nudge import nudge
from invoicing.sweep import bill

from ..models import AirbagStep, AirbagTrip, PolicyVersion
from ..rules.policy import CHECK_TIME
from .airbag import CODE, GROUNDING, trips_in_force
from .reassess import Looked, reassess_many

logger = logging.getLogger(__name__)

CHUNK = 500
# Whoever published a policy as recently as this does not approve what it does.
PUBLISHED_LATELY = timedelta(days=7)
# A check may be made up for until then; after that the next one does it (A4).
LATEST = time(21)
REASON_LENGTH = 200
State = AirbagTrip.State


@transaction.atomic
def ask_release(trip: AirbagTrip, *, by: User, reason: str) -> AirbagTrip:
    """Ask that a held plan be released, and say why; a second person then approves. Raises Refused if not held."""
    locked = _lock(trip, State.HELD)
    locked.state, locked.asked_by, locked.asked_at = State.ASKED, by, clock.now()
    locked.asked_why = _reason(reason, "Say why what is held is right; who approves it reads that.")
    return _save(locked, "asked", by)


def release(trip: AirbagTrip, *, by: User, reason: str) -> AirbagTrip:
    """Approve a release somebody else has asked for; what was held is decided again at once.

    A late check of the same day does that between 09:00 and 21:00 of each account's time, else its next check: what
    was paid or granted meanwhile is not done. Held bills are issued with their own dates. Raises Refused for the person
    who asked, for whoever published a policy concerned within the last seven days, and if nobody has asked.
    """
    with transaction.atomic():
        locked = _lock(trip, State.ASKED)
        _check_second_person(locked, by)
        locked.state, locked.decided_by, locked.decided_at = State.RELEASED, by, clock.now()
        locked.decided_why = _reason(reason, "Say what makes you sure; it is kept with the release.")
        _save(locked, "released", by)
        resolve_attention(CODE, f"trip:{locked.pk}", f"released: {locked.decided_why}", by=by)
    if AirbagStep.objects.filter(trip=locked).count() > CHUNK:
        nudge("invoicing.tick" if locked.kind == AirbagTrip.Kind.INVOICES else "delinquency.tick")
    elif locked.kind == AirbagTrip.Kind.INVOICES:
        bill(clock.now(), recorded=False)
    else:
        decide_again(clock.now())
    return locked


@transaction.atomic
def dismiss(trip: AirbagTrip, *, by: User, reason: str) -> AirbagTrip:
    """Drop a held plan: it stays undone for today, and the next day's check plans anew. Raises Refused if decided."""
    locked = _lock(trip, *AirbagTrip.OPEN)
    locked.state, locked.decided_by, locked.decided_at = State.DISMISSED, by, clock.now()
    locked.decided_why = _reason(reason, "Say what is wrong with the plan, and who mends it.")
    resolve_attention(CODE, f"trip:{locked.pk}", f"dismissed: {locked.decided_why}", by=by)
    return _save(locked, "dismissed", by)


def decide_again(at: datetime) -> Looked:
    """Decide what was released and has not been decided again, where it is the day for it; return what happened.

    The sweeps call it too: for releases of more accounts than a click may wait for.
    """
    whole = Looked()
    pending = AirbagStep.objects.filter(
        trip__state=State.RELEASED, trip__kind__in=GROUNDING, again_at__isnull=True, account__parked_at__isnull=True
    )
    rows = list(pending.values_list("account_id", "account__timezone", "trip__decided_at"))
    if not rows or trips_in_force(at):
        return whole
    # Where two plans were held, the account was free only when both were decided.
    freed_at = AirbagTrip.objects.filter(kind__in=GROUNDING).aggregate(at=Max("decided_at"))["at"]
    freed = {account_id: (zone, max(decided_at, freed_at)) for account_id, zone, decided_at in rows}
    missed = {key for key, (zone, since) in freed.items() if clock.local(at, zone) >= _next_check(since, zone)}
    ready = sorted({key for key, (zone, since) in freed.items() if _is_late_check(at, since, zone)} - missed)
    for start in range(0, len(ready), CHUNK):
        _decide(ready[start : start + CHUNK], pending, at, whole)
    # These have their next check in the sweep that is running, or have had it.
    pending.filter(account__in=missed).update(again_at=at)
    return whole


def _decide(ids: Sequence[int], pending: QuerySet[AirbagStep], at: datetime, whole: Looked) -> None:
    try:
        with transaction.atomic():
            looked = reassess_many(ids, at=at, late=True)
            pending.filter(account__in=ids).update(again_at=at)
    except Exception as error:  # noqa: BLE001 - whatever it was, only the account that caused it may suffer
        if len(ids) == 1:
            # Its next check meets the error again, and parks it.
            logger.warning("released account %d waits for its next check: %s", ids[0], error)
            return
        for account_id in ids:
            _decide([account_id], pending, at, whole)
    else:
        whole.add(looked)


def _is_late_check(at: datetime, decided_at: datetime, zone: str) -> bool:
    """Tell whether the check of the day of a release can still be made up for; before nine it is yet to come."""
    now, decided = clock.local(at, zone), clock.local(decided_at, zone)
    return (
        now.date() == decided.date() and CHECK_TIME <= decided.time() <= LATEST and CHECK_TIME <= now.time() <= LATEST
    )


def _next_check(decided_at: datetime, zone: str) -> datetime:
    decided = clock.local(decided_at, zone)
    day = decided.date() if decided.time() < CHECK_TIME else decided.date() + timedelta(days=1)
    return datetime.combine(day, CHECK_TIME)


def _check_second_person(trip: AirbagTrip, by: User) -> None:
    if trip.asked_by_id == by.pk:
        raise Refused(
            "second_person", "You have asked for this release yourself; somebody else must approve or dismiss it."
        )
    accounts = AirbagStep.objects.filter(trip=trip).values("account")
    mine = PolicyVersion.objects.filter(
        published_by=by, published_at__gte=clock.now() - PUBLISHED_LATELY, standings__account__in=accounts
    ).first()
    if mine is not None and trip.kind in GROUNDING:
        raise Refused(
            "own_policy",
            f"You published {mine} within the last seven days, and these steps follow it; somebody else must approve.",
        )


def _lock(trip: AirbagTrip, *states: str) -> AirbagTrip:
    locked = lock_row(AirbagTrip.objects.select_related("asked_by"), trip.pk)
    if locked.state not in states:
        words = {
            State.HELD: "nobody has asked for its release yet; ask for it, and let a second person approve",
            State.ASKED: "its release has been asked for already; a second person must approve",
            State.RELEASED: "it has been released already",
            State.DISMISSED: "it has been dismissed already; the next day's check plans anew",
        }[State(locked.state)]
        raise Refused("wrong_state", f"The {locked}: {words}. Nothing was changed.")
    return locked


def _reason(reason: str, words: str) -> str:
    if not reason.strip():
        raise Refused("no_reason", words)
    return reason.strip()[:REASON_LENGTH]


def _save(trip: AirbagTrip, verb: str, by: User) -> AirbagTrip:
    trip._change_reason = verb  # type: ignore[attr-defined]  # read by simple-history
    trip._history_user, trip._history_date = by, clock.now()  # type: ignore[attr-defined]
    trip.save()
    return trip
