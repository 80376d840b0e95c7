"""Payments, the attempts to collect them, and the sandbox gateway's own book."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
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
from accounts.admin.confirm import confirm_one, confirm_pass
from accounts.admin.field_help import DeskForm
from accounts.admin.fresh import needs_fresh_proof
from billing_project.kernel import clock
from invoicing.dispatch import dispatch_charges
from invoicing.documents import receipt_pdf
from invoicing.documents.bundle import Part
from invoicing.documents.making import receipt_file_name
from invoicing.models import LedgerEntry, Payment, PaymentAttempt, SandboxCharge
from invoicing.operations import refunds, till
from invoicing.operations.inquire import look_up
from invoicing.operations.payments import reverse_payment

from .documents import DocumentsAdmin
from .giving import Kind, MoneyRights, give, limit_words
from .refund import RefundForm, freed_words, queued, refund_words
from .resolve import ResolveActions

ATTEMPT_TONES = {
    "queued": NOTE, "claimed": NOTE, "sending": NOTE, "done": GOOD, "declined": BAD, "refused": QUIET, "unknown": WARN,
    "pending": WARN, "parked": BAD,
}  # fmt: skip


class AllocationInline(ReadOnlyTabular):
    """Where the money of a payment went."""

    model = LedgerEntry
    fk_name = "payment"
    fields = ("effective", "kind", "invoice", "amount_shown", "reason")
    readonly_fields = fields
    tab = False
    verbose_name_plural = "where it went"

    def get_queryset(self, request: HttpRequest) -> Any:
        """Read what the rows show in the same query."""
        return super().get_queryset(request).select_related("invoice", "account")

    @admin.display(description="counts from")
    def effective(self, entry: LedgerEntry) -> SafeString | str:
        """Return when it counts, in the account's time."""
        return local_time(entry.effective_at, entry.account.timezone)

    @admin.display(description="amount")
    def amount_shown(self, entry: LedgerEntry) -> SafeString | str:
        """Return the movement; negative means the customer owes less."""
        return money(entry.amount)


class CameBackFilter(admin.SimpleListFilter):
    """Payments that came back, by how; the home page links here."""

    title = "came back"
    parameter_name = "back"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [("week", "in the last 7 days"), ("yes", "at any time"), *Payment.Reversal.choices, ("no", "stands")]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Payment]) -> QuerySet[Payment]:
        """Narrow the list; what was only recorded by mistake did not come back."""
        match self.value():
            case "week" | "yes":
                since = clock.now() - timedelta(days=7 if self.value() == "week" else 36500)
                return rows.filter(reversed_at__gte=since).exclude(reversed_as=Payment.Reversal.MISTAKE)
            case "no":
                return rows.filter(reversed_at__isnull=True)
            case None:
                return rows
        return rows.filter(reversed_as=self.value())


class ReverseForm(DeskForm):
    """Ask why a payment came back."""

    why = forms.CharField(max_length=200, help_text="Such as “Returned by the bank: insufficient funds”.")


