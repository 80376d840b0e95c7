"""The page of one line: what it should be and why, what each device says, what was ordered; check it, release it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString

from accounts.admin.base import BAD, GOOD, QUIET, WARN, DeskAdmin, badge, local_time, number_of, staff_user, state_badge
from accounts.admin.confirm import ReasonForm
from accounts.admin.texts import refuse_cards_in
from accounts.models import Account, ServiceLine, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from netenforce.line_check import LineCheck, check_line
from netenforce.models import (
    EnforcementAttempt,
    EnforcementTask,
    LinePlacement,
    LineState,
    PaymentWindow,
    ReleaseRequest,
)
from netenforce.models.hold import Level
from netenforce.operations.asked_releases import ABOVE, release_or_ask
from netenforce.operations.releases import HOURS_MAX, limit_of, resting_holds, why_no_release
from netenforce.queries import active_holds, counting_holds, open_tasks, running_windows
from netenforce.why import why_line_is

from .device_words import breaker_of
from .enforcement import TASK_TONES
from .levels import level_badge
from .window import window_badge

if TYPE_CHECKING:
    _Desk = DeskAdmin
else:
    _Desk = object

ORDERS_SHOWN = 20
# Each line asks each of its devices, and somebody waits for the answer.
CHECKED_AT_ONCE = 10
HOURS_OFFERED = 24


@dataclass(frozen=True, slots=True)
class OnDevice:
    """A line on one device: what it should be there, what the device says, and what is under way."""

    device: Any
    placed: bool
    desired: SafeString
    desired_list: str
    since: SafeString | str
    observed: SafeString
    observed_list: str
    seen: SafeString | str
    remark: str
    verdict: SafeString
    order: EnforcementTask | None
    trouble: str


class ReleaseForm(ReasonForm):
    """Ask for how many hours, within the limit of whoever asks, and why."""

    field_order = ("hours", "reason")
    hours = forms.IntegerField(min_value=1, max_value=HOURS_MAX, initial=HOURS_OFFERED)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        """Say the limit at the field."""
        super().__init__(*args, **kwargs)
        limit = limit_of(user)
        if limit is not None:
            self.fields["hours"].initial = min(HOURS_OFFERED, limit.hours_max)
            self.fields["hours"].help_text = f"You may give {limit.words}. Above that a second person is asked."


class LineViews(_Desk):
    """The page of a line and the addresses of its buttons."""

    def get_urls(self) -> list[URLPattern]:
        """Add the page of a line, and its buttons."""
        view = self.admin_site.admin_view
        return [
            path("line/<int:pk>/", view(self.line_view), name="netenforce_linestate_line"),
            path("line/<int:pk>/check/", view(self.check_view), name="netenforce_linestate_check"),
            path("line/<int:pk>/release/", view(self.release_view), name="netenforce_linestate_release"),
            path("account/<int:pk>/", view(self.account_view), name="netenforce_linestate_account"),
            path("account/<int:pk>/check/", view(self.check_account_view), name="netenforce_linestate_check_account"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, _form_url: str = "", _extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the page of the state's line."""
        state = self.get_object(request, object_id) if number_of(object_id) else None
        if state is None:
            raise Http404(f"There is no line state {object_id}.")
        return self.line_view(request, state.line_id)

    def _line(self, request: HttpRequest, pk: int) -> ServiceLine:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return get_object_or_404(ServiceLine.objects.select_related("account__status", "account__company"), pk=pk)

    def line_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show one line on all its devices, why it is so, and what was ordered."""
        line = self._line(request, pk)
        return self._page(request, line)

    def check_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask the line's devices what it is now, and show the answers."""
        line = self._line(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        return self._page(request, line, checks=check_line(line))

    def account_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Lead to the page of an account's line, or to the list where it has several or none."""
        lines = list(ServiceLine.objects.filter(account=pk).order_by("pk")[:2])
        if len(lines) == 1:
            return self.line_view(request, lines[0].pk)
        number = get_object_or_404(Account, pk=pk).number
        return HttpResponseRedirect(f"{reverse('admin:netenforce_linestate_changelist')}?q={number}")

    def check_account_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask the devices of all lines of an account, and say the answers on the page that the button stands on."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        account = get_object_or_404(Account, pk=pk)
        asked = 0
        lines = list(account.service_lines.order_by("pk")[: CHECKED_AT_ONCE + 1])
        if len(lines) > CHECKED_AT_ONCE:
            messages.info(request, f"The first {CHECKED_AT_ONCE} lines are asked; the others on their own pages.")
        for line in lines[:CHECKED_AT_ONCE]:
            for check in check_line(line):
                asked += 1
                say = messages.success if not _differs(check) else messages.warning
                say(request, f"{line} on {check.device}: {check_words(check, account.timezone)}")
        if not asked:
            messages.warning(request, "None of its lines is on a device, so there is nobody to ask.")
        back = request.POST.get("back", "")
        if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
            back = reverse("admin:accounts_account_change", args=[pk])
        return HttpResponseRedirect(back, status=303)

    def release_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for how long and why, and free all lines of the account for that time."""
        line = self._line(request, pk)
        account, user = line.account, staff_user(request)
        if limit_of(user) is None:
            raise PermissionDenied
        form = ReleaseForm(request.POST if request.method == "POST" else None, user=user)
        home = reverse("admin:netenforce_linestate_line", args=[pk])
        if form.is_valid():
            refuse_cards_in(form)
        if request.method == "POST" and form.is_valid():
            data = form.cleaned_data
            try:
                made = release_or_ask(account_id=account.pk, hours=data["hours"], why=data["reason"], by=user)
            except Refused as refusal:
                form.add_error(None, refusal.words)
            else:
                _say(request, made, account)
                return HttpResponseRedirect(home, status=303)
        _, stay = resting_holds(account.pk)
        facts = [f"This goes on restricting it: {hold.get_cause_display()}, {hold.why}" for hold in stay]
        refusal_now = why_no_release(account, user)
        if refusal_now is not None and not form.errors:
            asks = " A second person is asked then, and nothing changes before." if refusal_now.code in ABOVE else ""
            facts.append(refusal_now.words + asks)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts, "original": account, "title": "Release for some hours", "submit": "Release it",
            "words": "All lines of the account get full access for so many hours, without payment. Then the release"
            " ends by itself: what is still unpaid restricts them again, in the account's daytime. It ends earlier"
            " when everything is paid. Holds for abuse or at the customer's own wish stay.",
            "form": form, "back": home, "danger": False, "facts": facts,
        }  # fmt: skip
        return TemplateResponse(request, "admin/confirm.html", context)

    def _page(self, request: HttpRequest, line: ServiceLine, checks: Sequence[LineCheck] | None = None) -> HttpResponse:
        account, user = line.account, staff_user(request)
        window = running_windows([account.pk]).get(account.pk)
        counting = {hold.pk for hold in counting_holds([account.pk]).get(account.pk, [])}
        states = list(LineState.objects.filter(line=line).select_related("device").order_by("device__name"))
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts, "original": line, "title": f"Line {line}", "line": line, "account": account,
            "window": window_badge(window, account.timezone), "running": window,
            "holds": [
                {"hold": hold, "level": level_badge(hold.level), "rests": hold.pk not in counting,
                 "since": local_time(hold.placed_at, account.timezone)}
                for hold in active_holds([account.pk]).get(account.pk, [])
            ],
            "why": why_line_is(line),
            "places": _places(line, states), "orders": _orders(line), "orders_max": ORDERS_SHOWN,
            "checks": None if checks is None else [
                {"check": check, "words": check_words(check, account.timezone), "badge": _check_badge(check)}
                for check in checks
            ],
            "window_url": _window_url(states) if self.has_operate_permission(request) else "",
            "may_release": limit_of(user) is not None, "zone": account.timezone,
            "may_end": limit_of(user) is not None or user.has_perm("netenforce.release_line"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/line.html", context)


def _say(request: HttpRequest, made: PaymentWindow | ReleaseRequest, account: Account) -> None:
    if isinstance(made, ReleaseRequest):
        words = f"A second person is asked: {made} is above what you may give alone. Nothing has changed yet."
        messages.warning(request, words)
        return
    until = clock.local(made.closes_at, account.timezone)
    messages.success(request, f"Released until {until:%Y-%m-%d %H:%M} ({account.timezone}).")


def _window_url(states: Sequence[LineState]) -> str:
    return reverse("admin:netenforce_linestate_open_payment_window", args=[states[0].pk]) if states else ""


def _places(line: ServiceLine, states: Sequence[LineState]) -> list[OnDevice]:
    placed = {
        row.device_id: row.device
        for row in LinePlacement.objects.filter(line=line).select_related("device").order_by("device__name")
    }
    known = {state.device.pk: state for state in states if state.device is not None}
    devices: dict[int, Any] = dict(placed)
    devices |= {key: state.device for key, state in known.items() if key not in placed and _held(state)}
    orders = open_tasks([line.pk])
    zone = line.account.timezone
    found = []
    for key, device in devices.items():
        state = known.get(key) or LineState(line=line, device=device)
        found.append(
            OnDevice(
                device=device, placed=key in placed,
                desired=level_badge(state.desired_level), desired_list=state.desired_list,
                since=local_time(state.desired_since_at, zone) if state.pk else "",
                observed=level_badge(state.observed_level), observed_list=state.observed_list,
                seen=local_time(state.observed_at, zone) if state.pk else "", remark=state.remark,
                verdict=_verdict(state), order=orders.get((line.pk, key)), trouble=_trouble(device),
            )
        )  # fmt: skip
    return found


def _held(state: LineState) -> bool:
    """Tell whether a line that was taken off a device is still held there, or should be."""
    return {state.desired_level, state.observed_level} != {Level.OPEN.value}


def _verdict(state: LineState) -> SafeString:
    lists = {state.desired_list, state.observed_list} - {""}
    if state.desired_level == state.observed_level and len(lists) < 2:
        return badge("confirmed", GOOD) if state.observed_at else badge("not asked yet", QUIET)
    if state.desired_level == Level.OPEN:
        return badge("should be open, seen restricted", BAD)
    return badge("not confirmed yet", WARN)


def _trouble(device: Any) -> str:
    if not device.enabled:
        return "The device is switched off here: nothing is sent to it."
    breaker = breaker_of(device)
    if breaker.is_open:
        return f"The device is {breaker.words}."
    return f"The device does not answer: {device.failure}" if device.failing_since_at else ""


def _orders(line: ServiceLine) -> list[dict[str, Any]]:
    """Return the newest orders of a line with their attempts, in two queries."""
    attempts = Prefetch("attempt_rows", EnforcementAttempt.objects.order_by("-at", "-pk"))
    tasks = EnforcementTask.objects.filter(line=line).select_related("device").prefetch_related(attempts)
    zone = line.account.timezone
    return [
        {
            "task": task, "level": level_badge(task.level), "state": state_badge(task, TASK_TONES),
            "created": local_time(task.created_at, zone), "settled": local_time(task.settled_at, zone),
            "due": local_time(task.due_at, zone) if task.state == EnforcementTask.State.QUEUED else "",
            "attempts": [
                {"at": local_time(row.at, zone), "outcome": row.outcome, "read_back": row.read_back,
                 "detail": row.detail}
                for row in task.attempt_rows.all()
            ],
        }
        for task in tasks[:ORDERS_SHOWN]
    ]  # fmt: skip


def check_words(check: LineCheck, zone: str) -> str:
    """Return what a device answered, in a sentence."""
    wanted = _level_words(check.wanted.level, check.wanted.list_name)
    at = f"{clock.local(check.at, zone):%H:%M:%S} ({zone})"
    if check.seen is None:
        return f"it did not say at {at}: {check.failure} It should be {wanted}."
    now_seen = _level_words(check.seen.level, check.seen.list_name)
    if not _differs(check):
        return f"it is {now_seen}, as it should be, at {at}."
    more = f" {check.failure}" if check.failure else " The repair is ordered."
    return f"it is {now_seen} and should be {wanted}, at {at}.{more}"


def _differs(check: LineCheck) -> bool:
    return check.seen is None or not check.seen.agrees(check.wanted)


def _check_badge(check: LineCheck) -> SafeString:
    if check.seen is None:
        return badge("no answer", BAD)
    return badge("differs", WARN) if _differs(check) else badge("as it should be", GOOD)


def _level_words(level: str, list_name: str) -> str:
    words = str(Level(level).label) if level in Level.values else level
    return f"{words} (list {list_name})" if list_name else words
