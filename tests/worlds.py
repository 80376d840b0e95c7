"""Readable starting points: one customer under one policy, played by the real sweeps day by day."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from accounts.models import Account
from accounts.outreach.dispatch import dispatch_notices
from billing_project.kernel import clock
from delinquency.history import run_days
from delinquency.models import Event, Policy, PolicyVersion
from delinquency.operations import grant_grace, import_version
from invoicing.models import BillingDefault, BillingParameters, Invoice, Payment
from invoicing.operations.imports import ImportedInvoice, record_imported_invoices
from invoicing.operations.payments import record_payment, reverse_payment
from invoicing.operations.terms import start_billing

from .factories import NEW_YORK, make_account, make_contact, make_subscription

WORKDAYS = ["mon", "tue", "wed", "thu", "fri"]


def sonar(**changes: Any) -> dict[str, Any]:
    """Return policy S of the golden timelines, with changes."""
    return {
        "name": "S", "bill_day": 1, "due_days": 15, "grace_days": 5, "status_switch_days": 7,
        "delinquency_status": "Delinquent", "removal_status": "Active",
        "steps": [
            {"key": "ticket", "action": "ticket", "anchor": "delinquent", "offset_days": 0},
            {"key": "notice", "action": "notice", "anchor": "delinquent", "offset_days": 0, "channels": ["email"],
             "template": "delinquent"},
            {"key": "slow", "action": "restrict", "anchor": "delinquent", "offset_days": 0, "level": "throttle"},
        ],
    } | changes  # fmt: skip


def exchange(**changes: Any) -> dict[str, Any]:
    """Return policy E of the golden timelines, with changes."""
    charges = [
        {"key": f"charge-{day}-{source}", "action": "charge", "anchor": "due", "offset_days": day, "source": source}
        for day in range(3)
        for source in ("primary", "secondary")
    ]
    return {
        "name": "E", "bill_day": 1, "due_days": 0, "after_day_of_month": 5, "on_reversal": "resume",
        "seriously_late_after_days": 4, "removal_status": "Active",
        "steps": [
            *charges,
            {"key": "ticket", "action": "ticket", "after_day_of_month": 1},
            {"key": "notice", "action": "notice", "after_day_of_month": 1, "channels": ["email"],
             "template": "past_due"},
            {"key": "call", "action": "call_task", "after_day_of_month": 1},
            {"key": "late-fee", "action": "late_fee", "after_day_of_month": 5, "flat": "10.00"},
            {"key": "second-source", "action": "request_secondary_source", "after_day_of_month": 5,
             "only_flagged": True},
            {"key": "early-suspend", "action": "restrict", "after_day_of_month": 3, "only_flagged": True,
             "level": "suspend", "requires_notice": "notice"},
            {"key": "disconnect", "action": "restrict", "after_day_of_month": 15, "level": "suspend",
             "requires_notice": "notice"},
            {"key": "switch", "action": "status_switch", "after_day_of_month": 15, "requires_notice": "notice"},
        ],
    } | changes  # fmt: skip


def in_force(version: PolicyVersion) -> PolicyVersion:
    """Put a version in force as it stands: stories are told under odd policies too, which the linter would refuse."""
    version.state, version.published_at = PolicyVersion.State.PUBLISHED, clock.now()
    version.save()
    return version


@dataclass
class Story:
    """One customer, and what happens to them."""

    policy: dict[str, Any]
    first_bill_on: str | None = None
    price: str | None = "100.00"
    zone: str = NEW_YORK
    bill_day: int | None = None
    terms: dict[str, Any] = field(default_factory=dict)
    sends: bool = False
    number: str = "1001"

    def __post_init__(self) -> None:
        """Make the policy, its billing default, and the customer."""
        name = self.policy["name"]
        default, made = BillingDefault.objects.get_or_create(
            name=f"{name} terms",
            defaults={"bill_day": min(self.policy.get("bill_day") or 1, 28), "due_days": self.policy["due_days"] or 0}
            | self.terms,
        )
        if made:
            policy = Policy.objects.create(name=name, billing_default=default)
            in_force(import_version(self.policy, policy=policy))
        self.account = make_account(number=self.number, timezone=self.zone)
        make_contact(self.account)
        first_on = date.fromisoformat(self.first_bill_on) if self.first_bill_on else None
        start_billing(self.account, default, bill_day=self.bill_day or default.bill_day, next_bill_on=first_on)
        if self.price is not None and first_on is not None:
            make_subscription(self.account, self.price)

    def days(self, first: str, last: str | None = None) -> list[tuple[str, str]]:
        """Run every tick from one day to another, and return what happened: (date, kind)."""
        before = Event.objects.filter(account=self.account).count()
        end = date.fromisoformat(last or first)
        run_days(date.fromisoformat(first), end, outside=self.sends)
        rows = Event.objects.filter(account=self.account).order_by("sequence")[before:]
        return [(str(row.on), row.kind) for row in rows]

    def now(self, local: str) -> Any:
        """Return a context in which it is a local time."""
        return clock.at(clock.instant(datetime.fromisoformat(local), self.zone))

    def owes(self, number: str, issued_on: str, amount: str = "100.00", due_on: str | None = None) -> Invoice:
        """Import an invoice."""
        issued = date.fromisoformat(issued_on)
        record_imported_invoices(
            [
                ImportedInvoice(
                    account_id=self.account.pk,
                    number=number,
                    issued_on=issued,
                    due_on=date.fromisoformat(due_on) if due_on else issued,
                    amount=Decimal(amount),
                    description="",
                    effective_at=clock.instant(
                        datetime.combine(issued, datetime.min.time().replace(minute=5)), self.zone
                    ),
                )
            ]
        )
        return Invoice.objects.get(number=number)

    def pays(self, local: str, amount: str, *, reference: str | None = None, invoice: Invoice | None = None) -> Payment:
        """Record a payment at a local time."""
        with self.now(local) as at:
            return record_payment(
                account=self.account,
                reference=reference or f"P-{Payment.objects.count() + 1}",
                amount=Decimal(amount),
                received_at=at,
                invoice=invoice,
            )

    def bounces(self, local: str, payment: Payment) -> None:
        """Record the return of a payment at a local time."""
        with self.now(local) as at:
            reverse_payment(payment=payment, at=at, why="returned by the bank")

    def gets_grace(self, local: str, until_on: str, *, lift_now: bool = False) -> None:
        """Grant Grace Until at a local time."""
        with self.now(local):
            grant_grace(
                account=self.account,
                until_on=date.fromisoformat(until_on),
                reason="asked for more time",
                lift_now=lift_now,
            )

    def posts(self, local: str) -> None:
        """Let the post room send what waits."""
        with self.now(local) as at:
            dispatch_notices(at)

    @property
    def status(self) -> str:
        """Return the account's status."""
        return Account.objects.select_related("status").get(pk=self.account.pk).status.name

    @property
    def next_bill_on(self) -> str:
        """Return the next bill date."""
        return str(BillingParameters.objects.get(account=self.account).next_bill_on)

    def invoices(self) -> list[tuple[str, str]]:
        """Return issue dates and amounts, oldest first."""
        rows = Invoice.objects.filter(account=self.account).order_by("issued_on", "pk")
        return [(str(row.issued_on), str(row.amount)) for row in rows]

    def story(self, *kinds: str) -> list[tuple[str, str]]:
        """Return all events of some kinds (all, if none are named): (date, kind)."""
        rows = Event.objects.filter(account=self.account).order_by("sequence")
        return [(str(row.on), row.kind) for row in rows if not kinds or row.kind in kinds]
