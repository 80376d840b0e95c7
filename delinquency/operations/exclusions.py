"""Excluded dates: added, changed and removed by hand, or copied from the public holidays of a place.

Exclusions are evaluated at the check (A11): what was decided stays, and what opens again counts from now on. Closing a
day needs no new look: accounts look on the day they would have entered anyway, and find it closed. Opening one may move
an entry forward, so whoever waits for a later day is looked at again.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, Value, When

from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_rows, try_advisory_lock
from billing_project.kernel.nudge import nudge

from ..holiday_dates import Wanted, place_words, wanted_dates
from ..models import Exclusion, HolidayCopy, Policy, Standing
from ..rules.calendar import date_exists
from ..rules.when import LOOK
from .reassess import reassess_many
from .standings import NUDGED_MAX

# The local day that begins first is this far ahead of UTC, the one that ends last this far behind.
EARLIEST_ZONE, LATEST_ZONE = timedelta(hours=14), timedelta(hours=12)
LEAP_YEARS_APART_MAX = 8
YEARS_COPIED_MAX = 6
BUSY = "Somebody else is changing the exclusions at this moment; try again in a minute."


@dataclass(frozen=True, slots=True)
class CopyOrder:
    """Which holidays are to be copied, and for whom; no policy means all."""

    country: str
    region: str
    categories: tuple[str, ...]
    first_year: int
    last_year: int
    policy: Policy | None = None
    every_year: bool = True

    def wanted(self) -> tuple[Wanted, ...]:
        """Return the exclusions that it asks for; raises Refused for an unknown place or too many years."""
        if not 1990 <= self.first_year <= self.last_year <= 2200:
            raise Refused("bad_years", f"The last year, {self.last_year}, is before the first, {self.first_year}.")
        if self.last_year - self.first_year >= YEARS_COPIED_MAX:
            raise Refused("too_many_years", f"Choose at most {YEARS_COPIED_MAX} years at a time.")
        return wanted_dates(
            self.country, self.region, self.categories,
            first_year=self.first_year, last_year=self.last_year, every_year=self.every_year,
        )  # fmt: skip


@transaction.atomic
def save_exclusion(row: Exclusion, *, by: User | None = None, reason: str = "") -> int:
    """Add or change an exclusion, and return how many accounts are looked at again because a day opened.

    Raises Refused for a date that no calendar has, and StaleState while somebody else changes exclusions.
    """
    if not date_exists(row.month, row.day, row.year):
        raise Refused("no_such_date", f"There is no day {row.month:02d}-{row.day:02d} {row.year or 'in any year'}.")
    _claim()
    old = Exclusion.objects.filter(pk=row.pk).first() if row.pk else None
    moved = old is not None and _place(old) != _place(row)
    if old is not None and moved:
        _settle([old])
    _note(row, by, reason or ("added" if old is None else "changed"))
    row.save()
    return _look_again([old]) if old is not None and moved else 0


@transaction.atomic
def remove_exclusions(rows: Iterable[Exclusion], *, by: User | None = None, reason: str = "") -> int:
    """Remove exclusions, and return how many accounts are looked at again; raises StaleState."""
    gone = list(rows)
    _claim()
    _settle(gone)
    for row in gone:
        _note(row, by, reason or "removed")
    again = _look_again(gone)
    for row in gone:
        row.delete()
    return again


@transaction.atomic
def copy_holidays(order: CopyOrder, keys: Collection[str], *, by: User | None = None) -> HolidayCopy | None:
    """Copy the chosen holidays (by their keys) into the exclusions; None if all of them were there already.

    Raises Refused for an unknown place or date, and StaleState while somebody else changes exclusions.
    """
    wanted = order.wanted()
    strangers = sorted(set(keys) - {row.key for row in wanted})
    if strangers:
        raise Refused("unknown_date", f"{strangers[0][:20]} is not among these holidays; choose from the list again.")
    if not keys:
        raise Refused("nothing_chosen", "Tick at least one date to copy.")
    _claim()
    held = held_already(order.policy)
    new = [row for row in wanted if row.key in keys and already(row, held) is None]
    if not new:
        return None
    copy = HolidayCopy.objects.create(
        country=order.country, region=order.region, place=place_words(order.country, order.region),
        categories=list(order.categories), first_year=order.first_year, last_year=order.last_year,
        policy=order.policy, dates_added=len(new), made_by=by, made_at=clock.now(),
    )  # fmt: skip
    for row in new:
        made = Exclusion(
            name=row.name, month=row.month, day=row.day, year=row.year, policy=order.policy, copied_in=copy
        )
        _note(made, by, f"copied from the public holidays of {copy}")
        made.save()
    return copy


@transaction.atomic
def undo_copy(copy: HolidayCopy, *, by: User | None = None) -> tuple[int, int]:
    """Remove what a copy added and nobody has changed since; return how many went, and how many were kept.

    Raises Refused if it was undone before, and StaleState while somebody else changes exclusions.
    """
    locked = HolidayCopy.objects.select_for_update().get(pk=copy.pk)
    if locked.undone_at is not None:
        raise Refused("undone_already", f"The copy of {locked} was undone on {locked.undone_at:%Y-%m-%d} already.")
    untouched, changed = undoable(locked)
    remove_exclusions(untouched, by=by, reason=f"the copy of {locked} was undone")
    locked.undone_at, locked.undone_by = clock.now(), by
    locked.save(update_fields=["undone_at", "undone_by"])
    return len(untouched), len(changed)


def undoable(copy: HolidayCopy) -> tuple[list[Exclusion], list[Exclusion]]:
    """Return what a copy added that is still as it was copied, and what somebody has changed since."""
    rows = list(copy.exclusions.select_related("policy"))
    history = Exclusion.history.filter(id__in=[row.pk for row in rows], history_type="~")
    edited = set(history.values_list("id", flat=True))
    return [row for row in rows if row.pk not in edited], [row for row in rows if row.pk in edited]


def held_already(policy: Policy | None) -> dict[tuple[int, int, int | None], Exclusion]:
    """Return the exclusions that hold for a policy (for all of them, without one), by month, day and year."""
    whose = Q(policy__isnull=True) if policy is None else Q(policy__isnull=True) | Q(policy=policy)
    rows = Exclusion.objects.filter(whose).select_related("policy").order_by("pk")
    return {(row.month, row.day, row.year): row for row in rows}


def already(row: Wanted, held: dict[tuple[int, int, int | None], Exclusion]) -> Exclusion | None:
    """Return the exclusion that makes a holiday needless: the same date, or the same day of every year."""
    return held.get((row.month, row.day, row.year)) or held.get((row.month, row.day, None))


def _claim() -> None:
    """Let one at a time change exclusions: two copies at once would each find the other's dates missing."""
    if not try_advisory_lock("delinquency.exclusions"):
        raise StaleState(BUSY, code="locked")


