"""What if: an account's future beside one in which somebody pays, gets days, or is under another policy version."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import action

from accounts.admin.confirm import DayField
from accounts.admin.field_help import DeskForm
from accounts.models import Account
from billing_project.kernel import clock, money
from billing_project.kernel.errors import Refused
from delinquency.ahead import supposed_return
from delinquency.comparing import futures, has_future, policy_to_try
from delinquency.models import PolicyVersion
from delinquency.operations.grace import DAYS_AHEAD_MAX
from delinquency.rules.ahead import Return, Supposed
from delinquency.rules.facts import Grant
from invoicing.models import Payment
from invoicing.rules.allocation import Received

from .comparison import DAY, shown

HORIZONS = [("30", "30 days"), ("60", "60 days"), ("120", "120 days")]
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("A payment", ("amount", "paid_on", "paid_at")),
    ("More days", ("grace_until", "lift_now")),
    ("A payment comes back", ("payment", "returned_on")),
    ("Policy and time", ("version", "days")),
)


def versions_by_policy(rows: Any) -> list[tuple[str, list[tuple[int, str]]]]:
    """Return versions as choices, grouped by policy, newest first, each with its state."""
    groups: dict[str, list[tuple[int, str]]] = {}
    for row in rows.select_related("policy").order_by("policy__name", "-number"):
        groups.setdefault(row.policy.name, []).append((row.pk, f"{row} ({row.get_state_display()})"))
    return list(groups.items())


class WhatIfForm(DeskForm):
    """What may be supposed about one account; anything may be left out."""

    amount = forms.DecimalField(
        required=False, max_digits=12, decimal_places=2, label="Amount",
        help_text="Such as 40.00. It goes to the oldest due first; what is left over waits as credit.",
        error_messages={"invalid": "Enter an amount in digits, such as 40.00."},
    )  # fmt: skip
    paid_on = DayField(required=False, label="Paid on", help_text="Blank: now.")
    paid_at = forms.TimeField(
        required=False, label="At", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        help_text="The account's local time. Blank: at the start of that day, before its check; today: now.",
    )  # fmt: skip
    grace_until = DayField(
        required=False, label="May become delinquent on",
        help_text="Granted now. The account is protected through the day before (D7).",
    )  # fmt: skip
    lift_now = forms.BooleanField(
        required=False, label="Lift now", help_text="Ends a running delinquency at once (A8)."
    )
    payment = forms.ModelChoiceField(
        Payment.objects.none(), required=False, empty_label="none", label="Payment",
        help_text="One that has not come back before (A23).",
        error_messages={"invalid_choice": "Choose a payment of this account that has not come back."},
    )  # fmt: skip
    returned_on = DayField(required=False, label="Comes back on", help_text="Blank: now.")
    version = forms.TypedChoiceField(
        required=False, coerce=int, empty_value=None, label="Under policy version",
        help_text="From now on, with what has been done kept; drafts can be tried too.",
        error_messages={"invalid_choice": "Choose a version from the list."},
    )  # fmt: skip
    days = forms.ChoiceField(choices=HORIZONS, required=False, label="Look ahead")

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account
        self.now = clock.local(clock.now(), account.timezone)
        choices: Any = self.fields["payment"]
        choices.queryset = Payment.objects.filter(account=account, reversed_at__isnull=True).order_by("-received_at")
        choices.label_from_instance = lambda row: (
            f"{clock.local(row.received_at, account.timezone):%Y-%m-%d}: {row.amount:,.2f}, {row.reference}"
        )
        versions: Any = self.fields["version"]
        versions.choices = [("", "its own"), *versions_by_policy(PolicyVersion.objects.all())]

    @property
    def until(self) -> date:
        """Return the last day that is played."""
        return self.now.date() + timedelta(days=int(self.cleaned_data.get("days") or 60))

    @property
    def soon(self) -> datetime:
        """Return the next whole second: what is supposed to happen now is already to come."""
        return self.now.replace(microsecond=0) + timedelta(seconds=1)

    def clean(self) -> dict[str, Any]:
        """Check what is supposed as the operations would, and say at each field how to mend it."""
        cleaned = super().clean() or self.cleaned_data
        self._clean_payment(cleaned)
        self._clean_grace(cleaned)
        if cleaned.get("returned_on"):
            if not cleaned.get("payment") and "payment" not in self.errors:
                self.add_error("payment", "Choose which payment comes back, or clear the day.")
            self._clean_day("returned_on", cleaned["returned_on"])
        if cleaned.get("version"):
            cleaned["version"] = PolicyVersion.objects.select_related("policy").get(pk=cleaned["version"])
            try:
                policy_to_try(cleaned["version"])
            except Refused as refusal:
                self.add_error("version", refusal.words)
        return cleaned

    def _clean_payment(self, cleaned: dict[str, Any]) -> None:
        amount, paid_on, paid_at = cleaned.get("amount"), cleaned.get("paid_on"), cleaned.get("paid_at")
        if amount is None:
            if (paid_on or paid_at) and "amount" not in self.errors:
                self.add_error("amount", "Say how much is paid, or clear the day and time.")
            return
        if amount <= 0:
            self.add_error("amount", f"The amount {amount} must be above 0, such as 40.00.")
        elif amount > money.LARGEST:
            self.add_error("amount", f"The amount is above {money.LARGEST:,.2f}; no payment may be. Enter less.")
        if paid_on:
            self._clean_day("paid_on", paid_on)
        if paid_at and (paid_on or self.now.date()) == self.now.date() and paid_at < self.now.time():
            self.add_error(
                "paid_at", f"It is {self.now:%H:%M} there already; choose a later time, or leave it blank for now."
            )

    def _clean_grace(self, cleaned: dict[str, Any]) -> None:
        until, today = cleaned.get("grace_until"), self.now.date()
        if until is None:
            if cleaned.get("lift_now") and "grace_until" not in self.errors:
                self.add_error("grace_until", "Say until when, too: a lift comes with more days (A8).")
        elif until <= today:
            self.add_error("grace_until", f"{until} is not after today, {today}; choose a later date.")
        elif (until - today).days > DAYS_AHEAD_MAX:
            self.add_error("grace_until", f"{until} is more than a year ahead; choose an earlier date.")

    def _clean_day(self, name: str, on: date) -> None:
        if on < self.now.date():
            words = f"{on} is past; choose today, {self.now.date()}, or later. What has come is recorded, not supposed."
            self.add_error(name, words)
        elif on > self.until:
            self.add_error(name, f"{on} is after the last day shown, {self.until}; look further ahead, or choose less.")

    def supposed(self) -> Supposed:
        """Return what is supposed, as the rules understand it."""
        data = self.cleaned_data
        payments: tuple[Received, ...] = ()
        returns: tuple[Return, ...] = ()
        if data.get("amount"):
            at = self._moment(data.get("paid_on"), data.get("paid_at"))
            payments = (Received("supposed", at, data["amount"]),)
        if data.get("payment"):
            returns = (supposed_return(data["payment"], self._moment(data.get("returned_on"), None)),)
        until = data.get("grace_until")
        grants = (Grant(self.soon, until, bool(data.get("lift_now")), "supposed"),) if until else ()
        return Supposed(payments, returns, grants)

    def words(self, currency: str) -> list[str]:
        """Return what is supposed, one sentence each, with the moment that counts."""
        data, supposed = self.cleaned_data, self.supposed()
        said = [f"{paid.amount:,.2f} {currency} is paid on {self._said(paid.at)}." for paid in supposed.payments]
        if data.get("grace_until"):
            through = data["grace_until"] - timedelta(days=1)
            lift = ", and a running delinquency ends at once" if data.get("lift_now") else ""
            said.append(
                f"Granted now: protected through {through.strftime(DAY)}, may become delinquent on"
                f" {data['grace_until'].strftime(DAY)}{lift}."
            )
        said += [
            f"Payment {back.reference} of {back.amount:,.2f} {currency} comes back on {self._said(back.at)}."
            for back in supposed.returns
        ]
        if data.get("version"):
            said.append(f"From now on it is under {data['version']} ({data['version'].get_state_display()}).")
        return said

    def _moment(self, on: date | None, at: time | None) -> datetime:
        return max(datetime.combine(on or self.now.date(), at or time.min), self.soon)

    def _said(self, at: datetime) -> str:
        return f"{at.strftime(DAY)}, now" if at == self.soon else f"{at.strftime(DAY)} at {at:%H:%M}"


class WhatIfMixin:
    """Adds “What if” to the account page; whoever may see the account may suppose."""

    @action(description="What if", icon="alt_route", permissions=["view"])
    def what_if(self: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show two futures of the account side by side; nothing is written."""
        account = self.get_object(request, object_id)
        if account is None:
            raise Http404(f"There is no account {object_id}.")
        if not self.has_view_permission(request, account):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts, "original": account, "title": f"What if: {account}",
            "back": reverse("admin:accounts_account_change", args=[account.pk]),
        }  # fmt: skip
        try:
            has_future(account)
        except Refused as refusal:
            return TemplateResponse(request, "admin/whatif.html", {**context, "refused": refusal.words})
        given = request.GET.copy()
        given.setdefault("days", "60")
        form = WhatIfForm(given, account=account)
        context |= {"form": form, "groups": groups_of(form)}
        if form.is_valid():
            currency = account.company.currency
            found = futures(
                account, form.until, supposed=form.supposed(), instead=form.cleaned_data.get("version") or None
            )
            context |= {"comparison": shown(found, title="What if"), "supposed": form.words(currency)}
        return TemplateResponse(request, "admin/whatif.html", context)


def groups_of(form: WhatIfForm) -> Sequence[tuple[str, list[forms.BoundField]]]:
    """Return the form's fields under their headings."""
    return [(title, [form[name] for name in names]) for title, names in GROUPS]
