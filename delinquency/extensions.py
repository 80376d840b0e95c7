"""How often an account was given more time, and what whoever asks may still give (A9). Reads only."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta

from django.db.models import Max

from accounts.models import Account, User
from billing_project.kernel import clock

from .models import GraceGrant, GraceLimit
from .rules.calendar import months_later
from .rules.extensions import Allowance, within_12_months

SECOND_PERSON = "Ask for it on the account's page: a second person then decides."
# Grants that were taken back do not count, nor those that came with a dispute or a hold.
COUNTING = {
    "withdraws__isnull": True, "withdrawal__isnull": True, "dispute__isnull": True, "hold__isnull": True,
}  # fmt: skip


def allowance_of(account: Account, by: User | None, today: date) -> Allowance:
    """Return what a person may still give an account; grants count whoever made them, withdrawn ones do not (A9).

    Nor does what opened a line over a dispute.

    Without `by` it is the program that gives (an import, the demo): no limit, but it counts.
    """
    return _allowance(by, limit_of(by), given_on(account, today))


def allowances_of(accounts: Iterable[Account], by: User | None, moment: datetime) -> dict[int, Allowance]:
    """Return the same for many accounts, by their keys; two queries however many they are."""
    found, limit = {account.pk: account for account in accounts}, limit_of(by)
    rows = GraceGrant.objects.filter(
        account__in=found, granted_at__gte=moment - timedelta(days=368), **COUNTING
    )  # fmt: skip
    days: dict[int, list[date]] = defaultdict(list)
    for account_id, at in rows.values_list("account_id", "granted_at"):
        days[account_id].append(clock.local(at, found[account_id].timezone).date())
    return {
        pk: _allowance(by, limit, within_12_months(days[pk], clock.local(moment, account.timezone).date()))
        for pk, account in found.items()
    }


def limit_of(by: User | None) -> tuple[int, int] | None:
    """Return (days at once, times in 12 months) that somebody may give alone; None without limit, zeros for nothing.

    Of several groups the highest counts, each by itself.
    """
    if by is None or by.is_superuser:
        return None
    rows = GraceLimit.objects.filter(group__user=by).aggregate(days=Max("days_max"), times=Max("times_a_year"))
    return rows["days"] or 0, rows["times"] or 0


def days_given(until_on: date, today: date, running_until: date | None) -> int:
    """Return how many days a grant gives at once; none where grace runs as long already."""
    return 0 if running_until is not None and until_on <= running_until else (until_on - today).days


def _allowance(by: User | None, limit: tuple[int, int] | None, given: tuple[date, ...]) -> Allowance:
    if limit is None:
        return Allowance(str(by) if by else "the program", None, given)
    days_max, times = limit
    return Allowance(str(by), times, given, SECOND_PERSON, days_max)


def customers_allowance(account: Account, today: date) -> Allowance:
    """Return what customers may still give themselves in the portal; what staff gave counts as well (A9)."""
    limit = account.company.customer_extensions_per_year
    return Allowance("customers", limit, given_on(account, today), "Support may give more.")


def given_on(account: Account, today: date) -> tuple[date, ...]:
    """Return the local days of the last 12 months on which an account got more time."""
    earliest = clock.instant(datetime.combine(months_later(today, -12), time.min), account.timezone)
    rows = GraceGrant.objects.filter(account=account, granted_at__gte=earliest, **COUNTING)
    days = [clock.local(at, account.timezone).date() for at in rows.values_list("granted_at", flat=True)]
    return within_12_months(days, today)


def newest_grant(account: Account) -> GraceGrant | None:
    """Return the grant that is in force, or was last: the newest row."""
    return GraceGrant.objects.filter(account=account).select_related("granted_by").order_by("-pk").first()