def _note(row: Exclusion, by: User | None, reason: str) -> None:
    row._history_user = by  # type: ignore[attr-defined]
    row._change_reason = reason[:100]  # type: ignore[attr-defined]


def _place(row: Exclusion) -> tuple[int, int, int | None, int | None]:
    return row.month, row.day, row.year, row.policy_id


def _settle(rows: Sequence[Exclusion]) -> None:
    """Lock the accounts that a day may open for, and decide what waits by the calendar as it still is (A11).

    A look that began before would otherwise write down its next one by the old calendar, after us. Where more wait
    than one click should decide, the tick takes them, by the calendar it finds.
    """
    standings = _affected(rows).filter(next_look_at__isnull=False)
    lock_rows(Account.objects.filter(standing__in=standings).only("pk"))
    due = standings.filter(next_look_at__lte=clock.now(), account__parked_at__isnull=True)
    waiting = list(due.order_by("account_id").values_list("account_id", flat=True)[: NUDGED_MAX + 1])
    if 0 < len(waiting) <= NUDGED_MAX:
        reassess_many(waiting)


def _look_again(rows: Sequence[Exclusion]) -> int:
    """Move the cursor of idle accounts to now, and have those looked at that wait for a day after the one that opens.

    Nothing was to be decided before their next look, so everything up to now is decided; a look that started from
    further back would find past days open which were closed then. Returns how many are looked at.
    """
    now, opens_at = clock.now(), _opens_at(rows)
    idle = _affected(rows).filter(next_look_at__gt=now, looked_until_at__lte=now)
    waiting: list[int] = []
    if opens_at is not None:
        waiting = list(idle.filter(next_look_at__gt=opens_at).values_list("account_id", flat=True))
        later = Case(When(next_look_at__gt=opens_at, then=Value(now)), default=F("next_look_at"))
        idle.update(looked_until_at=now, looked_until_phase=LOOK, next_look_at=later)
    else:
        idle.update(looked_until_at=now, looked_until_phase=LOOK)
    if 0 < len(waiting) <= NUDGED_MAX:
        nudge("delinquency.reassess_accounts", sorted(waiting))
    return len(waiting)


def _affected(rows: Sequence[Exclusion]) -> QuerySet[Standing]:
    policies = {row.policy_id for row in rows}
    found = Standing.objects.all()
    return found if None in policies else found.filter(policy_version__policy__in=policies)


def _opens_at(rows: Iterable[Exclusion]) -> datetime | None:
    """Return when the first of the dates begins anywhere on earth; None if all of them are past everywhere."""
    oldest_today = (clock.now() - LATEST_ZONE).date()
    coming = [on for row in rows if (on := _next_on(row, oldest_today)) is not None]
    return datetime.combine(min(coming), datetime.min.time(), UTC) - EARLIEST_ZONE if coming else None


def _next_on(row: Exclusion, from_on: date) -> date | None:
    years = [row.year] if row.year else range(from_on.year, from_on.year + LEAP_YEARS_APART_MAX + 1)
    dates = (date(year, row.month, row.day) for year in years if date_exists(row.month, row.day, year))
    return next((on for on in dates if on >= from_on), None)
