"""Invoices: read, voided, written off and credited; never edited once issued."""

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
    ReadOnlyAdmin,
    ReadOnlyTabular,
    admin_link,
    badge,
    local_time,
    money,
    number_of,
    staff_user,
    state_badge,
)
from accounts.admin.confirm import confirm_one
from accounts.admin.fresh import ask_for_proof
from invoicing.documents import invoice_pdf
from invoicing.documents.bundle import Part
from invoicing.documents.making import invoice_file_name
from invoicing.models import Invoice, InvoiceLine, InvoiceSeries, LedgerEntry
from invoicing.operations import undo
from invoicing.operations.limits import is_large

from .documents import DocumentsAdmin
from .giving import GiveForm, Kind, MoneyRights, UndoForm, give, limit_words
from .lateness import LatenessFilter, with_days_late

INVOICE_TONES = {"open": NOTE, "paid": GOOD, "void": QUIET, "written_off": QUIET}


class InvoiceLineInline(ReadOnlyTabular):
    """What was billed."""

    model = InvoiceLine
    fields = ("description", "quantity", "price_shown", "discount_shown", "tax_shown", "amount_shown")
    readonly_fields = fields
    tab = False
    verbose_name_plural = "lines"

    @admin.display(description="price")
    def price_shown(self, line: InvoiceLine) -> SafeString | str:
        """Return the unit price."""
        return money(line.unit_price)

    @admin.display(description="discount")
    def discount_shown(self, line: InvoiceLine) -> SafeString | str:
        """Return what was taken off."""
        return money(line.discount)

    @admin.display(description="tax")
    def tax_shown(self, line: InvoiceLine) -> SafeString | str:
        """Return the line's own tax."""
        return money(line.tax)

    @admin.display(description="amount")
    def amount_shown(self, line: InvoiceLine) -> SafeString | str:
        """Return the line's total."""
        return money(line.amount)


class LedgerInline(ReadOnlyTabular):
    """What moved the invoice's remaining amount."""

    model = LedgerEntry
    fk_name = "invoice"
    fields = ("effective", "kind", "amount_shown", "payment", "reason")
    readonly_fields = fields
    tab = False
    verbose_name_plural = "money on this invoice"

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerEntry]:
        """Read what the rows show in the same query."""
        rows: QuerySet[LedgerEntry] = super().get_queryset(request)
        return rows.select_related("payment", "account")

    @admin.display(description="counts from")
    def effective(self, entry: LedgerEntry) -> SafeString | str:
        """Return when it counts, in the account's time."""
        return local_time(entry.effective_at, entry.account.timezone)

    @admin.display(description="amount")
    def amount_shown(self, entry: LedgerEntry) -> SafeString | str:
        """Return the movement; positive means the customer owes more."""
        return money(entry.amount)


class CreditForm(GiveForm):
    """Ask for an amount and a reason."""

    field_order = ("amount", "reason_code", "reason")
    amount = forms.DecimalField(
        max_digits=12,
        decimal_places=2,
        validators=[MinValueValidator(Decimal("0.01"))],
        help_text="At most what is unpaid, such as 12.50.",
    )


