"""Staff and money for the tests of what clerks put right."""

from datetime import date
from decimal import Decimal

from django.contrib.auth.models import Group, Permission
from django.db.models import Sum

from accounts.models import Account, User
from invoicing.models import Charge, LedgerEntry, MoneyLimit, Payment, PaymentAttempt, SandboxCharge
from invoicing.operations.charges import add_charge
from invoicing.operations.payments import record_payment
from tests.factories import instant, make_source

RIGHTS = (
    "waive_fee", "write_off_invoice", "credit_invoice", "void_invoice", "refund_payment", "reverse_payment",
    "record_payment", "approve_money", "view_account", "view_charge", "view_invoice", "view_payment", "view_approval",
    "view_bankfile", "view_paymentattempt", "charge_due", "resolve_payment",
)  # fmt: skip


def make_teller(name: str, *, waive: str = "25.00", write_off: str = "0.00", refund: str = "0.00") -> User:
    """Make a member of staff who may do everything with money, up to limits."""
    group = Group.objects.create(name=f"Group of {name}")
    group.permissions.set(Permission.objects.filter(codename__in=RIGHTS))
    MoneyLimit.objects.create(
        group=group, waive_max=Decimal(waive), write_off_max=Decimal(write_off), refund_max=Decimal(refund)
    )
    user = User.objects.create_user(name, password="a long enough password", is_staff=True)
    user.groups.add(group)
    return User.objects.get(pk=user.pk)


def make_fee(account: Account, amount: str = "10.00", key: str = "fee:1", kind: str = "late_fee") -> Charge:
    """Make a fee that waits for the next invoice."""
    fee = add_charge(
        account=account, kind=kind, key=key, amount=Decimal(amount), description="Late fee",
        charged_on=date(2026, 1, 21), effective_at=instant("2026-01-21 09:00"),
    )  # fmt: skip
    assert fee is not None
    return fee


def pay_by_card(account: Account, amount: str) -> Payment:
    """Make a payment that came through the sandbox gateway, with its attempt and the gateway's own record."""
    source = make_source(account)
    number = SandboxCharge.objects.count() + 1
    charged = SandboxCharge.objects.create(
        key=f"k{number}", source_token="tok_ok", amount=Decimal(amount), currency="USD", outcome="charged"
    )
    reference = f"sandbox-{charged.pk}"
    payment = record_payment(
        account=account, reference=reference, amount=Decimal(amount), received_at=instant("2026-02-01 10:00"),
        method="card", funding_source=source,
    )  # fmt: skip
    PaymentAttempt.objects.create(
        account=account, invoice=account.invoices.earliest("pk"), funding_source=source, key=charged.key,
        amount=Decimal(amount), state="done", payment=payment, provider_id=reference,
    )  # fmt: skip
    return payment


def balance(account: Account) -> Decimal:
    """Return what an account owes by its ledger."""
    return LedgerEntry.objects.filter(account=account).aggregate(all=Sum("amount"))["all"] or Decimal(0)
