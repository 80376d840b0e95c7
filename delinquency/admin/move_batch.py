"""The page of a move: what it changes, its progress, its result, and its undoing; and the list of every single move."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from accounts.admin.base import (
    BAD,
    GOOD,
    NOTE,
    QUIET,
    WARN,
    ReadOnlyAdmin,
    ReadOnlyTabular,
    admin_link,
    local_time,
    staff_user,
    state_badge,
)
from accounts.admin.fresh import ask_for_proof
from billing_project.kernel.errors import Refused
from delinquency.differing import COUNTED
from delinquency.glance import EVENT_WORDS
from delinquency.models import MoveBatch, PolicyMove
from delinquency.operations import cancel_move, confirm_move, prepare_move, undo_move
from delinquency.operations.move_batches import to_move_back

from .comparison import DAY
from .moving import WHAT_STAYS, WhyForm, may_move

State = MoveBatch.State
TONES: dict[str, str] = {
    State.COMPARING: NOTE,
    State.READY: WARN,
    State.MOVING: NOTE,
    State.DONE: GOOD,
    State.CANCELLED: QUIET,
}
# More accounts than this are moved only by somebody who types how many.
TYPED_ABOVE = 50
# While a worker is at it the page looks again by itself, for two minutes at most.
REFRESH_SECONDS, REFRESHES = 3, 40
HOW_TONES = {"sooner": BAD, "new": BAD, "more": BAD, "later": GOOD, "never": GOOD, "less": GOOD}
HOW_ORDER = {how: place for place, how in enumerate(("new", "sooner", "more", "same_day", "later", "never", "less"))}
MILESTONE_WORDS = {
    "delinquent_on": {
        "new": "become delinquent, and would not have", "sooner": "become delinquent sooner",
        "later": "become delinquent later", "never": "do not become delinquent in this time any more",
    },
    "cut_on": {
        "new": "are slowed or cut, and would not have been", "sooner": "are slowed or cut sooner",
        "later": "are slowed or cut later", "never": "are not slowed or cut in this time any more",
    },
    "switched_on": {
        "new": "stop being billed and served, and would not have", "sooner": "stop being billed and served sooner",
        "later": "stop being billed and served later", "never": "do not stop being billed and served any more",
    },
    "fees": {"more": "are charged more fees", "less": "are charged less fees"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Example:
    """One account of a group, and what changes for it."""

    number: str
    url: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Group:
    """Accounts for which the same changes in the same direction."""

    count: int
    words: str
    tone: str
    rows: tuple[Example, ...]

    @property
    def more(self) -> int:
        """Return how many accounts are not shown one by one."""
        return self.count - len(self.rows)


class CountForm(WhyForm):
    """Why and, for many accounts, how many: nobody types 412 by mistake."""

    def __init__(self, *args: Any, count: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.count = count
        if count > TYPED_ABOVE:
            self.fields["typed"] = forms.IntegerField(
                label="How many accounts", help_text=f"Type {count} to confirm that you mean all of them."
            )

    def clean(self) -> dict[str, Any]:
        """Compare the typed count."""
        cleaned = super().clean() or self.cleaned_data
        if "typed" in self.fields and "typed" not in self.errors and cleaned.get("typed") != self.count:
            self.add_error("typed", f"That is not {self.count}, which is how many accounts it is; type {self.count}.")
        return cleaned


@admin.register(MoveBatch)
class MoveBatchAdmin(ReadOnlyAdmin):
    """Moves of accounts to another policy version: compared, confirmed, at work, done, undone."""

    list_display = ("goal", "state_shown", "moved_of", "reason", "made", "made_by")
    list_display_links = ("goal",)
    list_select_related = ("to_version__policy", "undo_of__to_version__policy", "made_by")
    list_filter = ("state", "to_version__policy")
    search_fields = ("reason", "moves__account__number")
    empty_words = "Open a published policy version and press “Move accounts here”, or choose accounts in their list."
    empty_link = ("Policy versions", "admin:delinquency_policyversion_changelist")

    @admin.display(description="move")
    def goal(self, batch: MoveBatch) -> str:
        """Return where the accounts go."""
        return goal_of(batch)

    @admin.display(description="state", ordering="state")
    def state_shown(self, batch: MoveBatch) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(batch, TONES)

    @admin.display(description="moved")
    def moved_of(self, batch: MoveBatch) -> str:
        """Return how many were moved, of how many."""
        return f"{batch.moved} of {batch.total}"

    @admin.display(description="made (UTC)", ordering="made_at")
    def made(self, batch: MoveBatch) -> SafeString | str:
        """Return when it was begun."""
        return local_time(batch.made_at)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        _form_url: str = "",
        _extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show the move in its present state; a POST confirms, cancels, compares again or undoes it."""
        batch = self.get_object(request, object_id)
        if batch is None:
            raise Http404(f"There is no move {object_id}.")
        if not self.has_view_permission(request, batch):
            raise PermissionDenied
        going = batch.total - sum(kept["count"] for kept in batch.left_out.values())
        back_ids = to_move_back(batch) if batch.state in (State.DONE, State.CANCELLED) else []
        given = request.POST if request.method == "POST" else None
        form = CountForm(given, count=len(back_ids) or going)
        if given is not None:
            if not may_move(request):
                raise PermissionDenied
            response = self._do(request, batch, form)
            if response is not None:
                return response
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts, "original": batch, "title": goal_of(batch), "batch": batch,
            "state": state_badge(batch, TONES), "form": form, "going": going, "may_move": may_move(request),
            "what_stays": WHAT_STAYS, "back_count": len(back_ids), "undone_by": batch.undone_by.order_by("-pk"),
            "groups": groups_of(batch), "totals": totals_of(batch), "left_out": left_out_of(batch),
            "until": date.fromisoformat(batch.difference["until"]) if batch.difference else None,
            "percent": 100 * batch.place // max(batch.total, 1),
            "back": reverse("admin:delinquency_movebatch_changelist"),
        }  # fmt: skip
        return _looking_again(request, batch, TemplateResponse(request, "admin/move_batch.html", context))

    def _do(self, request: HttpRequest, batch: MoveBatch, form: CountForm) -> HttpResponse | None:
        """Do what was pressed and go on; None if it was refused, which the form says."""
        by, next_batch = staff_user(request), batch
        large = request.POST.get("do") in ("confirm", "undo") and batch.total > TYPED_ABOVE
        if large and form.is_valid() and (asked := ask_for_proof(request)) is not None:
            return asked
        try:
            match request.POST.get("do"):
                case "confirm":
                    if not form.is_valid():
                        return None
                    confirm_move(batch, reason=form.cleaned_data["reason"], by=by)
                case "undo":
                    if not form.is_valid():
                        return None
                    next_batch = undo_move(batch, reason=form.cleaned_data["reason"], by=by)
                case "cancel":
                    cancel_move(batch)
                    messages.success(request, "Cancelled. Accounts that were moved already stay where they are.")
                case "again" if batch.to_version is not None:
                    next_batch = prepare_move(batch.account_ids, version=batch.to_version, by=by)
        except Refused as refusal:
            messages.error(request, refusal.words)
            return None
        return HttpResponseRedirect(reverse("admin:delinquency_movebatch_change", args=[next_batch.pk]), status=303)


