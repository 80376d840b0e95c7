"""One row of every model with which clerks put money right, and of the network's models."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.contrib.auth.models import Group

from accounts.models import Account, ServiceLine, User
from delinquency.models import AccountHold, MassAction, MassItem
from invoicing.models import Approval, BankFile, BankFileRow, Invoice, MoneyLimit, Payment, RefundAttempt
from netenforce.models import (
    AddressList,
    Device,
    DeviceReading,
    EnforcementAttempt,
    EnforcementTask,
    Hold,
    PaymentWindow,
    RadiusAnswer,
    ReleaseLimit,
    SimulatedEntry,
)

NOON = datetime(2026, 1, 20, 17, tzinfo=UTC)  # 12:00 in New York


def make_desk_rows(account: Account, invoice: Invoice, payment: Payment) -> None:
    """Make a refund, a bank file with a row, a limit, and a request that waits for a second person."""
    RefundAttempt.objects.create(
        payment=payment, key="refund-1", amount=Decimal("1.00"), state="declined", settled_at=NOON, reason="Paid twice"
    )
    file = BankFile.objects.create(kind="transfers", name="january.csv", sha256="0" * 64)
    BankFileRow.objects.create(file=file, line=2, cells={"reference": "B-1", "received": "2026-01-20", "amount": "1"})
    MoneyLimit.objects.create(group=Group.objects.create(name="Tellers"), waive_max=Decimal(10))
    Approval.objects.create(
        kind="write_off", account=account, invoice=invoice, amount=Decimal("60.00"), reason_code="hardship",
        asked_by=User.objects.create_user("asker"), asked_at=NOON,
    )  # fmt: skip


def make_network_rows(account: Account, line: ServiceLine) -> None:
    """Make the rows that a restricted line leaves behind."""
    device = Device.objects.get(name="Edge 1")
    AddressList.objects.get_or_create(level="throttle", defaults={"name": "Delinquent"})
    Hold.objects.create(account=account, cause="non_payment", cause_key="case:1", level="throttle", why="unpaid")
    task = EnforcementTask.objects.create(
        line=line, device=device, level="throttle", restores=False, generation=1, why="unpaid", state="confirmed"
    )
    PaymentWindow.objects.create(
        account=account, key="attempt:1", why="the payment page was opened", opened_at=NOON,
        closes_at=NOON + timedelta(minutes=15), ended_at=NOON, ended_how="left",
    )  # fmt: skip
    EnforcementAttempt.objects.create(task=task, outcome="confirmed", read_back="throttle")
    SimulatedEntry.objects.create(device=device, address=line.ipv4, level="throttle", list_name="Delinquent")
    DeviceReading.objects.create(device=device, held=1, missing=1)
    RadiusAnswer.objects.create(device=device, username="rosa", session_id="8000-1", list_name="Delinquent")
    ReleaseLimit.objects.create(group=Group.objects.get_or_create(name="Clerks")[0], hours_max=24, releases_a_month=2)


def make_mass_rows(account: Account) -> None:
    """Make an action on many that waits to be looked at, and a hold that was ended."""
    action = MassAction.objects.create(
        kind="hold", parameters={"until_on": "2026-01-26", "resume": "go_on"}, total=1, asked_at=NOON,
        asked_by=User.objects.create_user("planner"),
    )  # fmt: skip
    MassItem.objects.create(action=action, object_id=account.pk, account=account)
    AccountHold.objects.create(
        account=account, until_on=date(2026, 1, 19), reason="Storm", held_at=NOON, ended_at=NOON, ended_why="Up again"
    )