@admin.register(Payment)
class PaymentAdmin(MoneyRights, DocumentsAdmin, ReadOnlyAdmin):
    """Money received. It is recorded on the account's page, and a returned payment is reversed, never deleted."""

    list_display = ("reference", "account_shown", "received", "amount_shown", "method", "state", "reversed_why")
    list_select_related = ("account__company",)
    list_filter = (CameBackFilter, "method", "account__company")
    search_fields = ("reference", "account__number", "account__name")
    date_hierarchy = "received_at"
    inlines = (AllocationInline,)
    actions = ("pdfs_of_chosen",)
    actions_detail = ("pdf", "undo_mistake", "refund", "reverse_it")
    empty_words = "Open an account and press “Record payment”, or bring many: manage.py import_payments FILE.csv."
    empty_link = ("Accounts", "admin:accounts_account_changelist")
    fields = (
        "reference", "account_shown", "amount_shown", "method", "invoice", "funding_source", "received", "effective",
        "recorded_by", "state", "reversed_why",
    )  # fmt: skip
    readonly_fields = ("account_shown", "amount_shown", "received", "effective", "state")

    def document(self, row: Payment) -> Part:
        """Return the payment's receipt as a PDF that is made when it is asked for."""
        received_on = clock.local(row.received_at, row.account.timezone).date()
        return Part(receipt_file_name(row), received_on, lambda: receipt_pdf(row.pk))

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, payment: Payment) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(payment.account)

    @admin.display(description="received", ordering="received_at")
    def received(self, payment: Payment) -> SafeString | str:
        """Return when the money arrived, in the account's time."""
        return local_time(payment.received_at, payment.account.timezone)

    @admin.display(description="counts from")
    def effective(self, payment: Payment) -> SafeString | str:
        """Return when it counts, in the account's time."""
        return local_time(payment.effective_at, payment.account.timezone)

    @admin.display(description="amount", ordering="amount")
    def amount_shown(self, payment: Payment) -> SafeString | str:
        """Return the amount."""
        return money(payment.amount, payment.account.company.currency)

    @admin.display(description="state", ordering="reversed_at")
    def state(self, payment: Payment) -> SafeString:
        """Tell whether it stands or was taken back."""
        if not payment.reversed_at:
            return badge("stands", GOOD)
        when = local_time(payment.reversed_at, payment.account.timezone)
        tone = QUIET if payment.reversed_as == Payment.Reversal.MISTAKE else BAD
        return format_html("{} {}", badge(payment.get_reversed_as_display() or "reversed", tone), when)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer only what can be done with the payment as it is; undo only while that is possible."""
        found = super().get_actions_detail(request, object_id)
        payment = Payment.objects.select_related("recorded_by").filter(pk=number_of(object_id)).first()
        if payment is None:
            return found
        useless = {"refund", "reverse_it", "undo_mistake"} if payment.reversed_at else set()
        if till.why_not_undone(payment, staff_user(request), clock.now()):
            useless.add("undo_mistake")
        return [button for button in found if button.path not in useless]

    @action(description="Undo (recorded by mistake)", icon="undo", permissions=["record"])
    def undo_mistake(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for confirmation, and take back what the user recorded by mistake within the last ten minutes."""

        def carry_out(payment: Payment, _data: dict[str, Any]) -> str:
            till.undo_payment(payment, staff_user(request))
            return f"{payment.reference} is taken back: {payment.amount:,.2f} is owed as before."

        return confirm_one(
            self, request, object_id, title="Undo payment", submit="Undo it", form_class=forms.Form,
            words=lambda payment: f"{payment.amount:,.2f} is taken back as if it had not been recorded: no fee is asked"
            " and no card is barred. The ledger shows both.",
            carry_out=carry_out,
            back=lambda payment: reverse("admin:accounts_account_change", args=[payment.account_id]),
        )  # fmt: skip

    @action(description="Refund", icon="currency_exchange", permissions=["refund"])
    @needs_fresh_proof
    def refund(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask how much and why, and give it back: through the gateway if the money came that way."""

        def carry_out(payment: Payment, data: dict[str, Any]) -> str:
            said = give(request, Kind.REFUND, done="{amount} of {thing} given back.")(payment, data)
            sent = [refunds.send(pk) for pk in queued(payment)]
            if not sent:
                return said
            row = payment.refund_attempts.order_by("-pk").first()
            return f"{data['amount']:,.2f}: the refund is {row.get_state_display()}. {row.words}" if row else said

        return confirm_one(
            self, request, object_id, title="Refund", submit="Give it back", form_class=RefundForm, danger=True,
            form_kwargs=lambda payment: {"found": refunds.refundable(payment)}, carry_out=carry_out,
            words=lambda payment: refund_words(refunds.refundable(payment)),
            facts=lambda payment: [*freed_words(refunds.refundable(payment)), *limit_words(request, Kind.REFUND)],
        )  # fmt: skip

    @action(description="Reverse (returned)", icon="undo", permissions=["reverse"])
    def reverse_it(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, and take back what the payment paid (A23)."""

        def carry_out(payment: Payment, data: dict[str, Any]) -> str:
            reverse_payment(payment=payment, why=data["why"], by=staff_user(request))
            return f"{payment.reference} is reversed; what it paid is owed again."

        return confirm_one(
            self, request, object_id, title="Reverse payment", submit="Reverse it", form_class=ReverseForm, danger=True,
            words=lambda payment: f"{payment.amount:,.2f} is taken back; the invoices it paid are open again with"
            " their own due dates, and its card or bank account is not charged any more.",
            carry_out=carry_out,
        )  # fmt: skip


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(ResolveActions, ReadOnlyAdmin):
    """Calls to a gateway: reserved before the call, settled after it."""

    list_display = (
        "key",
        "account_shown",
        "invoice",
        "rank",
        "amount_shown",
        "state_shown",
        "code",
        "due",
        "attempts",
        "resolve_shown",
    )
    list_select_related = ("account__company", "invoice")
    list_filter = ("state", "rank", "whole")
    search_fields = ("key", "provider_id", "account__number", "invoice__number")
    date_hierarchy = "created_at"
    actions_list = ("charge_now",)
    actions_detail = ("check_now",)
    empty_words = "Charge steps of a policy, and customers who pay in the portal, make attempts."
    fields = (
        "account_shown", "invoice", "funding_source", "amount_shown", "whole", "covers", "state_shown", "code", "why",
        "due", "unclear", "attempts", "settled", "payment", "key", "provider_id", "page_id",
    )  # fmt: skip
    readonly_fields = ("account_shown", "amount_shown", "state_shown", "due", "unclear", "settled")

    @admin.display(description="what to do")
    def resolve_shown(self, attempt: PaymentAttempt) -> SafeString | str:
        """Return the link to the page that resolves an unclear charge."""
        return self.resolve_link(attempt)

    @admin.display(description="settled", ordering="settled_at")
    def settled(self, attempt: PaymentAttempt) -> SafeString | str:
        """Return when it ended, in the account's time."""
        return local_time(attempt.settled_at, attempt.account.timezone)

    @admin.display(description="unclear since", ordering="unclear_at")
    def unclear(self, attempt: PaymentAttempt) -> SafeString | str:
        """Return since when its outcome is unknown or under way, in the account's time."""
        return local_time(attempt.unclear_at, attempt.account.timezone)

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, attempt: PaymentAttempt) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(attempt.account)

    @admin.display(description="amount", ordering="amount")
    def amount_shown(self, attempt: PaymentAttempt) -> SafeString | str:
        """Return the amount."""
        return money(attempt.amount, attempt.account.company.currency)

    @admin.display(description="state", ordering="state")
    def state_shown(self, attempt: PaymentAttempt) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(attempt, ATTEMPT_TONES)

    @admin.display(description="due", ordering="due_at")
    def due(self, attempt: PaymentAttempt) -> SafeString | str:
        """Return when it may be tried, in the account's time."""
        return local_time(attempt.due_at, attempt.account.timezone)

    @action(description="Charge what is due", icon="bolt", permissions=["operate"])
    def charge_now(self, request: HttpRequest) -> HttpResponse:
        """Ask for confirmation, and make one pass over the queued charges."""
        return confirm_pass(
            self, request, title="Charge what is due", submit="Charge now",
            carry_out=lambda: dispatch_charges(clock.now()),
            words="The worker does this each minute. What was paid meanwhile is not charged.",
        )  # fmt: skip

    @action(description="Check now", icon="search", permissions=["operate"])
    def check_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for confirmation, and ask the gateway what became of the charge."""

        def carry_out(attempt: PaymentAttempt, data: dict[str, Any]) -> str:
            if attempt.state not in PaymentAttempt.ASKED:
                return f"Nothing is open: the charge is {attempt.get_state_display()}."
            look_up(attempt.pk, clock.now())
            attempt.refresh_from_db()
            return f"The charge is {attempt.get_state_display()}. {attempt.why}"

        return confirm_one(
            self, request, object_id, title="Check now", submit="Ask the gateway", form_class=forms.Form,
            words=lambda attempt: f"The gateway is asked what became of {attempt.amount:,.2f} for invoice"
            f" {attempt.invoice.number}. Nothing is charged by asking.",
            facts=lambda attempt: [f"It is {attempt.get_state_display()}.", *([attempt.why] if attempt.why else [])],
            carry_out=carry_out,
        )  # fmt: skip


@admin.register(SandboxCharge)
class SandboxChargeAdmin(ReadOnlyAdmin):
    """The sandbox gateway's own book: what that outside world believes it charged."""

    list_display = ("key", "source_token", "amount_shown", "outcome", "code", "taken")
    list_filter = ("outcome",)
    search_fields = ("key", "source_token")
    date_hierarchy = "at"
    empty_words = "The sandbox gateway was never called."

    @admin.display(description="amount", ordering="amount")
    def amount_shown(self, charge: SandboxCharge) -> SafeString | str:
        """Return the amount."""
        return money(charge.amount, charge.currency)

    @admin.display(description="at (UTC)", ordering="at")
    def taken(self, charge: SandboxCharge) -> SafeString | str:
        """Return when it was called."""
        return local_time(charge.at)
