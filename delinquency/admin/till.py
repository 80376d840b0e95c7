"""Money at the desk: taken in after a look at what it pays, and taken back (K4, A21, A23)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from unfold.decorators import action

from accounts.admin.base import staff_user
from accounts.admin.confirm import DayField, confirm_one
from accounts.admin.field_help import DeskForm
from accounts.admin.texts import NoCards
from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel import money as cents
from billing_project.kernel.errors import Refused
from delinquency.glance import Glance, glance, restored_by
from delinquency.models import Standing
from invoicing.admin.giving import GiveForm, Kind, MoneyRights, give, limit_words
from invoicing.models import Charge, Invoice, Payment, PaymentAttempt
from invoicing.operations import payments as billing
from invoicing.operations import till
from invoicing.operations.inquire import close_open_pages
from invoicing.operations.till import Use

# What Refused says, and the box whose tick answers it.
ANSWERED_BY = {
    "more_than_owed": "keep_rest", "already_settled": "keep_rest", "charge_unclear": "despite_charge",
}  # fmt: skip
FIELD_OF = {"bad_reference": "reference", "payment_exists": "reference", "card_number": "reference",
            "bad_amount": "amount", "more_than_owed": "amount", "received_later": "received_on"}  # fmt: skip


class PaymentForm(NoCards, DeskForm):
    """Money that a member of staff takes in."""

    amount = forms.DecimalField(
        max_digits=12, decimal_places=2, validators=[MinValueValidator(cents.CENT), MaxValueValidator(cents.LARGEST)]
    )
    method = forms.ChoiceField(choices=[c for c in Payment.Method.choices if c[0] != Payment.Method.IMPORTED])
    reference = forms.CharField(max_length=64, help_text="Cheque number or receipt; each payment has its own.")
    received_on = DayField(label="Received on", help_text="The day the money arrived; today at the latest.")
    invoice = forms.ModelChoiceField(
        Invoice.objects.none(), required=False, empty_label="oldest due first (A21)",
        help_text="Only if the payer named one.",
    )  # fmt: skip
    keep_rest = forms.BooleanField(required=False, label="Keep what is more than owed as the account's credit")
    despite_charge = forms.BooleanField(
        required=False, label="Record it although a card may have been charged; too much becomes credit"
    )
    boxes: ClassVar[tuple[str, ...]] = ("keep_rest", "despite_charge")

    def __init__(self, *args: Any, account: Account, seen: Glance, **kwargs: Any) -> None:
        # The letters between the digits keep it from looking like a card number.
        stamp = clock.local(clock.now(), account.timezone).strftime("%Y%m%d-T%H%M%S")
        self.account, self.today = account, clock.today(account.timezone)
        kwargs.setdefault(
            "initial",
            {"reference": f"DESK-{stamp}-A{account.pk}", "method": Payment.Method.CASH, "received_on": self.today},
        )
        if owed := seen.restore or max(seen.position.pay_all, cents.ZERO):
            kwargs["initial"]["amount"] = owed
        super().__init__(*args, **kwargs)
        # Old pages and scripts name no day: then it is today.
        self.fields["received_on"].required = False
        choices: Any = self.fields["invoice"]
        choices.queryset = Invoice.objects.filter(account=account, state=Invoice.State.OPEN).order_by(
            "due_on", "number"
        )
        choices.label_from_instance = lambda row: f"{row.number}: {row.remaining:,.2f} unpaid, due {row.due_on}"

    def clean_received_on(self) -> date:
        """Refuse a day in the future, or before there was an account."""
        day: date = self.cleaned_data["received_on"] or self.today
        if day > self.today:
            raise forms.ValidationError(f"This day is still to come; today is {self.today} for this account.")
        if self.account.opened_on and day < self.account.opened_on:
            raise forms.ValidationError(f"The account was opened on {self.account.opened_on}; mend the day.")
        return day

    def received_at(self) -> datetime:
        """Return when it counts as received: now if it came today, else the beginning of its day."""
        day: date = self.cleaned_data["received_on"]
        if day == self.today:
            return clock.now()
        return clock.instant(datetime.combine(day, time()), self.account.timezone)


class ReturnedForm(NoCards, DeskForm):
    """Which payment came back, and why."""

    payment = forms.ModelChoiceField(Payment.objects.none(), empty_label=None)
    why = forms.CharField(max_length=200, help_text="Such as “Returned by the bank: insufficient funds”.")

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Payment.objects.filter(account=account, reversed_at__isnull=True)
        choices: Any = self.fields["payment"]
        choices.queryset = rows.order_by("-received_at", "-pk")
        choices.label_from_instance = lambda row: f"{row.received_at:%Y-%m-%d}: {row.amount:,.2f} {row.reference}"


class WaiveForm(GiveForm):
    """Which of the fees that wait for the next invoice is waived."""

    fee = forms.ModelChoiceField(Charge.objects.none(), empty_label=None)
    field_order = ("fee", "reason_code", "reason")

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices: Any = self.fields["fee"]
        rows = Charge.objects.filter(account=account, invoice=None, waived_at=None, amount__gt=0)
        choices.queryset = rows.order_by("-charged_on", "-pk")
        choices.label_from_instance = lambda row: f"{row.description} of {row.charged_on}: {row.amount:,.2f}"


class TillActions(MoneyRights):
    """The account page's buttons that take money in, and take it back."""

    def get_urls(self) -> list[Any]:
        """Add the short way from the home page."""
        site: Any = self.admin_site
        own = path("take-payment/", site.admin_view(self.take_payment), name="accounts_account_take_payment")
        return [own, *super().get_urls()]

    def has_take_money_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may record payments."""
        return bool(request.user.has_perm("invoicing.record_payment"))

    def has_reverse_money_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may reverse payments that came back."""
        return bool(request.user.has_perm("invoicing.reverse_payment"))

    def take_payment(self, request: HttpRequest) -> HttpResponse:
        """Find the account that somebody pays for: straight to its payment page if there is just one."""
        if not self.has_take_money_permission(request):
            raise PermissionDenied
        asked = request.GET.get("q", "").strip()
        rows = Account.objects.filter(number__iexact=asked)
        if asked and not rows.exists():
            rows = Account.objects.filter(Q(name__icontains=asked) | Q(invoices__number__iexact=asked)).distinct()
        found = list(rows[:2]) if asked else []
        if len(found) == 1:
            return HttpResponseRedirect(reverse("admin:accounts_account_record_payment", args=[found[0].pk]))
        if asked and not found:
            messages.warning(request, f"No account has the number or name “{asked[:60]}”, and no invoice that number.")
        return HttpResponseRedirect(f"{reverse('admin:accounts_account_changelist')}?{urlencode({'q': asked})}")

    @action(description="Record payment", icon="payments", permissions=["take_money"], attrs={"data-key": "p"})
    def record_payment(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the payment, show what it pays and whether it restores service, and record it."""
        account = self.get_object(request, object_id)
        if account is None:
            raise Http404(f"There is no account {object_id}.")
        seen = glance(account)
        form = PaymentForm(request.POST if request.method == "POST" else None, account=account, seen=seen)
        shown: set[str] = set()
        is_fine = request.method == "POST" and form.is_valid()
        use = _use(form, account, seen)  # before a refusal takes its field out of the cleaned data
        if is_fine and "look" not in request.POST:
            try:
                payment = _record(form, account, staff_user(request))
            except Refused as refusal:
                form.add_error(FIELD_OF.get(refusal.code), refusal.words)
                shown.add(ANSWERED_BY.get(refusal.code, ""))
            else:
                messages.success(request, _done_words(payment))
                home = reverse("admin:accounts_account_change", args=[account.pk])
                return HttpResponseRedirect(home, status=303)
        if PaymentAttempt.objects.filter(account=account, state__in=PaymentAttempt.ASKED).exists():
            shown.add("despite_charge")
        return TemplateResponse(
            request, "admin/take_payment.html",
            {
                **self.admin_site.each_context(request), "opts": self.opts, "original": account, "account": account,
                "title": "Record payment", "form": form, "seen": seen, "use": use,
                "fields": [field for field in form if field.name not in form.boxes],
                "boxes": [form[name] for name in form.boxes if name in shown or form[name].value()],
                "back": reverse("admin:accounts_account_change", args=[account.pk]),
            },
        )  # fmt: skip

    @action(description="Waive a fee", icon="money_off", permissions=["waive"])
    def waive_fee(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask which fee and why, and waive it or ask a second person (K6, SEC-21)."""

        def carry_out(_account: Account, data: dict[str, Any]) -> str:
            return give(request, Kind.WAIVE, done="{thing} is waived.")(data["fee"], data)

        return confirm_one(
            self, request, object_id, title="Waive a fee", submit="Waive it", form_class=WaiveForm,
            form_kwargs=_of_account, carry_out=carry_out,
            words="It is not asked for; the ledger shows the credit. A fee on an invoice is credited there.",
            facts=lambda _account: limit_words(request, Kind.WAIVE),
        )  # fmt: skip

    @action(description="Payment came back", icon="undo", permissions=["reverse_money"])
    def returned(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask which payment and why, and reverse it (A23)."""

        def carry_out(_account: Account, data: dict[str, Any]) -> str:
            billing.reverse_payment(payment=data["payment"], why=data["why"], by=staff_user(request))
            return f"{data['payment'].reference} is reversed; what it paid is owed again."

        return confirm_one(
            self, request, object_id, title="Payment came back", submit="Reverse it",
            form_class=ReturnedForm, danger=True,
            form_kwargs=_of_account, carry_out=carry_out,
            words="What it paid is owed again, with the old due dates; its card or bank account is charged no more.",
        )  # fmt: skip


def decided_until(account: Account) -> datetime | None:
    """Return up to when the account's story is decided: money counts from then at the earliest."""
    return Standing.objects.filter(account=account).values_list("looked_until_at", flat=True).first()


def _record(form: PaymentForm, account: Account, by: Any) -> Payment:
    data = form.cleaned_data
    if data["despite_charge"]:
        close_open_pages(account, clock.now())
    return till.take_payment(
        account=account, reference=data["reference"], amount=data["amount"], received_at=form.received_at(),
        method=data["method"], invoice=data["invoice"], by=by, not_before=decided_until(account),
        keep_rest=data["keep_rest"], despite_charge=data["despite_charge"],
    )  # fmt: skip


def _done_words(payment: Payment) -> str:
    undo = reverse("admin:invoicing_payment_undo_mistake", args=[payment.pk])
    receipt = reverse("admin:invoicing_payment_change", args=[payment.pk])
    return format_html(
        '{} recorded as {}. <a class="desk-link" href="{}">Payment</a> · '
        '<a class="desk-link" href="{}">Undo (within 10 minutes)</a>',
        f"{payment.amount:,.2f}", payment.reference, receipt, undo,
    )  # fmt: skip


def _use(form: PaymentForm, account: Account, seen: Glance) -> Mapping[str, Any] | None:
    """Return what the amount in the form would pay; None if there is no amount yet."""
    named: Invoice | None = None
    amount: Decimal | None = form.initial.get("amount")
    if form.is_bound:
        amount, named = form.cleaned_data.get("amount"), form.cleaned_data.get("invoice")
    if not amount:
        return None
    found = till.use_of(account, amount, named)
    return {"amount": amount, "shares": found.shares, "credit": found.credit, "words": _restores(seen, found)}


def _restores(seen: Glance, use: Use) -> str:
    """Say whether a payment brings service back, or what is then still missing."""
    if not seen.cut_off:
        return ""
    paid = {share.invoice.pk: share.left for share in use.shares}
    left = tuple(
        row
        for row in seen.position.open_invoices
        if row.pk not in paid or _lower(row, paid[row.pk])
    )  # fmt: skip
    missing = restored_by(seen, replace(seen.position, open_invoices=left))
    return "It restores service." if not missing else f"It does not restore service: {missing:,.2f} would be missing."


def _lower(invoice: Invoice, left: Decimal) -> bool:
    """Set what would be left to pay of an invoice that is only looked at, and tell whether anything is."""
    invoice.remaining = left
    return left > 0


def _of_account(account: Account) -> Mapping[str, Any]:
    return {"account": account}
