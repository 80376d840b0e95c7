"""Charge the card now: a clerk asks a stored card or bank account for one unpaid invoice."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from django import forms
from django.http import HttpRequest, HttpResponse
from unfold.decorators import action

from accounts.admin.base import staff_user
from accounts.admin.confirm import confirm_one
from accounts.admin.field_help import DeskForm
from accounts.models import Account, FundingSource
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from invoicing.models import Invoice, PaymentAttempt
from invoicing.operations.collect import queue_charge
from invoicing.queries import account_position

UNDER_WAY = (PaymentAttempt.State.QUEUED, PaymentAttempt.State.CLAIMED, *PaymentAttempt.ASKED)


class ChargeForm(DeskForm):
    """Choose what is charged, and for which invoice."""

    source = forms.ModelChoiceField(
        FundingSource.objects.none(), empty_label=None, label="Card or bank account",
        error_messages={"invalid_choice": "Choose one of this account that may be charged."},
    )  # fmt: skip
    invoice = forms.ModelChoiceField(
        Invoice.objects.none(), empty_label=None, label="Invoice",
        help_text="What is unpaid of it is charged. The oldest is chosen.",
        error_messages={"invalid_choice": "Choose an unpaid invoice of this account that is not disputed."},
    )  # fmt: skip
    reason = forms.CharField(
        max_length=200, initial="Asked for by phone.", help_text="Kept with the charge. Change it if it was otherwise."
    )
    once = forms.CharField(max_length=36, widget=forms.HiddenInput)

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sources: Any = self.fields["source"]
        sources.queryset = FundingSource.objects.filter(account=account, barred_at__isnull=True).order_by("rank")
        invoices: Any = self.fields["invoice"]
        open_rows = Invoice.objects.filter(account=account, state=Invoice.State.OPEN, frozen=False)
        invoices.queryset = open_rows.order_by("due_on", "issued_on", "number")
        currency = account.company.currency
        invoices.label_from_instance = lambda row: (
            f"{row.number}: {row.remaining:,.2f} {currency} unpaid, due {row.due_on}"
        )
        self.fields["once"].initial = str(uuid4())


class ChargeAction:
    """The button on an account's page that charges a stored card."""

    def has_charge_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may have cards charged."""
        return bool(request.user.has_perms(("invoicing.record_payment", "invoicing.charge_due")))

    @action(description="Charge the card now", icon="credit_card", permissions=["charge"])
    def charge_card(self: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask which card and which invoice, and queue the charge; the worker makes it within seconds."""

        def carry_out(account: Account, data: dict[str, Any]) -> str:
            return charge(account, data["source"], data["invoice"], f"{data['reason']} ({staff_user(request)})",
                          data["once"])  # fmt: skip

        return confirm_one(
            self, request, object_id, title="Charge the card now", submit="Charge it", form_class=ChargeForm,
            form_kwargs=_of_account, carry_out=carry_out,
            words="The payment provider is asked within seconds, once. The answer stands in the story; a decline is"
            " not repeated by itself.",
        )  # fmt: skip


def charge(account: Account, source: FundingSource, invoice: Invoice, why: str, once: str) -> str:
    """Queue one charge at a clerk's word and say so; raises Refused where one is under way, or may not be made."""
    if PaymentAttempt.objects.filter(account=account, state__in=UNDER_WAY).exclude(key=f"staff:{once}").exists():
        raise Refused("charge_under_way", "A charge of this account is under way; wait for its answer in the story.")
    made = queue_charge(
        account=account, invoice=invoice, rank=source.rank, key=f"staff:{once}", amount=invoice.remaining,
        due_at=clock.now(), why=why,
    )  # fmt: skip
    if made is not None and made.state == PaymentAttempt.State.REFUSED:
        raise Refused("charge_refused", f"{source} was not charged: {made.why}")
    left = account_position(account.pk).balance
    currency = account.company.currency
    return f"{invoice.remaining:,.2f} {currency} for {invoice.number} is asked of {source}; {left:,.2f} is owed in all."


def _of_account(account: Account) -> Mapping[str, Any]:
    return {"account": account}
