"""The journal of every event of every account, and the delinquency checks that wrote it."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.admin.base import BAD, GOOD, QUIET, WARN, ReadOnlyAdmin, admin_link, badge, local_time, money
from delinquency.explained import facts_in_words, same_decision
from delinquency.glance import EVENT_TONES, EVENT_WORDS
from delinquency.models import Event, Sweep
from delinquency.policy_file import policy_of

from .reports import ReportPages


def event_badge(kind: str) -> SafeString:
    """Return an event's kind in words and colour."""
    return badge(EVENT_WORDS.get(kind, kind), EVENT_TONES.get(kind, QUIET))


class KindFilter(admin.SimpleListFilter):
    """Events by kind, in words."""

    title = "what"
    parameter_name = "kind"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [(kind, str(words)) for kind, words in EVENT_WORDS.items()]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Event]) -> QuerySet[Event]:
        """Narrow the list."""
        return rows.filter(kind=self.value()) if self.value() else rows


@admin.register(Event)
class EventAdmin(ReportPages, ReadOnlyAdmin):
    """What happened, when, to whom, and why: in one sentence each."""

    list_display = ("on", "account_shown", "what", "invoice", "amount_shown", "why", "rule")
    list_select_related = ("account__company", "invoice")
    list_filter = (KindFilter, "rule")
    search_fields = ("account__number", "account__name", "invoice__number", "why")
    date_hierarchy = "on"
    ordering = ("-on", "-pk")
    empty_words = "The story begins with the first invoice; each check adds to it."
    fields = (
        "account_shown", "sequence", "on", "local_at", "what", "invoice", "amount_shown", "why", "rule", "step",
        "policy_version", "compared", "again", "case", "recorded",
    )  # fmt: skip
    readonly_fields = ("account_shown", "what", "amount_shown", "compared", "again", "recorded")

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, event: Event) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(event.account)

    @admin.display(description="what", ordering="kind")
    def what(self, event: Event) -> SafeString:
        """Return the event in words."""
        return event_badge(event.kind)

    @admin.display(description="amount", ordering="amount")
    def amount_shown(self, event: Event) -> SafeString | str:
        """Return the amount, if the event has one."""
        return money(event.amount, event.account.company.currency) if event.amount is not None else ""

    @admin.display(description="what was compared")
    def compared(self, event: Event) -> SafeString | str:
        """Return the facts of the decision, as a table."""
        if not event.facts:
            return "This was recorded before facts were kept with it."
        rows = format_html_join("", '<tr><th scope="row">{}</th><td>{}</td></tr>', facts_in_words(event.facts))
        return format_html('<table class="desk-table">{}</table>', rows)

    @admin.display(description="decided again")
    def again(self, event: Event) -> SafeString | str:
        """Tell whether these facts lead to the same decision under that policy version."""
        if not event.facts or event.policy_version is None:
            return ""
        if same_decision(event, policy_of(event.policy_version)):
            return badge("the same facts lead to the same decision", GOOD)
        return badge("these facts do not lead to it: have it looked into", BAD)

    @admin.display(description="recorded (UTC)")
    def recorded(self, event: Event) -> SafeString | str:
        """Return when the row was written."""
        return local_time(event.recorded_at)


@admin.register(Sweep)
class SweepAdmin(ReadOnlyAdmin):
    """The delinquency checks."""

    list_display = ("tick", "outcome", "accounts_looked_at", "events_written", "counted", "parked", "seconds")
    date_hierarchy = "tick_at"
    empty_words = "No check has run yet. The worker runs them; by hand it is manage.py run_delinquency."

    @admin.display(description="check (UTC)", ordering="tick_at")
    def tick(self, sweep: Sweep) -> SafeString | str:
        """Return the instant decided as of."""
        return local_time(sweep.tick_at)

    @admin.display(description="outcome", ordering="finished_at")
    def outcome(self, sweep: Sweep) -> SafeString:
        """Tell whether it finished, and cleanly."""
        if sweep.finished_at is None:
            return badge("unfinished", WARN)
        return badge(f"{sweep.parked} parked", BAD) if sweep.parked else badge("done", GOOD)

    @admin.display(description="what it did")
    def counted(self, sweep: Sweep) -> str:
        """Return the events by kind, in words."""
        counts = sweep.counts if isinstance(sweep.counts, dict) else {}
        return (
            ", ".join(f"{EVENT_WORDS.get(kind, kind)} {count}" for kind, count in sorted(counts.items()))
            or "nothing was due"
        )

    @admin.display(description="seconds")
    def seconds(self, sweep: Sweep) -> str:
        """Return how long it took."""
        return f"{(sweep.finished_at - sweep.started_at).total_seconds():.1f}" if sweep.finished_at else ""
