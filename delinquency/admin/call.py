"""Calls to make, one after the other at the right hour; and what came of each call that a policy asked for."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods, require_POST, require_safe

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
    number_of,
    staff_user,
    state_badge,
)
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency import calling
from delinquency.calling import When
from delinquency.models import CallTask
from delinquency.operations import calls

CALL_TONES = {
    "waiting": WARN, "reached": GOOD, "refused": BAD, "voicemail": NOTE, "no_answer": NOTE, "busy": NOTE,
    "wrong_number": BAD, "not_needed": QUIET,
}  # fmt: skip
# The outcomes as buttons: value, words, the key that presses it together with the browser's access key.
BUTTONS = (
    ("reached", "Reached", "r"), ("voicemail", "Voicemail", "v"), ("no_answer", "No answer", "n"),
    ("busy", "Busy", "b"), ("refused", "Refused to talk", "f"), ("wrong_number", "Wrong number", "w"),
)  # fmt: skip
HEADINGS = (
    (When.NOW, "Now", "Nobody may be called at this moment."),
    (When.LATER, "Later today", "Nobody else is to be called today."),
    (When.NOT_NOW, "Not allowed now", "Nobody is waiting for another day."),
)


class MissedFilter(admin.SimpleListFilter):
    """Calls that nobody made in time."""

    title = "made in time"
    parameter_name = "missed"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [("yes", "missed: nobody has called"), ("tried", "tried, to be tried again")]

    def queryset(self, _request: HttpRequest, rows: QuerySet[CallTask]) -> QuerySet[CallTask]:
        """Narrow the list."""
        waiting = rows.filter(outcome=CallTask.Outcome.WAITING)
        match self.value():
            case "yes":
                return calling.missed(waiting)
            case "tried":
                return waiting.filter(tries__gt=0)
        return rows


@admin.register(CallTask)
class CallTaskAdmin(HistoryAdmin):
    """Calls that policies ask staff to make (E3)."""

    may_add = False
    may_change = False
    list_display = ("due_on", "account_shown", "contact", "phone", "outcome_shown", "tries", "why", "note")
    list_select_related = ("account", "contact__account")
    list_filter = ("outcome", MissedFilter)
    search_fields = ("account__number", "account__name", "contact__name", "contact__phone")
    date_hierarchy = "due_on"
    empty_words = "Nobody has to be called. Policies with a call step fill this list."
    empty_link = ("Policies", "admin:delinquency_policy_changelist")
    fields = (
        "account_shown", "contact", "phone", "due_on", "why", "outcome_shown", "outcome_by", "tries", "again", "note",
        "record",
    )  # fmt: skip
    readonly_fields = ("account_shown", "phone", "outcome_shown", "again")

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, task: CallTask) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(task.account)

    @admin.display(description="phone")
    def phone(self, task: CallTask) -> SafeString | str:
        """Return the number, or why it must not be called."""
        if task.contact is None or not task.contact.phone:
            return "no number"
        return task.contact.phone if task.contact.voice_allowed else badge("does not want calls", BAD)

    @admin.display(description="outcome", ordering="outcome")
    def outcome_shown(self, task: CallTask) -> SafeString:
        """Return the outcome in words and colour; a call that nobody made in time is told as missed."""
        if task.is_missed(clock.today(task.account.timezone)):
            return badge(f"missed: was due {task.due_on}", BAD)
        return state_badge(task, CALL_TONES, "outcome")

    @admin.display(description="try again")
    def again(self, task: CallTask) -> SafeString | str:
        """Return when to try again, in the account's time."""
        return local_time(task.again_at, task.account.timezone)

    def get_urls(self) -> list[Any]:
        """Add the list to work from, and the page of one call."""
        wrap = self.admin_site.admin_view
        own = [
            path("to-make/", wrap(require_safe(self.worklist)), name="delinquency_calltask_worklist"),
            path("next/", wrap(require_POST(self.next_call)), name="delinquency_calltask_next"),
            path(
                "<str:object_id>/call/",
                wrap(require_http_methods(["GET", "HEAD", "POST"])(self.call)),
                name="delinquency_calltask_call",
            ),
        ]
        return own + super().get_urls()

    def worklist(self, request: HttpRequest) -> HttpResponse:
        """Show whom to call now, later today, and whom not to."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = clock.now()
        found = calling.calls_to_make(staff_user(request).pk, now)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "Calls to make",
            "groups": [
                (when, heading, empty, [(call, calling.from_words(call)) for call in found if call.when is when])
                for when, heading, empty in HEADINGS
            ],
            "found": found, "missed": sum(call.missed for call in found), "may": self.has_operate_permission(request),
            "callable": bool(calling.next_in_line(found)), "more": max(calling.waiting_count() - len(found), 0),
        }  # fmt: skip
        return TemplateResponse(request, "admin/calls.html", context)

    def next_call(self, request: HttpRequest) -> HttpResponse:
        """Take up the most pressing call that may be made now, and open its page."""
        self._may_call(request)
        user = staff_user(request)
        for call in calling.next_in_line(calling.calls_to_make(user.pk, clock.now())):
            try:
                calls.claim_call(call.task, user)
            except Refused:
                continue  # a colleague was faster
            return _to("call", call.task.pk)
        messages.info(request, "Nobody may be called at this moment.")
        return _to("worklist")

    def call(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show one call with its script; take it up, give it back, or note how it went."""
        user = staff_user(request)
        call = calling.one_call(number_of(object_id), user.pk, clock.now())
        if call is None:
            raise Http404(f"There is no call {object_id}.")
        if not self.has_view_permission(request, call.task):
            raise PermissionDenied
        wrong, note = "", ""
        if request.method == "POST":
            self._may_call(request)
            note = request.POST.get("note", "")
            try:
                return self._act(request, call)
            except Refused as refusal:
                wrong = refusal.words
                call = calling.one_call(call.task.pk, user.pk, clock.now()) or call
        now = clock.now()
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "original": call.task,
            "title": f"Call {call.contact.name if call.contact else call.account}", "call": call, "wrong": wrong,
            "script": calling.script_of(call.task), "from_words": calling.from_words(call), "note": note,
            "buttons": BUTTONS, "mine": call.task.is_claimed(now) and not call.taken_by,
            "settled": call.task.outcome != CallTask.Outcome.WAITING,
            "outcome": state_badge(call.task, CALL_TONES, "outcome"), "may": self.has_operate_permission(request),
            "may_promise": request.user.has_perm("delinquency.grant_grace"),
            "ticket": calling.ticket_of(call.account), "links_to": reverse("admin:delinquency_calltask_worklist"),
            "touches": [(local_time(row.at, call.account.timezone), row.words) for row in call.touches],
        }  # fmt: skip
        return TemplateResponse(request, "admin/call.html", context, status=409 if wrong else 200)

    def _act(self, request: HttpRequest, call: calling.Call) -> HttpResponse:
        """Do what was pressed; raises Refused."""
        user = staff_user(request)
        pressed = request.POST.get("outcome", "")
        if pressed == "take":
            calls.claim_call(call.task, user)
            return _to("call", call.task.pk)
        if pressed == "give-back":
            calls.release_call(call.task, user)
            messages.info(request, f"The call to {call.contact or call.account} waits for somebody else.")
            return _to("worklist")
        if call.contact is None:
            raise Refused("nobody_to_call", calls.why_refused(None, None))
        if call.task.outcome != CallTask.Outcome.WAITING:
            raise Refused("call_noted", f"This call was noted before: {call.task.get_outcome_display()}.")
        record = calls.log_call(call.contact, pressed, by=user, note=request.POST.get("note", ""))
        messages.success(request, f"Noted: {call.contact.name}, {record.get_outcome_display()}.")
        return _to("call", call.task.pk)

    def _may_call(self, request: HttpRequest) -> None:
        if not self.has_operate_permission(request):
            raise PermissionDenied


def _to(page: str, pk: int | None = None) -> HttpResponseRedirect:
    address = reverse(f"admin:delinquency_calltask_{page}", args=[] if pk is None else [pk])
    return HttpResponseRedirect(address, status=303)
