"""What the pages share on which money is given up or back: a reason, the limit, a second person (K6, SEC-21)."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest

from accounts.admin.base import DeskAdmin, staff_user
from accounts.admin.field_help import DeskForm
from invoicing.models import Approval, Charge, Invoice, Payment, ReasonCode
from invoicing.operations import approvals, limits

Kind = Approval.Kind
AGAIN_HELP = "Kept in the ledger, such as “Customer has paid the fee after all”."


class GiveForm(DeskForm):
    """Ask for the reason: one of a list, and words."""

    reason_code = forms.ChoiceField(label="Reason", choices=ReasonCode.choices)
    reason = forms.CharField(
        label="In words", max_length=200, required=False,
        help_text="Kept in the ledger, such as “Was promised on the phone on May 4”. Needed for “other”.",
    )  # fmt: skip


class UndoForm(DeskForm):
    """Ask why something is taken back."""

    reason = forms.CharField(max_length=200, help_text=AGAIN_HELP)


def limit_words(request: HttpRequest, kind: Kind, amount: Decimal | None = None) -> list[str]:
    """Say what the user may decide alone, and what happens above it."""
    user = staff_user(request)
    limit = limits.limit_of(user, kind)
    if limit is None:
        return []
    if amount is not None and amount <= limit:
        return [f"It is within your limit of {limit:,.2f} and happens at once."]
    return [f"You decide up to {limit:,.2f} alone; above that a second person is asked, and nothing happens before."]


def give(request: HttpRequest, kind: Kind, *, done: str) -> Callable[[Charge | Invoice | Payment, dict[str, Any]], str]:
    """Return what carries an act out, or asks a second person for it, and says which."""

    def carry_out(thing: Charge | Invoice | Payment, data: dict[str, Any]) -> str:
        amount = data.get("amount") or approvals.amount_of(kind, thing)
        asked = approvals.do_or_ask(
            kind, thing, amount=amount, code=data["reason_code"], reason=data["reason"], by=staff_user(request)
        )
        if asked is None:
            return done.format(thing=thing, amount=f"{amount:,.2f}")
        return f"A second person is asked: {amount:,.2f} is above what you decide alone. Nothing has changed yet."

    return carry_out


class MoneyRights(DeskAdmin):
    """The permissions that are named by what is done with money."""

    def has_waive_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may waive fees."""
        return bool(request.user.has_perm("invoicing.waive_fee"))

    def has_credit_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may give credit notes."""
        return bool(request.user.has_perm("invoicing.credit_invoice"))

    def has_void_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may void invoices."""
        return bool(request.user.has_perm("invoicing.void_invoice"))

    def has_write_off_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may write invoices off."""
        return bool(request.user.has_perm("invoicing.write_off_invoice"))

    def has_refund_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may give payments back."""
        return bool(request.user.has_perm("invoicing.refund_payment"))

    def has_reverse_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may reverse payments."""
        return bool(request.user.has_perm("invoicing.reverse_payment"))

    def has_record_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may record payments."""
        return bool(request.user.has_perm("invoicing.record_payment"))
