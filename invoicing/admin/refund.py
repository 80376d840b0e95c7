"""Money given back through the gateway, and what came of it."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.core.validators import MinValueValidator
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.admin.base import (
    BAD,
    GOOD,
    NOTE,
    WARN,
    ReadOnlyAdmin,
    admin_link,
    local_time,
    money,
    state_badge,
)
from accounts.admin.confirm import confirm_one
from billing_project.kernel import clock
from invoicing.models import Payment, RefundAttempt
from invoicing.operations import refunds

from .giving import GiveForm

TONES = {"queued": NOTE, "sending": NOTE, "done": GOOD, "declined": BAD, "unknown": WARN}


class RefundForm(GiveForm):
    """Ask how much is given back; what lies on invoices only with a tick."""

    field_order = ("amount", "credit", "reason_code", "reason")
    amount = forms.DecimalField(max_digits=12, decimal_places=2, validators=[MinValueValidator(Decimal("0.01"))])
    credit = forms.BooleanField(
        required=False, label="Give a credit note with it",
        help_text="What the money has paid is then not owed any more. Without it only unused credit goes back.",
    )  # fmt: skip

    def __init__(self, *args: Any, found: refunds.Refundable, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.found = found
        self.fields["amount"].initial = found.unused or found.most
        self.fields["amount"].help_text = f"At most {found.most:,.2f}; {found.unused:,.2f} of it is unused credit."
        if not found.on_invoices:
            del self.fields["credit"]

    def clean(self) -> dict[str, Any]:
        """Refuse more than is unused without a credit note."""
        data: dict[str, Any] = super().clean() or {}
        amount = data.get("amount")
        if amount is not None and self.found.unused < amount <= self.found.most and not data.get("credit"):
            self.add_error(
                "credit",
                f"{amount - self.found.unused:,.2f} of it lies on invoices. Tick this to credit it there, or give back"
                f" at most {self.found.unused:,.2f}.",
            )
        return data


def refund_words(found: refunds.Refundable) -> str:
    """Say which way the money goes, and that it is final."""
    if found.through_gateway:
        return "The money goes back to the card or bank account it came from. This cannot be undone."
    return "It came through no gateway: pay it out by hand; it is noted here. This cannot be undone."


def freed_words(found: refunds.Refundable) -> list[str]:
    """Say what of the money lies on invoices."""
    return [
        f"{part:,.2f} of it paid invoice {invoice.number}; a credit note there comes first."
        for invoice, part in found.on_invoices
    ]


def queued(payment: Payment) -> list[int]:
    """Return the refunds of a payment that wait for their call."""
    return list(payment.refund_attempts.filter(state="queued").values_list("pk", flat=True))


@admin.register(RefundAttempt)
class RefundAdmin(ReadOnlyAdmin):
    """Refunds through the gateway: held in the ledger before the call, settled after it; unknown ones are looked up."""

    list_display = ("payment_shown", "account_shown", "amount_shown", "state_shown", "words", "asked_by", "begun")
    list_select_related = ("payment__account__company", "asked_by")
    list_filter = ("state",)
    search_fields = ("payment__reference", "payment__account__number", "key", "provider_id")
    date_hierarchy = "created_at"
    actions_detail = ("check_now",)
    empty_words = "No card payment was given back. Open a payment and press “Refund”."
    empty_link = ("Payments", "admin:invoicing_payment_changelist")
    fields = (
        "payment_shown", "account_shown", "amount_shown", "state_shown", "words", "code", "reason", "asked_by",
        "begun", "ended", "key", "provider_id",
    )  # fmt: skip
    readonly_fields = fields

    @admin.display(description="payment", ordering="payment__reference")
    def payment_shown(self, row: RefundAttempt) -> SafeString | str:
        """Return the payment as a link."""
        return admin_link(row.payment)

    @admin.display(description="account", ordering="payment__account__number")
    def account_shown(self, row: RefundAttempt) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(row.payment.account)

    @admin.display(description="amount", ordering="amount")
    def amount_shown(self, row: RefundAttempt) -> SafeString | str:
        """Return the amount."""
        return money(row.amount, row.payment.account.company.currency)

    @admin.display(description="state", ordering="state")
    def state_shown(self, row: RefundAttempt) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(row, TONES)

    @admin.display(description="begun", ordering="created_at")
    def begun(self, row: RefundAttempt) -> SafeString | str:
        """Return when it was begun, in the account's time."""
        return local_time(row.created_at, row.payment.account.timezone)

    @admin.display(description="ended", ordering="settled_at")
    def ended(self, row: RefundAttempt) -> SafeString | str:
        """Return when it ended, in the account's time."""
        return local_time(row.settled_at, row.payment.account.timezone)

    def has_refund_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may give payments back."""
        return bool(request.user.has_perm("invoicing.refund_payment"))

    @action(description="Check now", icon="search", permissions=["refund"])
    def check_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for confirmation, and ask the gateway what became of the refund."""

        def carry_out(row: RefundAttempt, _data: dict[str, Any]) -> str:
            refunds.look_up(row.pk, clock.now())
            row.refresh_from_db()
            return f"The refund is {row.get_state_display()}. {row.words}"

        return confirm_one(
            self, request, object_id, title="Check now", submit="Ask the gateway", form_class=forms.Form,
            words=lambda row: f"The gateway is asked whether {row.amount:,.2f} were given back. Nothing is given back"
            " by asking.",
            carry_out=carry_out,
        )  # fmt: skip
