"""Cases, and the steps that were taken."""

from django.contrib import admin
from django.utils.safestring import SafeString

from accounts.admin.base import (
    BAD,
    GOOD,
    QUIET,
    WARN,
    HistoryAdmin,
    ReadOnlyAdmin,
    ReadOnlyTabular,
    admin_link,
    badge,
    local_time,
    state_badge,
)
from delinquency.models import Case, Event, StepRun

from .journal import event_badge

STAGE_TONES = {"open": WARN, "restricted": BAD, "closed": QUIET}
OUTCOME_TONES = {"done": GOOD, "not_sent": QUIET, "held": WARN}


class EventInline(ReadOnlyTabular):
    """What happened in a case."""

    model = Event
    fields = ("on", "what", "invoice", "amount", "why")
    readonly_fields = fields
    tab = False
    verbose_name_plural = "what happened"

    @admin.display(description="what")
    def what(self, event: Event) -> SafeString:
        """Return the event in words."""
        return event_badge(event.kind)


@admin.register(Case)
class CaseAdmin(HistoryAdmin):
    """Delinquency from entry to cure; the trade also says episode or cycle."""

    may_add = False
    may_change = False
    list_display = (
        "account_shown",
        "number",
        "stage_shown",
        "opened_on",
        "closed_on",
        "days",
        "reached_cut",
        "closed_why",
    )
    list_select_related = ("account",)
    list_filter = ("stage", "reached_cut")
    search_fields = ("account__number", "account__name")
    date_hierarchy = "opened_on"
    inlines = (EventInline,)
    empty_words = "No account has been delinquent yet. The daily check opens a case when grace has run out."
    empty_link = ("Policies", "admin:delinquency_policy_changelist")
    readonly_fields = ("account_shown", "stage_shown", "days")
    fields = (
        "account_shown", "number", "stage_shown", "opened_on", "closed_on", "days", "closed_why",
        "reached_cut", "resumed_count",
    )  # fmt: skip

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, case: Case) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(case.account)

    @admin.display(description="stage", ordering="stage")
    def stage_shown(self, case: Case) -> SafeString:
        """Return the stage in words and colour."""
        return state_badge(case, STAGE_TONES, "stage")

    @admin.display(description="days", empty_value="")
    def days(self, case: Case) -> int | None:
        """Return how long a closed case lasted."""
        return (case.closed_on - case.opened_on).days if case.closed_on else None


@admin.register(StepRun)
class StepRunAdmin(ReadOnlyAdmin):
    """The steps that were taken, each once for its anchor (D8)."""

    list_display = ("on", "account_shown", "step_key", "action", "outcome_shown", "in_force_shown", "why")
    list_select_related = ("account",)
    list_filter = ("action", "outcome", "in_force", "level")
    search_fields = ("account__number", "account__name", "step_key", "anchor_key")
    date_hierarchy = "on"
    empty_words = "No policy step was taken yet."
    readonly_fields = ("account_shown", "outcome_shown", "in_force_shown", "taken")

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, run: StepRun) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(run.account)

    @admin.display(description="outcome", ordering="outcome")
    def outcome_shown(self, run: StepRun) -> SafeString:
        """Return the outcome in words and colour."""
        return state_badge(run, OUTCOME_TONES, "outcome")

    @admin.display(description="in force", ordering="in_force")
    def in_force_shown(self, run: StepRun) -> SafeString | str:
        """Tell whether a cut has not been released."""
        return badge("in force", BAD) if run.in_force else ""

    @admin.display(description="taken at")
    def taken(self, run: StepRun) -> SafeString | str:
        """Return when, in the account's time."""
        return local_time(run.at, run.account.timezone)