@admin.register(PolicyMove)
class PolicyMoveAdmin(ReadOnlyAdmin):
    """Every account that was moved to another policy version: when, by whom, why."""

    list_display = ("account_shown", "from_version", "to_version", "moved", "moved_by", "reason", "batch_shown")
    list_select_related = ("account", "from_version__policy", "to_version__policy", "moved_by", "batch")
    list_filter = ("to_version__policy",)
    search_fields = ("account__number", "account__name", "reason")
    date_hierarchy = "moved_at"
    empty_words = "Nobody was moved yet: accounts keep the version they began under until a person moves them."
    empty_link = ("Policy versions", "admin:delinquency_policyversion_changelist")
    fields = ("account_shown", "from_version", "to_version", "moved", "moved_by", "reason", "batch_shown")
    readonly_fields = ("account_shown", "moved", "batch_shown")

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, move: PolicyMove) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(move.account)

    @admin.display(description="moved", ordering="moved_at")
    def moved(self, move: PolicyMove) -> SafeString | str:
        """Return when, in the account's time."""
        return local_time(move.moved_at, move.account.timezone)

    @admin.display(description="move")
    def batch_shown(self, move: PolicyMove) -> SafeString | str:
        """Return the batch it belongs to, where it can be undone."""
        return admin_link(move.batch, f"move {move.batch_id}")


