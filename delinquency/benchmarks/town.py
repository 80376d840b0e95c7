"""The accounts of a measurement: all of them enter delinquency at this day's check, and none has before."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import connection

from accounts.models import Account, AccountStatus, AccountType, Company, Contact, ServiceLine
from billing_project.kernel import clock
from billing_project.kernel.bulk import insert_with_history
from billing_project.kernel.errors import Refused
from invoicing.models import BillingDefault
from invoicing.operations.imports import ImportedInvoice, record_imported_invoices
from invoicing.operations.terms import Start, start_billing_many
from netenforce.models import Device, LinePlacement

POLICY = "Sonar example"  # due after 15 days, delinquent 5 days later and slowed at once
DUE_DAYS, GRACE_DAYS = 15, 5
AMOUNT = Decimal("50.00")
REASON = "made for a measurement"
DEVICE = "Measured device"


def zone_at_midday() -> str:
    """Return a zone in which it is noon now, so that the check of the day is over and nobody's night has begun."""
    ahead = 12 - clock.local(clock.now(), "UTC").hour
    # In these names the sign is the other way round: Etc/GMT-3 is three hours ahead of UTC.
    return "Etc/GMT" if ahead == 0 else f"Etc/GMT{-ahead:+d}"


def make_town(count: int, *, database: str) -> list[Account]:
    """Make accounts on one simulated device, each with one invoice that makes it delinquent today.

    Raises Refused if the database in use is not the one made for the measurement, or holds accounts.
    """
    if connection.settings_dict["NAME"] != database or Account.objects.exists():
        raise Refused("not_scratch", "A measurement makes its accounts in an empty database of its own only.")
    zone = zone_at_midday()
    assert ZoneInfo(zone)
    now = clock.now()
    today = clock.local(now, zone).date()
    issued = datetime.combine(today - timedelta(days=DUE_DAYS + GRACE_DAYS), time(0, 5))
    accounts = _accounts(count, zone, opened=issued)
    start_billing_many(
        [
            Start(account=account, billing_default=default, next_bill_on=today + timedelta(days=10), bill_day=1)
            for default in BillingDefault.objects.filter(name=POLICY)
            for account in accounts
        ]
    )
    record_imported_invoices(
        [
            ImportedInvoice(
                account_id=account.pk, number=f"INV-{account.number}", issued_on=issued.date(),
                due_on=issued.date() + timedelta(days=DUE_DAYS), amount=AMOUNT, description="Internet",
                effective_at=clock.instant(issued, zone),
            )
            for account in accounts
        ]
    )  # fmt: skip
    return accounts


def _accounts(count: int, zone: str, *, opened: datetime) -> list[Account]:
    company = Company.objects.order_by("pk")[0]
    kind, active = AccountType.objects.order_by("pk")[0], AccountStatus.objects.get(name="Active")
    accounts = [
        Account(
            number=f"{number:05d}", name=f"Account {number}", company=company, account_type=kind, status=active,
            status_since_at=clock.instant(opened, zone), timezone=zone, opened_on=opened.date(),
        )
        for number in range(1, count + 1)
    ]  # fmt: skip
    insert_with_history(accounts, reason=REASON)
    _people_and_lines(accounts)
    return accounts


def _people_and_lines(accounts: Sequence[Account]) -> None:
    insert_with_history(
        [
            Contact(
                account=account, name=account.name, is_billing_contact=True, email=f"{account.number}@customer.example"
            )
            for account in accounts
        ],
        reason=REASON,
    )
    device = Device.objects.create(name=DEVICE, driver=Device.Driver.SIMULATED)
    lines = [
        ServiceLine(account=account, ipv4=f"100.{64 + place // 65536}.{place // 256 % 256}.{place % 256}")
        for place, account in enumerate(accounts)
    ]
    insert_with_history(lines, reason=REASON)
    insert_with_history([LinePlacement(line=line, device=device) for line in lines], reason=REASON)
