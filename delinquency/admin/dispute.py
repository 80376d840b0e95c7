"""Disputes: the list to work through, what to do with one, and the buttons that open one for a caller (H11)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.core.validators import MinValueValidator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.admin.base import (
    BAD,
    GOOD,
    NOTE,
    QUIET,
    WARN,
    HistoryAdmin,
    admin_link,
    badge,
    local_time,
    money,
    number_of,
    staff_user,
    state_badge,
)
from accounts.admin.confirm import confirm_one
from accounts.admin.field_help import DeskForm
from accounts.models import Account
from delinquency.disputed import days_open, hold_of, taken_off
from delinquency.models import Dispute
from delinquency.models.dispute import TEXT_LENGTH_MAX
from delinquency.operations import disputes
from delinquency.operations.disputes import REASON_LENGTH
from invoicing.admin.invoice import InvoiceAdmin
from invoicing.models import Invoice
from invoicing.queries import open_invoices

TONES = {"asked": BAD, "open": WARN, "upheld": GOOD, "rejected": NOTE, "withdrawn": QUIET}
# After so many days a dispute that nobody has decided is shown as late.
LATE_AFTER_DAYS = 7
NO_LETTER = " No letter could be sent; the customer reads it in the portal."


class DecideForm(DeskForm):
    """Why; the customer reads it."""

    reason = forms.CharField(
        label="Reason, told to the customer", max_length=REASON_LENGTH, widget=forms.Textarea(attrs={"rows": 4}),
        help_text="In the customer's language, such as “The router came back on May 4; thank you for the receipt.”",
    )  # fmt: skip


class AcceptForm(DecideForm):
    """How much is taken off, and why."""

    field_order = ("amount", "reason")
    amount = forms.DecimalField(
        label="Take off", required=False, max_digits=12, decimal_places=2,
        validators=[MinValueValidator(Decimal("0.01"), "Nothing would be taken off. Has it been taken off already? Then"
                                      " go back and press “Close, taken off already”.")],
        help_text="By a credit note. Blank: all that is unpaid. What is left is due by the invoice's own due date.",
    )  # fmt: skip


class OpenForm(DeskForm):
    """What is wrong, as the customer says."""

    text = forms.CharField(
        label="What is wrong", max_length=TEXT_LENGTH_MAX, widget=forms.Textarea(attrs={"rows": 4}),
        help_text="As the customer says, such as “Charged for a router that was sent back in May.”",
    )  # fmt: skip


class OpenOnAccountForm(OpenForm):
    """Which invoice, and what is wrong with it."""

    field_order = ("invoice", "text")
    invoice = forms.ModelChoiceField(Invoice.objects.none(), empty_label=None, help_text="The oldest unpaid one first.")

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        free = [row.pk for row in open_invoices([account.pk]) if not row.frozen]
        choices: Any = self.fields["invoice"]
        choices.queryset = Invoice.objects.filter(pk__in=free).order_by("due_on", "number")
        choices.label_from_instance = _label


def _label(invoice: Invoice) -> str:
    holds = ", holds service back: the line is opened" if hold_of(invoice).lifts else ""
    return f"{invoice.number}: {invoice.remaining:,.2f} unpaid, due {invoice.due_on}{holds}"


@admin.register(Dispute)
class DisputeAdmin(HistoryAdmin):
    """What customers say is wrong with their invoices."""

    may_add = False
    may_change = False
    list_display = (
        "invoice_shown", "account_shown", "state_shown", "unpaid", "age", "said", "by", "ticket_shown",
    )  # fmt: skip
    list_select_related = ("account__company", "invoice", "ticket", "opened_by", "decided_by")
    list_filter = ("state", "by_customer", "account__company")
    search_fields = ("invoice__number", "account__number", "account__name", "text")
    date_hierarchy = "opened_on"
    actions_detail = ("confirm", "accept", "settled", "reject", "withdraw")
    empty_words = "Nobody disputes anything. Customers do it in the portal; for a caller press “Dispute” on an invoice."
    empty_link = ("Invoices", "admin:invoicing_invoice_changelist")
    fields = (
        "invoice_shown", "account_shown", "state_shown", "unpaid", "what_it_does", "text", "ticket_shown", "opened",
        "by", "confirmed", "confirmed_by", "decided", "decided_by", "decided_why", "credited_shown",
    )  # fmt: skip
    readonly_fields = (
        "invoice_shown", "account_shown", "state_shown", "unpaid", "what_it_does", "ticket_shown", "opened", "by",
        "confirmed", "decided", "credited_shown",
    )  # fmt: skip

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer only what fits the dispute's state."""
        found: list[Any] = super().get_actions_detail(request, object_id)
        row = Dispute.objects.filter(pk=number_of(object_id)).first()
        if row is None or not row.runs:
            return []
        fits = {"accept", "reject", "withdraw"}
        fits |= {"confirm"} if row.state == Dispute.State.ASKED else set()
        fits |= {"settled"} if taken_off(row) else set()
        return [button for button in found if button.path in fits]

    def has_credit_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may decide disputes and take money off invoices."""
        return self.has_operate_permission(request) and request.user.has_perm("invoicing.credit_invoice")

    @admin.display(description="invoice", ordering="invoice__number")
    def invoice_shown(self, row: Dispute) -> SafeString | str:
        """Return the invoice's number as a link to the dispute's own page in the list, to the invoice on the page."""
        return admin_link(row.invoice, row.invoice.number)

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, row: Dispute) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(row.account)

    @admin.display(description="state", ordering="state")
    def state_shown(self, row: Dispute) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(row, TONES)

    @admin.display(description="unpaid")
    def unpaid(self, row: Dispute) -> SafeString | str:
        """Return what is unpaid on the invoice."""
        return money(row.invoice.remaining, row.account.company.currency)

    @admin.display(description="age", ordering="opened_at")
    def age(self, row: Dispute) -> SafeString | str:
        """Return for how many days it has been running; late after a week."""
        days = days_open(row)
        words = "today" if not days and row.runs else f"{days} day{'' if days == 1 else 's'}"
        return badge(words, BAD) if row.runs and days > LATE_AFTER_DAYS else words

    @admin.display(description="what is wrong")
    def said(self, row: Dispute) -> str:
        """Return the beginning of what the customer says."""
        return f"{row.text[:80]}…" if len(row.text) > 80 else row.text

    @admin.display(description="opened by")
    def by(self, row: Dispute) -> str:
        """Return who opened it."""
        return "the customer, in the portal" if row.by_customer else str(row.opened_by or "")

    @admin.display(description="ticket")
    def ticket_shown(self, row: Dispute) -> SafeString | str:
        """Return the ticket as a link."""
        return admin_link(row.ticket, row.ticket.number)

    @admin.display(description="what it does")
    def what_it_does(self, row: Dispute) -> str:
        """Say what it holds back, or would."""
        if row.state == Dispute.State.ASKED:
            return f"Nothing yet. {hold_of(row.invoice).words}"
        if row.state == Dispute.State.OPEN:
            lifted = " The line was opened over it." if row.lifted_id else ""
            return f"The invoice is frozen: no payment by itself, no fee, no step.{lifted}"
        return "Nothing any more."

    @admin.display(description="opened")
    def opened(self, row: Dispute) -> SafeString | str:
        """Return when, in the account's time."""
        return local_time(row.opened_at, row.account.timezone)

    @admin.display(description="confirmed")
    def confirmed(self, row: Dispute) -> SafeString | str:
        """Return since when it holds the invoice back, in the account's time."""
        return local_time(row.confirmed_at, row.account.timezone)

    @admin.display(description="decided")
    def decided(self, row: Dispute) -> SafeString | str:
        """Return when, in the account's time."""
        return local_time(row.decided_at, row.account.timezone)

    @admin.display(description="taken off")
    def credited_shown(self, row: Dispute) -> SafeString | str:
        """Return what was taken off the invoice."""
        return money(row.credited, row.account.company.currency) if row.credited else ""

    @action(description="Look into it", icon="manage_search", permissions=["operate"])
    def confirm(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what freezing the invoice does, and do it (I9)."""

        def carry_out(row: Dispute, _data: dict[str, Any]) -> str:
            done, told = disputes.confirm_dispute(row, staff_user(request))
            back = " What was held back because of it is being given back." if done.lifted_id else ""
            return f"Invoice {done.invoice.number} is frozen.{back}{'' if told else NO_LETTER}"

        return confirm_one(
            self, request, object_id, title="Look into it", submit="Freeze the invoice", form_class=forms.Form,
            words=lambda row: hold_of(row.invoice).words, carry_out=carry_out, facts=_facts,
        )  # fmt: skip

    @action(description="Accept (credit note)", icon="check_circle", permissions=["credit"])
    def accept(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask how much is taken off and why, and do it."""

        def carry_out(row: Dispute, data: dict[str, Any]) -> str:
            done, told = disputes.accept_dispute(row, data["reason"], staff_user(request), amount=data["amount"])
            off = f" {done.credited:,.2f} is taken off {done.invoice.number}." if done.credited else ""
            return f"Accepted.{off}{'' if told else NO_LETTER}"

        return confirm_one(
            self, request, object_id, title="Accept the dispute", submit="Accept it", form_class=AcceptForm,
            words=lambda row: (
                f"The customer is right. {row.invoice.remaining:,.2f} of {row.invoice.number} is unpaid. The invoice"
                " does not count as seriously late (A27), and the customer is written to."
            ),
            carry_out=carry_out, facts=_facts,
        )  # fmt: skip

    @action(description="Close, taken off already", icon="task_alt", permissions=["operate"])
    def settled(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, and accept what credit notes have taken off since it was opened."""

        def carry_out(row: Dispute, data: dict[str, Any]) -> str:
            done, told = disputes.close_settled_dispute(row, data["reason"], staff_user(request))
            return f"Accepted; {done.credited:,.2f} had been taken off.{'' if told else NO_LETTER}"

        return confirm_one(
            self, request, object_id, title="Close, taken off already", submit="Close it", form_class=DecideForm,
            words=lambda row: (
                f"The customer is right, and {taken_off(row):,.2f} has been taken off {row.invoice.number} since the"
                f" dispute was opened: nothing more is. {row.invoice.remaining:,.2f} is unpaid and goes on with its own"
                " due date. The invoice does not count as seriously late (A27), and the customer is written to."
            ),
            carry_out=carry_out, facts=_facts,
        )  # fmt: skip

    @action(description="Reject", icon="cancel", permissions=["operate"])
    def reject(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, and let the invoice go on."""

        def carry_out(row: Dispute, data: dict[str, Any]) -> str:
            done, told = disputes.reject_dispute(row, data["reason"], staff_user(request))
            return f"Rejected; {done.invoice.number} goes on.{'' if told else NO_LETTER}"

        return confirm_one(
            self, request, object_id, title="Reject the dispute", submit="Reject it", form_class=DecideForm,
            words=lambda row: (
                f"{row.invoice.number} goes on with its own due date, {row.invoice.due_on}. Whatever fell due"
                " meanwhile follows at the next daily check, not at once. The customer is written to."
            ),
            carry_out=carry_out, facts=_facts,
        )  # fmt: skip

    @action(description="Withdraw", icon="undo", permissions=["operate"])
    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, and end the dispute for a customer who does not keep it up."""

        def carry_out(row: Dispute, data: dict[str, Any]) -> str:
            done = disputes.withdraw_dispute(row, staff_user(request), data["reason"])
            return f"Withdrawn; {done.invoice.number} goes on."

        return confirm_one(
            self, request, object_id, title="Withdraw the dispute", submit="Withdraw it",
            words="For a customer who does not keep it up, or one opened by mistake. The invoice goes on as before;"
            " the customer is not written to.",
            carry_out=carry_out, facts=_facts,
        )  # fmt: skip


def _facts(row: Dispute) -> list[str]:
    return [f"{row.account}: {row.text[:300]}"]


class DisputeButton:
    """The button on an account's page that opens a dispute of one of its invoices."""

    def has_dispute_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may open disputes."""
        return bool(request.user.has_perm("delinquency.open_dispute"))

    @action(description="Dispute an invoice", icon="gavel", permissions=["dispute"])
    def dispute_invoice(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask which invoice and what is wrong, and open a dispute (H11)."""

        def carry_out(_account: Account, data: Mapping[str, Any]) -> str:
            return _opened(disputes.open_dispute(data["invoice"], data["text"], staff_user(request)))

        return confirm_one(
            self, request, object_id, title="Dispute an invoice", submit="Open the dispute",  # type: ignore[arg-type]
            form_class=OpenOnAccountForm, form_kwargs=lambda account: {"account": account}, carry_out=carry_out,
            words="The invoice is frozen until somebody decides: no payment goes on it by itself, and no fee or step"
            " follows from it. Its other invoices go on. A ticket is opened.",
        )  # fmt: skip


admin.site.unregister(Invoice)


@admin.register(Invoice)
class InvoicePage(InvoiceAdmin):
    """An invoice, with the button that opens a dispute about it."""

    actions_detail: Any = (*InvoiceAdmin.actions_detail, "dispute")

    def has_dispute_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may open disputes."""
        return bool(request.user.has_perm("delinquency.open_dispute"))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Leave the button out where nothing is unpaid, or somebody looks into it already."""
        found: list[Any] = super().get_actions_detail(request, object_id)
        rows: QuerySet[Invoice] = Invoice.objects.filter(pk=number_of(object_id), state="open", frozen=False)
        return found if rows.exists() else [button for button in found if button.path != "dispute"]

    @action(description="Dispute", icon="gavel", permissions=["dispute"])
    def dispute(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask what is wrong, show what freezing does, and open a dispute (H11)."""

        def carry_out(invoice: Invoice, data: dict[str, Any]) -> str:
            return _opened(disputes.open_dispute(invoice, data["text"], staff_user(request)))

        return confirm_one(
            self, request, object_id, title="Dispute this invoice", submit="Open the dispute", form_class=OpenForm,
            words=lambda invoice: f"{hold_of(invoice).words} A ticket is opened.", carry_out=carry_out,
        )  # fmt: skip


def _opened(dispute: Dispute) -> str:
    back = " What was held back because of it is being given back." if dispute.lifted_id else ""
    return f"{dispute.invoice.number} is disputed and frozen; ticket {dispute.ticket.number} is open.{back}"
