"""Which accounts and which local days a report is about, as the database counts them."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import DateField, DateTimeField, F, Func, QuerySet
from django.db.models.functions import Cast

from accounts.models import Company
from billing_project.kernel.errors import Refused
from invoicing.models import LedgerEntry

from .kinds import Asked

# No zone is further from UTC than fourteen hours: with a day around, an index narrows before zones are looked at.
AROUND = timedelta(days=1)


def local_day(moment: str, zone: str = "account__timezone") -> Cast:
    """Return the day that an instant falls on where its account is."""
    return Cast(Func(F(zone), F(moment), function="timezone", output_field=DateTimeField()), DateField())


def entries(asked: Asked, *, first: date | None = None, last: date) -> QuerySet[Any]:
    """Return the ledger up to the end of a day, or from one on, by each account's own clock."""
    rows: QuerySet[Any] = LedgerEntry.objects.annotate(day=local_day("effective_at")).filter(
        day__lte=last, effective_at__lt=_noon(last) + 2 * AROUND
    )
    if first is not None:
        rows = rows.filter(day__gte=first, effective_at__gt=_noon(first) - 2 * AROUND)
    return of_company(rows, asked).order_by()


def of_company(rows: QuerySet[Any], asked: Asked, path: str = "account") -> QuerySet[Any]:
    """Narrow rows to the company that is asked for."""
    return rows.filter(**{f"{path}__company": asked.company}) if asked.company else rows


def company_from(text: str) -> tuple[Company | None, str]:
    """Return the company of an address and its currency; for none all of them, if they bill in one currency.

    Raises Refused for a company that there is none of.
    """
    companies = list(Company.objects.order_by("pk"))
    if text:
        found = next((one for one in companies if str(one.pk) == text), None)
        if found is None:
            raise Refused("no_company", "There is no such company; choose one of the list.")
        return found, found.currency
    currencies = {one.currency for one in companies}
    if len(currencies) > 1:
        return companies[0], companies[0].currency
    return None, companies[0].currency if companies else ""


def _noon(on: date) -> datetime:
    return datetime.combine(on, time(12), UTC)
