"""The airbag: plans that were held, what they would have done, and the two people who decide."""

from typing import Any

from django.contrib import admin
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.admin.base import (
    BAD,
    GOOD,
    QUIET,
    WARN,
    HistoryAdmin,
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
from delinquency.glance import EVENT_TONES, EVENT_WORDS
from delinquency.models import AirbagStep, AirbagTrip
from delinquency.operations.airbag_decisions import ask_release, dismiss, release

State = AirbagTrip.State
TONES: dict[str, str] = {State.HELD: BAD, State.ASKED: WARN, State.RELEASED: GOOD, State.DISMISSED: QUIET}
ASKS = {
    State.HELD: "Look at the steps below. If they are right, ask for their release; if not, dismiss them, then mend the"
    " policy or the price. Until somebody decides nothing of the kind is done to anybody.",
    State.ASKED: "A second person now approves the release, or dismisses it. The one who asked cannot do that, nor can"
    " whoever published a policy concerned within the last seven days.",
    State.RELEASED: "Released: each step was or will be decided once more, and what was paid meanwhile is not done.",
    State.DISMISSED: "Dismissed: nothing of it was done. The next day's check planned anew.",
}
# Which buttons make sense in which state.
BUTTONS = {State.HELD: {"ask", "dismiss"}, State.ASKED: {"approve", "dismiss"}}


class StepInline(ReadOnlyTabular):
    """The steps that were held, account by account."""

    model = AirbagStep
    tab = False
    hide_title = True
    fields = ("account_shown", "what", "step", "on", "amount_shown", "why", "state_shown")
    readonly_fields = fields
    verbose_name_plural = "held steps"

    def get_queryset(self, request: HttpRequest) -> Any:
        """Read the accounts and their trip with the steps."""
        return super().get_queryset(request).select_related("account__company", "trip")

    @admin.display(description="account")
    def account_shown(self, step: AirbagStep) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(step.account)

    @admin.display(description="what")
    def what(self, step: AirbagStep) -> SafeString:
        """Return what would have been done, in words."""
        words = "Invoice" if step.kind == "invoice" else EVENT_WORDS.get(step.kind, step.kind)
        return badge(words, EVENT_TONES.get(step.kind, QUIET))

    @admin.display(description="amount")
    def amount_shown(self, step: AirbagStep) -> SafeString | str:
        """Return the amount, if the step has one."""
        return money(step.amount, step.account.company.currency) if step.amount is not None else ""

    @admin.display(description="now")
    def state_shown(self, step: AirbagStep) -> SafeString:
        """Tell whether it still waits."""
        if step.again_at is not None:
            return badge("decided again", GOOD)
        if step.trip.state == State.RELEASED:
            return badge("done" if step.kind == "invoice" else "at the next check", GOOD)
        return badge("not done", QUIET) if step.trip.state == State.DISMISSED else badge("held", BAD)


@admin.register(AirbagTrip)
class AirbagTripAdmin(HistoryAdmin):
    """Plans held because they were far from the usual; released by two people, or dismissed by one."""

    may_add = False
    may_change = False
    list_display = ("tripped", "kind", "state_shown", "planned_shown", "limit_shown", "steps_count", "words")
    list_filter = ("state", "kind")
    search_fields = ("words", "asked_why", "decided_why")
    date_hierarchy = "on"
    inlines = (StepInline,)
    actions_detail = ("ask", "approve", "dismiss")
    fields = (
        "state_shown", "what_now", "why_held", "planned_shown", "limit_shown", "on", "tripped", "asked_by", "asked",
        "asked_why", "decided_by", "decided", "decided_why",
    )  # fmt: skip
    readonly_fields = fields
    empty_words = (
        "Nothing was ever held. Before a check or a billing tick acts, its plan is compared with the last eight weeks:"
        " far more cuts, late fees or bills than usual wait here for two people to agree."
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        """Count the steps in the same query."""
        return super().get_queryset(request).annotate(steps_total=Count("steps"))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer what makes sense in the trip's state."""
        found = super().get_actions_detail(request, object_id)
        trip = AirbagTrip.objects.filter(pk=number_of(object_id)).first()
        wanted = BUTTONS.get(State(trip.state), set()) if trip else set()
        return [button for button in found if button.path in wanted]

    @admin.display(description="held at (UTC)", ordering="tripped_at")
    def tripped(self, trip: AirbagTrip) -> SafeString | str:
        """Return when it was held."""
        return local_time(trip.tripped_at)

    @admin.display(description="asked at (UTC)")
    def asked(self, trip: AirbagTrip) -> SafeString | str:
        """Return when its release was asked for."""
        return local_time(trip.asked_at)

    @admin.display(description="decided at (UTC)")
    def decided(self, trip: AirbagTrip) -> SafeString | str:
        """Return when it was decided."""
        return local_time(trip.decided_at)

    @admin.display(description="state", ordering="state")
    def state_shown(self, trip: AirbagTrip) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(trip, TONES)

    @admin.display(description="what now")
    def what_now(self, trip: AirbagTrip) -> str:
        """Tell who has to do what."""
        return ASKS[State(trip.state)]

    @admin.display(description="why it was held")
    def why_held(self, trip: AirbagTrip) -> str:
        """Return what was compared."""
        return trip.words

    @admin.display(description="planned", ordering="planned")
    def planned_shown(self, trip: AirbagTrip) -> str:
        """Return what would have been done: a number of accounts, or a sum."""
        return _figure(trip, trip.planned)

    @admin.display(description="goes without asking", ordering="limit")
    def limit_shown(self, trip: AirbagTrip) -> str:
        """Return the limit it was held at."""
        return _figure(trip, trip.limit)

    @admin.display(description="held steps", ordering="steps_total")
    def steps_count(self, trip: Any) -> int:
        """Return how many steps were held."""
        return int(trip.steps_total)

    @action(description="Ask for release", icon="how_to_reg", permissions=["operate"])
    def ask(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why it is right, and put it before a second person."""

        def carry_out(trip: AirbagTrip, data: dict[str, Any]) -> str:
            ask_release(trip, by=staff_user(request), reason=data["reason"])
            return "Asked for. Nothing is done until somebody else approves."

        return confirm_one(
            self, request, object_id, title="Ask for release", submit="Ask", carry_out=carry_out, words=_what,
        )  # fmt: skip

    @action(description="Approve release", icon="verified", permissions=["operate"])
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let a second person approve what another has asked for."""

        def carry_out(trip: AirbagTrip, data: dict[str, Any]) -> str:
            release(trip, by=staff_user(request), reason=data["reason"])
            return _released(trip)

        return confirm_one(
            self, request, object_id, title="Approve release", submit="Approve and release", carry_out=carry_out,
            words=_approved, danger=True,
        )  # fmt: skip

    @action(description="Dismiss", icon="block", permissions=["operate"])
    def dismiss(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask what is wrong, and leave the steps undone."""

        def carry_out(trip: AirbagTrip, data: dict[str, Any]) -> str:
            dismiss(trip, by=staff_user(request), reason=data["reason"])
            return "Dismissed. Nothing of it is done today; the next day's check plans anew."

        return confirm_one(
            self, request, object_id, title="Dismiss the held steps", submit="Dismiss", carry_out=carry_out,
            words=lambda trip: f"{_what(trip)} They stay undone today. Mend the policy or the price before tomorrow's"
            " check, or the same plan is held again.",
        )  # fmt: skip


def _what(trip: AirbagTrip) -> str:
    rows = AirbagStep.objects.filter(trip=trip)
    accounts = rows.values("account").distinct().count()
    return f"{trip.words} {rows.count()} steps of {accounts} accounts are held."


def _approved(trip: AirbagTrip) -> str:
    asked = f"{trip.asked_by or 'Somebody'} asks for it: {trip.asked_why}" if trip.asked_at else ""
    return f"{_what(trip)} {asked}"


def _released(trip: AirbagTrip) -> str:
    if trip.kind == AirbagTrip.Kind.INVOICES:
        return "Released. The bills are issued with their own dates."
    rows = AirbagStep.objects.filter(trip=trip)
    left = rows.filter(again_at__isnull=True).count()
    done = f"Released. {rows.count() - left} held steps were decided again, each account as it stands now."
    return f"{done} {left} wait for their accounts' next check." if left else done


def _figure(trip: AirbagTrip, figure: Any) -> str:
    return f"{figure:,.0f}" if trip.kind == AirbagTrip.Kind.CUTS else f"{figure:,.2f}"
