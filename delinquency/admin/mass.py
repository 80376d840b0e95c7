"""The page of an action on many: what it would do, its progress, its result, and its undoing (U05 to U07)."""

import csv
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString
from unfold.decorators import action as button

from accounts.admin.base import (
    BAD,
    GOOD,
    NOTE,
    QUIET,
    WARN,
    ReadOnlyAdmin,
    admin_link,
    local_time,
    number_of,
    staff_user,
    state_badge,
)
from accounts.admin.confirm import ReasonForm, confirm_one
from accounts.admin.fresh import ask_for_proof
from accounts.admin.moments import local_column
from accounts.admin.texts import refuse_cards_in
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.sheets import safe_text
from delinquency.models import AccountHold, MassAction, MassItem
from delinquency.operations import mass
from delinquency.operations.holds import end_hold

from .mass_forms import TYPED_ABOVE, CountForm, UndoForm
from .mass_start import RECORD, StartPages, may_do, page_of
from .mass_words import groups_of, sums_of

State = MassAction.State
TONES: dict[str, str] = {
    State.PICKING: NOTE, State.COUNTING: NOTE, State.READY: WARN, State.RUNNING: NOTE, State.PAUSED: WARN,
    State.DONE: GOOD, State.CANCELLED: QUIET,
}  # fmt: skip
ITEM_TONES = {"waiting": NOTE, "done": GOOD, "excluded": QUIET, "failed": BAD, "undone": QUIET, "new": QUIET}
# While a worker is at it the page looks again by itself, for two minutes at most.
REFRESH_SECONDS, REFRESHES = 3, 40
COLUMNS = ("account", "what", "state", "why", "amount", "currency", "notices", "lines", "decided at (UTC)")


