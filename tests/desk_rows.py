"""One row of every model with which clerks put money right."""

from datetime import UTC, datetime
from decimal import Decimal

from django.contrib.auth.models import Group

from accounts.models import Account, User
from invoicing.models import Approval, BankFile, BankFileRow, Invoice, MoneyLimit, Payment, RefundAttempt

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