class PolicyMoveInline(ReadOnlyTabular):
    """The versions that an account was moved to, newest first."""

    model = PolicyMove
    fields = ("when", "from_version", "to_version", "moved_by", "reason", "undo")
    readonly_fields = fields
    verbose_name_plural = "policy moves"

    def get_queryset(self, request: HttpRequest) -> Any:
        """Read the versions with them."""
        rows = super().get_queryset(request)
        return rows.select_related("account", "from_version__policy", "to_version__policy", "moved_by", "batch")

    @admin.display(description="moved")
    def when(self, move: PolicyMove) -> SafeString | str:
        """Return when, in the account's time."""
        return local_time(move.moved_at, move.account.timezone)

    @admin.display(description="move")
    def undo(self, move: PolicyMove) -> SafeString | str:
        """Return a link to where the move can be undone."""
        return admin_link(move.batch, "see and undo")


def goal_of(batch: MoveBatch) -> str:
    """Return in words where a batch takes its accounts."""
    if batch.to_version is not None:
        return f"Move accounts to {batch.to_version}"
    assert batch.undo_of is not None
    what = f"the move to {batch.undo_of.to_version}" if batch.undo_of.to_version else "an undoing"
    return f"Undo {what} (move {batch.undo_of_id})"


def groups_of(batch: MoveBatch) -> list[Group]:
    """Return what changes and for how many accounts: milestones first, what hurts before what helps."""
    found = []
    for code, kept in batch.difference.get("groups", {}).items():
        what, *rest = code.split(":")
        if what == "next":
            before, after, how = rest
            words = _next_words(before, after, how)
        else:
            how = rest[0]
            words = MILESTONE_WORDS[what][how]
        rows = tuple(
            Example(number, reverse("admin:accounts_account_change", args=[pk]), _end(one), _end(other))
            for pk, number, one, other in kept["rows"]
        )
        order = (what == "next", HOW_ORDER[how], list(MILESTONE_WORDS).index(what) if what != "next" else 0)
        found.append((order, Group(kept["count"], words, HOW_TONES.get(how, NOTE), rows)))
    return [group for _order, group in sorted(found, key=lambda pair: pair[0])]


def totals_of(batch: MoveBatch) -> list[dict[str, Any]]:
    """Return what happens to all of them together, by kind, with the money where there is some."""
    totals = batch.difference.get("totals", {})
    return [
        {
            "words": words, "before": totals[kind]["before"], "after": totals[kind]["after"],
            "amounts": [
                (code, _grouped(at["before"]), _grouped(at["after"]))
                for code, at in sorted(totals[kind]["amounts"].items())
            ],
            "delta": totals[kind]["after"] - totals[kind]["before"],
        }
        for kind, words in COUNTED.items() if kind in totals
    ]  # fmt: skip


def left_out_of(batch: MoveBatch) -> list[dict[str, Any]]:
    """Return who is not moved and why, with the first of each."""
    words = {
        "there_already": "under that version already", "closed": "closed", "no_policy": "under no policy",
        "failed": "could not be worked out", "moved_on": "moved on since",
    }  # fmt: skip
    return [
        {"words": words.get(code, code), "count": kept["count"], "rows": kept["rows"],
         "more": kept["count"] - len(kept["rows"])}
        for code, kept in sorted(batch.left_out.items())
    ]  # fmt: skip


def _next_words(before: str, after: str, how: str) -> str:
    one, other = (str(EVENT_WORDS.get(kind, kind)) for kind in (before, after))
    if before == "nothing":
        return f"have a next step, which they had not: {other}"
    if after == "nothing":
        return f"have no next step in this time any more; it was: {one}"
    if before != after:
        return f"have another next step: {other} instead of {one}"
    return f"have their next step ({one}) {'at another time of that day' if how == 'same_day' else how}"


def _grouped(amount: str) -> str:
    return f"{Decimal(amount):,.2f}"


def _end(text: str) -> str:
    """Return a day in words, an amount as it is, or that there is none."""
    if not text:
        return "not in this time"
    return date.fromisoformat(text).strftime(DAY) if text.count("-") == 2 else _grouped(text)


def _looking_again(request: HttpRequest, batch: MoveBatch, response: TemplateResponse) -> TemplateResponse:
    """Have the browser look again while a worker is at it, without JavaScript, and never for ever."""
    again = request.GET.get("look", "1")
    if batch.state in (State.COMPARING, State.MOVING) and again.isdigit() and len(again) < 4 and int(again) < REFRESHES:
        response["Refresh"] = f"{REFRESH_SECONDS}; url=?look={int(again) + 1}"
        response.context_data["looks"] = True  # type: ignore[index]
    return response