@admin.register(MassAction)
class MassActionAdmin(StartPages, ReadOnlyAdmin):
    """Actions on many: looked at, confirmed, at work, done, undone."""

    list_display = ("what", "state_shown", "done_of", "chosen_shown", "reason", "asked", "asked_by")
    list_display_links = ("what",)
    list_select_related = ("asked_by", "undo_of")
    list_filter = ("state", "kind")
    search_fields = ("reason", "chosen_words")
    date_hierarchy = "asked_at"
    actions_list = ("hold_an_area", "record_payments")
    empty_words = (
        "Choose rows in a list (accounts, charges, notices, tickets), then an action in its menu; or put an area on"
        " hold. You see what would happen before anything does."
    )
    empty_link = ("Accounts", "admin:accounts_account_changelist")

    def get_urls(self) -> list[Any]:
        """Add the pages before the admin's own."""
        site: Any = self.admin_site
        name = "delinquency_massaction"
        return [
            path("hold/", site.admin_view(self.hold_area), name=f"{name}_hold"),
            path("payments/", site.admin_view(self.paste_payments), name=f"{name}_payments"),
            path("<int:pk>/items/", site.admin_view(self.items_file), name=f"{name}_items"),
            *super().get_urls(),
        ]

    def has_hold_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may put an area on hold."""
        return may_do(request, MassAction.Kind.HOLD)

    @button(description="Put an area on hold", icon="thunderstorm", permissions=["hold"], url_path="to-hold")
    def hold_an_area(self, _request: HttpRequest) -> HttpResponse:
        """Go to the page for an area."""
        return HttpResponseRedirect(reverse("admin:delinquency_massaction_hold"))

    def has_record_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may record payments."""
        return bool(request.user.has_perm(RECORD))

    @button(description="Record pasted payments", icon="content_paste", permissions=["record"], url_path="to-payments")
    def record_payments(self, _request: HttpRequest) -> HttpResponse:
        """Go to the page for pasted payments."""
        return HttpResponseRedirect(reverse("admin:delinquency_massaction_payments"))

    @admin.display(description="action", ordering="kind")
    def what(self, action: MassAction) -> str:
        """Return what is done."""
        return title_of(action)

    @admin.display(description="state", ordering="state")
    def state_shown(self, action: MassAction) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(action, TONES)

    @admin.display(description="done")
    def done_of(self, action: MassAction) -> str:
        """Return how many are done, of how many."""
        return f"{action.done:,} of {action.total:,}"

    @admin.display(description="to what", ordering="chosen_words")
    def chosen_shown(self, action: MassAction) -> str:
        """Return what it is done to, in words."""
        return action.chosen_words or f"{action.total:,} chosen"

    @admin.display(description="asked (UTC)", ordering="asked_at")
    def asked(self, action: MassAction) -> SafeString | str:
        """Return when it was begun."""
        return local_time(action.asked_at)

    def change_view(
        self, request: HttpRequest, object_id: str, _form_url: str = "", _extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the action in its present state; a POST confirms, pauses, cancels, tries again or undoes it."""
        action = self._action(request, number_of(object_id))
        given = request.POST if request.method == "POST" else None
        form: ReasonForm = CountForm(given, count=action.to_do) if action.state == State.READY else UndoForm(given)
        if given is not None:
            if not may_do(request, action.kind):
                raise PermissionDenied
            large = given.get("do") in ("confirm", "undo") and action.to_do > TYPED_ABOVE
            if large and form.is_valid() and (asked := ask_for_proof(request)) is not None:
                return asked
            response = self._do(request, action, form)
            if response is not None:
                return response
            action = self._action(request, action.pk)
        kind, finished = mass.kind_of(action), action.state in (State.DONE, State.CANCELLED)
        why_not = mass.why_not_undone(action) if finished else ""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts, "original": action, "action": action, "title": title_of(action),
            "state": state_badge(action, TONES), "form": form, "may_do": may_do(request, action.kind),
            "words": kind.words(action.parameters), "kind": kind, "groups": groups_of(action),
            "sums": sums_of(action, "waiting" if action.state == State.READY else "done"),
            "left_out": action.looked_at - action.to_do, "progress": progress_of(action), "finished": finished,
            "may_undo": finished and not why_not, "why_not_undone": why_not,
            "undone_by": action.undone_by.order_by("-pk") if finished else (),
            "items_url": reverse("admin:delinquency_massitem_changelist") + f"?action__id__exact={action.pk}",
            "file_url": reverse("admin:delinquency_massaction_items", args=[action.pk]),
            "started": local_time(action.started_at), "ended": local_time(action.finished_at),
            "back": reverse("admin:delinquency_massaction_changelist"),
        }  # fmt: skip
        return _looking_again(request, action, TemplateResponse(request, "admin/mass_action.html", context))

    def items_file(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """Return the items of an action, or of one outcome, as a file for a spreadsheet."""
        action = self._action(request, pk)
        rows = action.items.select_related("account").order_by("pk")
        for name in ("state", "code"):
            if request.GET.get(name):
                rows = rows.filter(**{name: request.GET[name]})
        return StreamingHttpResponse(
            _csv_lines(rows.iterator(chunk_size=500)), content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="action-{action.pk}.csv"'},
        )  # fmt: skip

    def _action(self, request: HttpRequest, pk: int) -> MassAction:
        found = MassAction.objects.select_related("asked_by", "confirmed_by", "undo_of").filter(pk=pk).first()
        if found is None:
            raise Http404(f"There is no action {pk}.")
        if not self.has_view_permission(request, found):
            raise PermissionDenied
        return found

    def _do(self, request: HttpRequest, action: MassAction, form: ReasonForm) -> HttpResponse | None:
        """Do what was pressed and go on; None if it was refused, which the page says."""
        by, does = staff_user(request), request.POST.get("do")
        if does in ("confirm", "undo"):
            if form.is_valid():
                refuse_cards_in(form)
            if not form.is_valid():
                return None
        try:
            match does:
                case "confirm":
                    mass.confirm(action, reason=form.cleaned_data["reason"], by=by)
                case "undo":
                    action = mass.undo(action, reason=form.cleaned_data["reason"], by=by)
                case "pause":
                    mass.pause(action)
                case "go_on":
                    mass.go_on(action, by=by)
                case "cancel":
                    mass.cancel(action)
                    messages.success(request, "Cancelled. What was done already stays.")
                case "look":
                    mass.look_again(action, by=by)
                case "try_again":
                    mass.try_again(action, by=by)
        except Refused as refusal:
            messages.error(request, refusal.words)
            return None
        return HttpResponseRedirect(page_of(action), status=303)


@admin.register(MassItem)
class MassItemAdmin(ReadOnlyAdmin):
    """Each object of the actions on many, and what became of it."""

    list_display = ("label", "account_shown", "state_shown", "reason", "amount", "action")
    list_select_related = ("account", "action")
    list_filter = ("state",)
    search_fields = ("label", "account__number", "reason")
    empty_words = "Nothing was done to many yet: choose rows in a list, then an action in its menu."
    empty_link = ("Actions on many", "admin:delinquency_massaction_changelist")
    fields = ("label", "account_shown", "state_shown", "reason", "amount", "currency", "notices", "lines", "before",
              "action", "decided_at")  # fmt: skip
    readonly_fields = fields

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, item: MassItem) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(item.account)

    @admin.display(description="state", ordering="state")
    def state_shown(self, item: MassItem) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(item, ITEM_TONES)


@admin.register(AccountHold)
class AccountHoldAdmin(ReadOnlyAdmin):
    """Accounts on hold for a time: until when, why, and what follows then."""

    list_display = ("account_shown", "until_on", "resume", "freed", "reason", "held", "held_by", "ended")
    list_select_related = ("account", "held_by")
    list_filter = ("until_on", "resume", ("ended_at", admin.EmptyFieldListFilter))
    search_fields = ("account__number", "account__name", "reason")
    actions_detail = ("end",)
    empty_words = "No account is on hold. After a storm or an outage of yours, put the accounts of the area on hold."
    empty_link = ("Put an area on hold", "admin:delinquency_massaction_hold")
    ended = local_column("ended_at", "ended", account="account")

    def has_hold_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may put accounts on hold and let them go."""
        return may_do(request, MassAction.Kind.HOLD)

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, hold: AccountHold) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(hold.account)

    @admin.display(description="since", ordering="held_at")
    def held(self, hold: AccountHold) -> SafeString | str:
        """Return when, in the account's time."""
        return local_time(hold.held_at, hold.account.timezone)

    @button(description="End this hold", icon="play_arrow", permissions=["hold"])
    def end(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, and let the account go on at the next check."""

        def carry_out(hold: AccountHold, data: dict[str, Any]) -> str:
            end_hold(hold, why=data["reason"], by=staff_user(request))
            return f"{hold.account.number} goes on at the next check."

        return confirm_one(
            self, request, object_id, title="End this hold", submit="End it", carry_out=carry_out,
            words="Steps that fell into the hold run at the next check, dated then.",
        )  # fmt: skip


def title_of(action: MassAction) -> str:
    """Return in words what an action does."""
    words = str(action.get_kind_display())
    if "until_on" in action.parameters:
        words = f"{words.removesuffix(' until')} until {action.parameters['until_on']}"
    elif "status_name" in action.parameters:
        words = f"{words} to {action.parameters['status_name']}"
    return f"Undo: {words} (action {action.undo_of_id})" if action.undo_of_id else words


def progress_of(action: MassAction) -> dict[str, Any]:
    """Return how far an action is, how fast it goes, and how long it still takes."""
    if action.state == State.PICKING:
        share = 100 * action.picked_to // max(action.pick_until, 1)
        return {"done": share, "total": 100, "percent": share, "picked": action.total}
    counting = action.state == State.COUNTING
    done, total = (action.looked_at, action.total) if counting else (action.dealt_with, action.to_do)
    found: dict[str, Any] = {"done": done, "total": total, "percent": 100 * done // max(total, 1)}
    since = action.asked_at if counting else action.resumed_at
    fresh = done - (0 if counting else action.resumed_from)
    seconds = (clock.now() - since).total_seconds() if since else 0
    if fresh > 0 and seconds >= 1 and action.state != State.PAUSED:
        rate = fresh / seconds
        found |= {"rate": f"{rate:,.1f}" if rate < 10 else f"{rate:,.0f}", "left": _time_words((total - done) / rate)}
    return found


def _time_words(seconds: float) -> str:
    left = timedelta(seconds=round(seconds))
    if left < timedelta(minutes=1):
        return "less than a minute"
    minutes = round(left.total_seconds() / 60)
    return f"about {minutes} min" if minutes < 120 else f"about {minutes // 60} h"


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        """Return the text."""
        return text


def _csv_lines(items: Iterator[MassItem]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield str(writer.writerow(COLUMNS))
    for item in items:
        cells = (
            item.account.number if item.account else "", item.label, item.get_state_display(), item.reason,
            "" if item.amount is None else f"{item.amount:.2f}", item.currency, str(item.notices), str(item.lines),
            clock.local(item.decided_at, "UTC").strftime("%Y-%m-%d %H:%M") if item.decided_at else "",
        )  # fmt: skip
        yield str(writer.writerow([safe_text(str(cell)) for cell in cells]))


def _looking_again(request: HttpRequest, action: MassAction, response: TemplateResponse) -> TemplateResponse:
    """Have the browser look again while a worker is at it, without JavaScript, and never for ever."""
    again = request.GET.get("look", "1")
    at_work = action.state in (State.PICKING, State.COUNTING, State.RUNNING)
    if at_work and again.isdigit() and len(again) < 4 and int(again) < REFRESHES:
        response["Refresh"] = f"{REFRESH_SECONDS}; url=?look={int(again) + 1}"
        response.context_data["looks"] = True  # type: ignore[index]
    return response
