"""Charges that wait for the next invoice, and waiving them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.admin.base import GOOD, NOTE, QUIET, HistoryAdmin, admin_link, badge, money, number_of, staff_user
from accounts.admin.confirm import confirm_one
from invoicing.models import Charge
from invoicing.operations.undo import unwaive_charge

from .giving import GiveForm, Kind, MoneyRights, UndoForm, give, limit_words


class WaitingFilter(admin.SimpleListFilter):
    """Charges that wait, that were invoiced, or that were waived."""

    title = "state"
    parameter_name = "state"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [("waiting", "waits for the next invoice"), ("invoiced", "invoiced"), ("waived", "waived")]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Charge]) -> QuerySet[Charge]:
        """Narrow the list."""
        match self.value():
            case "waiting":
                return rows.filter(invoice__isnull=True, waived_at__isnull=True)
            case "invoiced":
                return rows.filter(invoice__isnull=False)
            case "waived":
                return rows.filter(waived_at__isnull=False)
        return rows


@admin.register(Charge)
class ChargeAdmin(MoneyRights, HistoryAdmin):
    """Fees, proration and one-off items; in the balance, never in what restores service."""

    may_add = False
    may_change = False
    list_display = (
        "description",
        "account_shown",
        "kind",
        "amount_shown",
        "charged_on",
        "about_invoice",
        "state",
    )
    list_select_related = ("account__company", "about_invoice", "invoice")
    list_filter = (WaitingFilter, "kind")
    search_fields = ("account__number", "account__name", "description", "about_invoice__number")
    date_hierarchy = "charged_on"
    actions_detail = ("waive", "unwaive")
    empty_words = "Late fees, reconnection fees and proration appear here until the next invoice carries them."
    fields = (
        "description", "account_shown", "kind", "amount_shown", "charged_on", "about_invoice", "invoice",
        "state", "waived_why",
    )  # fmt: skip
    readonly_fields = ("account_shown", "amount_shown", "state")

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, charge: Charge) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(charge.account)

    @admin.display(description="amount", ordering="amount")
    def amount_shown(self, charge: Charge) -> SafeString | str:
        """Return the amount; negative is a credit."""
        return money(charge.amount, charge.account.company.currency)

    @admin.display(description="state")
    def state(self, charge: Charge) -> SafeString:
        """Tell whether it waits, was invoiced or was waived."""
        if charge.waived_at:
            return badge("waived", QUIET)
        return badge(f"on {charge.invoice}", GOOD) if charge.invoice_id else badge("waits for the next invoice", NOTE)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer to waive what waits, and to take back what was waived."""
        found = super().get_actions_detail(request, object_id)
        charge = Charge.objects.filter(pk=number_of(object_id)).first()
        fits = {"unwaive"} if charge is not None and charge.waived_at else {"waive"}
        return [button for button in found if button.path in fits]

    @action(description="Waive", icon="money_off", permissions=["waive"])
    def waive(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason, and waive the charge or ask a second person; the ledger shows the credit."""
        return confirm_one(
            self, request, object_id, title="Waive charge", submit="Waive it", form_class=GiveForm,
            words=lambda charge: f"{charge.amount:,.2f} is not asked for; the ledger shows the credit.",
            facts=lambda charge: limit_words(request, Kind.WAIVE, charge.amount),
            carry_out=give(request, Kind.WAIVE, done="{thing} is waived."),
        )  # fmt: skip

    @action(description="Ask for it after all", icon="undo", permissions=["waive"])
    def unwaive(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, and take the waiver back by a debit in the ledger."""

        def carry_out(charge: Charge, data: dict[str, Any]) -> str:
            unwaive_charge(charge, data["reason"], staff_user(request))
            return f"{charge.description} is asked for again; it waits for the next invoice."

        return confirm_one(
            self, request, object_id, title="Ask for it after all", submit="Take the waiver back",
            form_class=UndoForm, carry_out=carry_out,
            words=lambda charge: f"{charge.amount:,.2f} waits for the next invoice again; the ledger shows both.",
        )  # fmt: skip