@admin.register(Invoice)
class InvoiceAdmin(MoneyRights, DocumentsAdmin, ReadOnlyAdmin):
    """Issued invoices, with what is unpaid and how late they are."""

    list_display = (
        "number", "account_shown", "issued_on", "due_on", "amount_shown", "remaining_shown", "state_shown",
        "late_shown",
    )  # fmt: skip
    list_select_related = ("account__company",)
    list_filter = ("state", LatenessFilter, "frozen", "source", "account__company")
    search_fields = ("number", "account__number", "account__name")
    date_hierarchy = "issued_on"
    inlines = (InvoiceLineInline, LedgerInline)
    actions = ("pdfs_of_chosen",)
    actions_detail = ("pdf", "credit", "void", "write_off", "undo_credit", "undo_write_off")
    empty_words = "Invoices are made on the accounts' bill dates, by the hourly tick or by manage.py run_billing."
    empty_link = ("Next bill dates", "admin:invoicing_billingparameters_changelist")
    fieldsets = (
        (None, {"fields": ("number", "account_shown", "description", "state_shown", "late_shown", "frozen")}),
        ("Money", {"fields": ("amount_shown", "remaining_shown")}),
        (
            "Dates",
            {"fields": ("issued_on", "due_on", "period_start_on", "period_end_on", "effective", "source")},
        ),
    )
    readonly_fields = (
        "account_shown",
        "state_shown",
        "late_shown",
        "amount_shown",
        "remaining_shown",
        "effective",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invoice]:
        """Work out the days late in the same query."""
        return with_days_late(super().get_queryset(request))

    def document(self, row: Invoice) -> Part:
        """Return the invoice as a PDF that is made when it is asked for."""
        return Part(invoice_file_name(row), row.issued_on, lambda: invoice_pdf(row.pk))

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, invoice: Invoice) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(invoice.account)

    @admin.display(description="amount", ordering="amount")
    def amount_shown(self, invoice: Invoice) -> SafeString | str:
        """Return the total."""
        return money(invoice.amount, invoice.account.company.currency)

    @admin.display(description="unpaid", ordering="remaining")
    def remaining_shown(self, invoice: Invoice) -> SafeString | str:
        """Return what is still unpaid."""
        return money(invoice.remaining, invoice.account.company.currency)

    @admin.display(description="state", ordering="state")
    def state_shown(self, invoice: Invoice) -> SafeString:
        """Return the state, and whether it is disputed."""
        shown = state_badge(invoice, INVOICE_TONES)
        return shown + badge("frozen", WARN) if invoice.frozen else shown

    @admin.display(description="late", ordering="due_on")
    def late_shown(self, invoice: Any) -> SafeString | str:
        """Tell how many days late an unpaid invoice is, in the account's zone."""
        if invoice.state != Invoice.State.OPEN:
            return ""
        if invoice.days_late > 0:
            return badge(f"{invoice.days_late} day{'s' if invoice.days_late > 1 else ''} late", BAD)
        return badge("due today", WARN) if invoice.days_late == 0 else f"due in {-invoice.days_late} days"

    @admin.display(description="owed from")
    def effective(self, invoice: Invoice) -> SafeString | str:
        """Return the instant it is owed from, in the account's time."""
        return local_time(invoice.effective_at, invoice.account.timezone)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer only what can be done with the invoice as it is; a void one is final."""
        found = super().get_actions_detail(request, object_id)
        invoice = Invoice.objects.filter(pk=number_of(object_id)).first()
        if invoice is None:
            return found
        fits = {
            Invoice.State.OPEN: {"pdf", "credit", "void", "write_off"},
            Invoice.State.PAID: {"pdf", "credit", "void"},
            Invoice.State.WRITTEN_OFF: {"pdf", "undo_write_off"},
        }.get(Invoice.State(invoice.state), {"pdf"})
        if invoice.state != Invoice.State.VOID and undo.standing_credit_notes(invoice):
            fits.add("undo_credit")
        own = {"pdf", "credit", "void", "write_off", "undo_credit", "undo_write_off"}
        return [button for button in found if button.path in fits or button.path not in own]

    @action(description="Credit note", icon="remove_circle", permissions=["credit"])
    def credit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for an amount and a reason, and take it off what is unpaid."""
        return confirm_one(
            self, request, object_id, title="Credit note", submit="Credit it", form_class=CreditForm,
            words=lambda invoice: (
                f"{invoice.remaining:,.2f} of {invoice.amount:,.2f} is unpaid; the ledger shows the credit."
            ),
            facts=lambda _invoice: limit_words(request, Kind.CREDIT_NOTE),
            carry_out=give(request, Kind.CREDIT_NOTE, done="{amount} credited on {thing}."),
        )  # fmt: skip

    @action(description="Void", icon="block", permissions=["void"])
    def void(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason, and void the invoice; what was paid on it becomes credit."""
        return confirm_one(
            self, request, object_id, title="Void invoice", submit="Void it", danger=True, form_class=GiveForm,
            words="It was wrong and never counted. What was paid on it becomes the account's credit. This cannot be"
            " undone; bill it anew if it was right.",
            facts=lambda invoice: limit_words(request, Kind.VOID, invoice.amount),
            carry_out=give(request, Kind.VOID, done="{thing} is void; what was paid on it is credit now."),
        )  # fmt: skip

    @action(description="Write off", icon="money_off", permissions=["write_off"])
    def write_off(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason, and give up on what is unpaid; much of it takes a fresh proof of who does so."""
        invoice = self.get_object(request, object_id)
        large = invoice is not None and is_large(staff_user(request), Kind.WRITE_OFF, invoice.remaining)
        if large and (asked := ask_for_proof(request)) is not None:
            return asked
        return confirm_one(
            self, request, object_id, title="Write off", submit="Write it off", danger=True, form_class=GiveForm,
            words=lambda invoice: f"{invoice.remaining:,.2f} will not be collected. The ledger shows it as a loss.",
            facts=lambda invoice: limit_words(request, Kind.WRITE_OFF, invoice.remaining),
            carry_out=give(request, Kind.WRITE_OFF, done="The unpaid part of {thing} is written off."),
        )  # fmt: skip

    @action(description="Undo write-off", icon="undo", permissions=["write_off"])
    def undo_write_off(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, and open the invoice again with its own due date."""

        def carry_out(invoice: Invoice, data: dict[str, Any]) -> str:
            undo.undo_write_off(invoice=invoice, why=data["reason"], by=staff_user(request))
            return f"{invoice.remaining:,.2f} of {invoice.number} is owed again, due {invoice.due_on}."

        return confirm_one(
            self, request, object_id, title="Undo write-off", submit="Open it again", form_class=UndoForm,
            words=lambda invoice: f"What was written off is owed again, due {invoice.due_on} as before; the account is"
            " looked at again at once.",
            carry_out=carry_out,
        )  # fmt: skip

    @action(description="Take a credit note back", icon="undo", permissions=["credit"])
    def undo_credit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask which credit note and why, and ask for its amount after all."""

        def carry_out(invoice: Invoice, data: dict[str, Any]) -> str:
            undo.undo_credit_note(entry=data["note"], why=data["reason"], by=staff_user(request))
            invoice.refresh_from_db()
            return f"{-data['note'].amount:,.2f} is asked for again; {invoice.remaining:,.2f} of it is unpaid."

        return confirm_one(
            self, request, object_id, title="Take a credit note back", submit="Take it back",
            form_class=UndoCreditForm, form_kwargs=lambda invoice: {"invoice": invoice}, carry_out=carry_out,
            words="Its amount is owed again with the invoice's own due date. Money that it had freed is put back first,"
            " as far as it is unused.",
        )  # fmt: skip


class UndoCreditForm(UndoForm):
    """Ask which credit note is taken back."""

    note = forms.ModelChoiceField(LedgerEntry.objects.none(), label="Credit note", empty_label=None)
    field_order = ("note", "reason")

    def __init__(self, *args: Any, invoice: Invoice, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices: Any = self.fields["note"]
        choices.queryset = LedgerEntry.objects.filter(pk__in=[row.pk for row in undo.standing_credit_notes(invoice)])
        choices.label_from_instance = lambda row: f"{row.recorded_at:%Y-%m-%d}: {-row.amount:,.2f} {row.reason}"


@admin.register(InvoiceSeries)
class InvoiceSeriesAdmin(ReadOnlyAdmin):
    """The running number of each company; invoices have no gaps."""

    list_display = ("company", "last_number")
    list_select_related = ("company",)
    search_fields = ("company__name",)
    empty_words = "A company's series begins with its first invoice."
