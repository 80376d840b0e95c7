"""Rows for tests: plain functions, plain values; a test states each number its verdict rests on."""

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import connection

from accounts.models import Account, AccountStatus, AccountType, Company, Contact, FundingSource, ServiceLine, User
from billing_project.kernel import clock
from delinquency.models import GraceLimit
from invoicing.models import BillingDefault, BillingParameters, CatalogItem, Subscription
from invoicing.operations.terms import start_billing
from netenforce.models import Device, LinePlacement

_numbers = count(1)

NEW_YORK = "America/New_York"


def instant(text: str, zone: str = NEW_YORK) -> datetime:
    """Return the instant of a local time, such as "2026-01-01 00:05"."""
    return clock.instant(datetime.fromisoformat(text), zone)


def make_company(**fields: Any) -> Company:
    """Make the company "Valley Fibre", or return it if it is there."""
    defaults = {"currency": "USD", "timezone": NEW_YORK, "invoice_prefix": "VF-", "phone": "+15550100199"}
    return Company.objects.get_or_create(name=fields.pop("name", "Valley Fibre"), defaults=defaults | fields)[0]


def make_status(name: str = "Active", *, activates: bool = True) -> AccountStatus:
    """Make an account status, or return it if it is there."""
    return AccountStatus.objects.get_or_create(name=name, defaults={"activates_billing": activates})[0]


def make_account(**fields: Any) -> Account:
    """Make an active account in New York, with no billing terms."""
    number = fields.pop("number", None) or f"T-{next(_numbers):05d}"
    values: dict[str, Any] = {
        "name": f"Customer {number}",
        "company": fields.pop("company", None) or make_company(),
        "account_type": AccountType.objects.get_or_create(name="Residential")[0],
        "status": fields.pop("status", None) or make_status(),
        "timezone": NEW_YORK,
        "status_since_at": datetime(2025, 1, 1, tzinfo=UTC),
        "opened_on": date(2000, 1, 1),
    }
    return Account.objects.create(number=number, **(values | fields))


def make_staff(username: str, *permissions: str, **fields: Any) -> User:
    """Make a member of staff with some permissions, by their code names."""
    user = User.objects.create(username=username, is_staff=True, **fields)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def make_support(username: str = "sandy") -> User:
    """Make somebody in support: may give more time, twice in 12 months, but not change accounts."""
    return allow_grace(make_staff(username, "view_account", "grant_grace"), times=2)


def make_clerk(username: str = "casey") -> User:
    """Make a billing clerk: may give more time four times in 12 months."""
    rights = ("view_account", "grant_grace", "change_account", "decide_flag", "move_accounts")
    return allow_grace(make_staff(username, *rights), times=4)


def allow_grace(user: User, *, times: int = 12, days: int = 366) -> User:
    """Let somebody give more time alone, so often in 12 months and for so many days at once."""
    group = Group.objects.get_or_create(name=f"May give {days} days {times} times")[0]
    GraceLimit.objects.get_or_create(group=group, defaults={"days_max": days, "times_a_year": times})
    user.groups.add(group)
    return user


def make_contact(account: Account, **fields: Any) -> Contact:
    """Make the billing contact of an account."""
    values: dict[str, Any] = {
        "name": "Ann Example", "email": "ann@customer.example", "phone": "+15550100123",
        "is_billing_contact": True, "consented_at": datetime(2025, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    return Contact.objects.create(account=account, **(values | fields))


def make_billing_default(**fields: Any) -> BillingDefault:
    """Make a billing default: bill day 1, due 15 days later."""
    name = fields.pop("name", None) or f"Terms {next(_numbers)}"
    return BillingDefault.objects.create(name=name, **({"bill_day": 1, "due_days": 15} | fields))


def bill_by(
    account: Account,
    next_bill_on: date | str,
    *,
    price: str | None = "86.80",
    bill_day: int | None = None,
    **terms: Any,
) -> BillingParameters:
    """Let an account be billed from a date on: with one service of a price, or with none."""
    first = date.fromisoformat(next_bill_on) if isinstance(next_bill_on, str) else next_bill_on
    default = make_billing_default(**terms)
    parameters = start_billing(account, default, bill_day=bill_day or default.bill_day, next_bill_on=first)
    if price is not None:
        make_subscription(account, price)
    return parameters


def make_subscription(account: Account, catalogue_price: str = "86.80", **fields: Any) -> Subscription:
    """Give an account a recurring service of a price."""
    item = CatalogItem.objects.create(name=f"Internet {next(_numbers)}", price=Decimal(catalogue_price))
    return Subscription.objects.create(account=account, item=item, **fields)


def make_source(account: Account, rank: int = 1, token: str = "tok_ok", **fields: Any) -> FundingSource:
    """Give an account a funding source at the sandbox gateway."""
    values: dict[str, Any] = {"gateway": "sandbox", "source_token": token, "brand": "Visa", "last4": "4242"}
    return FundingSource.objects.create(account=account, rank=rank, **(values | fields))


def make_device(name: str = "edge-1", **fields: Any) -> Device:
    """Make a simulated device."""
    return Device.objects.create(name=name, **fields)


def make_line(account: Account, ipv4: str = "", *, device: Device | None = None, **fields: Any) -> ServiceLine:
    """Give an account a line, on a device if one is given."""
    line = ServiceLine.objects.create(account=account, ipv4=ipv4 or f"100.64.9.{next(_numbers) % 250 + 1}", **fields)
    if device is not None:
        LinePlacement.objects.create(line=line, device=device)
    return line


def many_accounts(count: int) -> None:
    """Multiply the one account there is by one statement; the copies are numbered many-1 and on."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO accounts_account (public_id, number, name, company_id, account_type_id, status_id,
                status_since_at, timezone, address, note, opened_on, parked_why)
            SELECT gen_random_uuid(), 'many-' || n, 'Many', company_id, account_type_id, status_id, status_since_at,
                timezone, '', '', opened_on, '' FROM accounts_account, generate_series(1, %s) n
            """,
            [count],
        )
