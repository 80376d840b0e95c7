"""More time from the account page: asked for, every date shown, and only then given (A7, D7, U20)."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.validators import MinValueValidator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import action

from accounts.admin.base import number_of, staff_user
from accounts.admin.confirm import DayField, confirm_one
from accounts.admin.field_help import DeskForm
from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency import operations
from delinquency.extensions import allowance_of, days_given, newest_grant
from delinquency.models import GraceRequest, Promise, Standing, Ticket
from delinquency.more_time import Effect, effect_of
from delinquency.operations.asked_time import give_or_ask, promise_or_ask
from delinquency.operations.promises import promise_until, promised_invoices

from .grace_words import Line, Row, day, left_words, lines_of, table_of

PICKS = (3, 7, 14)
OTHER = "other"
ASKED = "it is above what you may give alone. Nothing has changed yet; you see it under “More time asked for”."
REASONS = (
    ("Customer asked for more time.", "Customer asked for more time"),
    ("Payday comes later.", "Payday comes later"),
    ("Payment is on its way.", "Payment is on its way"),
    ("Our own mistake, or an outage of ours.", "Our own mistake, or an outage of ours"),
    (OTHER, "Another reason: write it below"),
)


class AskingForm(DeskForm):
    """What both forms share: the quick picks set the day."""

    day_name = ""

    def __init__(self, data: Any = None, *, account: Account, **kwargs: Any) -> None:
        self.account, self.today = account, clock.today(account.timezone)
        picked = str(data.get("days", "")) if data is not None else ""
        if picked in {str(days) for days in PICKS}:
            data = data.copy()
            data[self.day_name] = (self.today + timedelta(days=int(picked))).isoformat()
        kwargs["initial"] = {self.day_name: self.today + timedelta(days=7)} | dict(kwargs.get("initial") or {})
        super().__init__(data, **kwargs)
        if not Standing.objects.filter(account=account, delinquent_since__isnull=False).exists():
            self.fields["lift_now"].widget = forms.HiddenInput()  # there is no case to end

    def until(self) -> date:
        """Return the Grace Until that is asked for."""
        raise NotImplementedError


class GraceForm(AskingForm):
    """More days for one account."""

    day_name = "until_on"
    until_on = DayField(
        label="May become delinquent on",
        help_text="The account is protected through the day before (D7). For “I pay by Sunday” choose Monday.",
    )
    lift_now = forms.BooleanField(
        required=False,
        label="Lift now",
        help_text="Only for accounts that are delinquent already: ends the case and opens the line at once (A8).",
    )
    preset = forms.ChoiceField(label="Reason", choices=REASONS, required=False, help_text="Kept with the change.")
    reason = forms.CharField(
        label="In your own words", max_length=200, required=False, help_text="Added to the reason, such as who called."
    )

    def clean(self) -> dict[str, Any]:
        """Ask for words where the reason is another one."""
        found: dict[str, Any] = super().clean() or self.cleaned_data
        preset, own = found.get("preset") or OTHER, (found.get("reason") or "").strip()
        if preset == OTHER and not own:
            self.add_error("reason", "Say why the account gets more time, such as “Caller pays on Friday”.")
        found["why"] = own if preset == OTHER else f"{preset} {own}".strip()
        return found

    def until(self) -> date:
        """Return the date itself."""
        until_on: date = self.cleaned_data["until_on"]
        if until_on <= self.today:
            raise Refused(
                "grace_not_ahead", f"{day(until_on)} is not after today, {day(self.today)}; choose a later date."
            )
        return until_on


class PromiseForm(AskingForm):
    """What a customer promises."""

    day_name = "pay_by_on"
    pay_by_on = DayField(
        label="Will pay by the end of",
        help_text="The account is protected through this day; from the next it may become delinquent (D7).",
    )
    amount = forms.DecimalField(
        required=False,
        max_digits=12,
        decimal_places=2,
        validators=[MinValueValidator(Decimal("0.01"))],
        help_text="Blank: all that is past due. An amount alone keeps the promise, but may leave something unpaid.",
    )
    channel = forms.ChoiceField(label="How", choices=Promise.Channel.choices, initial=Promise.Channel.PHONE)
    note = forms.CharField(max_length=200, required=False, help_text="Such as “Ann, after payday on Friday”.")
    lift_now = GraceForm.base_fields["lift_now"]

    def until(self) -> date:
        """Return the day after, or the grace that runs longer; refuse what cannot be promised."""
        pay_by_on: date = self.cleaned_data["pay_by_on"]
        if pay_by_on < self.today:
            raise Refused("promise_not_ahead", f"{day(pay_by_on)} has passed; choose today or a later day.")
        if not promised_invoices(self.account, self.today, pay_by_on):
            raise Refused(
                "nothing_owed", f"Nothing that it owes is due by {day(pay_by_on)}: there is nothing to promise."
            )
        return promise_until(self.account, pay_by_on)


@dataclass(frozen=True, slots=True)
class Asking:
    """One of the two pages: what it is called, and what confirming does (blank: a second person was asked)."""

    title: str
    words: str
    pick_words: str
    submit: str
    form_class: type[AskingForm]
    carry_out: Callable[[Account, Mapping[str, Any], int], str]


class GraceActions:
    """The buttons of the account page that give more time, take it back, and note promises."""

    @action(description="Grace until", icon="event_upcoming", permissions=["grant_grace"], attrs={"data-key": "e"})
    def grace(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask until when and why, show every date, and grant it (S10, A7)."""

        def carry_out(account: Account, data: Mapping[str, Any], seen: int) -> str:
            made = give_or_ask(
                account=account, until_on=data["until_on"], reason=data["why"], by=staff_user(request),
                lift_now=data["lift_now"], seen=seen,
            )  # fmt: skip
            return "" if isinstance(made, GraceRequest) else f"Grace until {day(data['until_on'])} is given."

        asking = Asking(
            "Grace until",
            "Due dates stay as they are; the invoice stays past due. Only the entry into delinquency waits.",
            "until", "Give more days", GraceForm, carry_out,
        )  # fmt: skip
        return _two_steps(self, request, object_id, asking)

    @action(description="Promise to pay", icon="handshake", permissions=["grant_grace"])
    def promise(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask by when, show every date, and note the promise (D7)."""

        def carry_out(account: Account, data: Mapping[str, Any], seen: int) -> str:
            made = promise_or_ask(
                account=account, pay_by_on=data["pay_by_on"], by=staff_user(request), amount=data["amount"],
                channel=data["channel"], note=data["note"], lift_now=data["lift_now"], seen=seen,
            )  # fmt: skip
            if isinstance(made, GraceRequest):
                return ""
            return f"Noted: {made.promised:,.2f} by {day(made.pay_by_on)}."

        asking = Asking(
            "Promise to pay",
            "The account is protected until the promised day is over. Kept or broken is noted by itself.",
            "by", "Note the promise", PromiseForm, carry_out,
        )  # fmt: skip
        return _two_steps(self, request, object_id, asking)

    @action(description="Undo the last grace", icon="undo", permissions=["grant_grace"])
    def undo_grace(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take back the grant that the user made by mistake, within ten minutes (U07)."""

        def carry_out(account: Account, _data: dict[str, Any]) -> str:
            grant = newest_grant(account)
            if grant is None:
                raise Refused("no_grant", "This account was never given more time; there is nothing to undo.")
            operations.undo_grant(grant, staff_user(request))
            return f"Grace until {day(grant.until_on)} is taken back, and does not count towards the limit."

        return confirm_one(
            self, request, object_id, title="Undo the last grace", submit="Take it back", form_class=forms.Form,  # type: ignore[arg-type]
            words="The date that was in force before holds again, and a promise that came with it is withdrawn.",
            carry_out=carry_out,
        )  # fmt: skip


def _two_steps(desk: Any, request: HttpRequest, object_id: str, asking: Asking) -> HttpResponse:
    """Show the form; on POST every date that would move; and only what was shown is confirmed (U20)."""
    account = desk.get_object(request, object_id)
    if account is None:
        raise Http404(f"There is no account {object_id}.")
    if not desk.has_view_permission(request, account):
        raise PermissionDenied
    posted = request.method == "POST"
    form = asking.form_class(request.POST if posted else None, account=account, initial=_asked(request))
    back = _back(request, account)
    effect: Effect | None = None
    shown = seen = ""
    if posted and form.is_valid():
        newest = newest_grant(account)
        try:
            effect = effect_of(account, form.until(), lift_now=form.cleaned_data["lift_now"])
            shown, seen = _mark(effect), str(newest.pk if newest else 0)
            if request.POST.get("confirmed"):
                if request.POST.get("shown") != shown and request.POST.get("seen") == seen:
                    raise Refused("moved_on", "Something has changed since these dates were shown: look at them again.")
                done = asking.carry_out(account, form.cleaned_data, number_of(request.POST.get("seen")))
                if done:
                    messages.success(request, f"{done} {lines_of(effect, account.company.currency)[0].words}")
                else:
                    messages.warning(request, f"A second person is asked: {ASKED}")
                return HttpResponseRedirect(back, status=303)
        except Refused as refusal:
            form.add_error(None, refusal.words)
    context = _context(desk, request, account, asking, form, effect)
    context |= {"back": back, "shown": shown, "seen": seen}
    return TemplateResponse(request, "admin/grace.html", context)


def _context(
    desk: Any, request: HttpRequest, account: Account, asking: Asking, form: AskingForm, effect: Effect | None
) -> dict[str, Any]:
    currency = account.company.currency
    allowance = allowance_of(account, staff_user(request), form.today)
    running = Standing.objects.filter(account=account).values_list("grace_until", flat=True).first()
    asks = bool(effect) and not allowance.covers(days_given(effect.until_on, form.today, running))  # type: ignore[union-attr]
    waiting = GraceRequest.objects.filter(account=account, state="waiting").select_related("asked_by").first()
    lines: list[Line] = lines_of(effect, currency) if effect else []
    rows: list[Row] = table_of(effect, currency) if effect else []
    picks = [
        (days, f"+{days} days: {asking.pick_words} {form.today + timedelta(days=days):%a %d %b}") for days in PICKS
    ]
    return {
        **desk.admin_site.each_context(request),
        "opts": desk.opts, "original": account, "title": asking.title, "words": asking.words, "form": form,
        "submit": "Ask a second person" if asks else asking.submit, "asks": asks,
        "waiting": waiting, "picks": picks, "effect": effect, "lines": lines, "rows": rows,
        "left": left_words(allowance, account.number), "none_left": allowance.left == 0,
        "asked": [(field.name, field.value()) for field in form] if effect else [],
        "may_lift": bool(effect and effect.already),
        "ticket": request.GET.get("ticket", ""),
    }  # fmt: skip


def _asked(request: HttpRequest) -> dict[str, Any]:
    """Return what a link back to the form carries."""
    return {name: value for name, value in request.GET.items() if name != "ticket" and value}


def _back(request: HttpRequest, account: Account) -> str:
    """Return where to go afterwards: the ticket that the user came from, or the account."""
    ticket = Ticket.objects.filter(pk=number_of(request.GET.get("ticket")), account=account).first()
    if ticket is not None:
        return reverse("admin:delinquency_ticket_change", args=[ticket.pk])
    return reverse("admin:accounts_account_change", args=[account.pk])


def _mark(effect: Effect) -> str:
    """Return a short sign of everything that was shown."""
    told = (effect.until_on, effect.lift_now, effect.delinquent_since, effect.rows, effect.extra, effect.opens_on)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:20]
