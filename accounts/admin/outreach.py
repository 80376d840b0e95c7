"""Contact rules of the companies, what was sent each day, and channels that are stopped."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.models import ChannelBreaker, ChannelDay, OutreachRules
from accounts.outreach.stops import let_go_on

from .base import BAD, QUIET, HistoryAdmin, ReadOnlyAdmin, badge, local_time, money, staff_user
from .confirm import ReasonForm, confirm_one


@admin.register(OutreachRules)
class OutreachRulesAdmin(HistoryAdmin):
    """When, how often and where a company's customers may be written to and called (SEC-17, R-11)."""

    list_display = ("company", "opens", "closes", "calls_max", "quiet_days", "per_number_max", "daily_spend_max")
    list_select_related = ("company",)
    search_fields = ("company__name",)
    empty_words = (
        "No company has rules of its own, so the strictest hold: 08:00 to 21:00, seven calls in seven days, three texts"
        " a day, and numbers of the company's own country only."
    )
    fieldsets = (
        (None, {"fields": ("company",)}),
        ("Hours, checked where the person is", {"fields": ("opens", "closes")}),
        ("Calls", {"fields": ("calls_max", "quiet_days")}),
        ("Caps", {"fields": ("per_number_max", "daily_spend_max")}),
        ("Consent and countries", {"fields": ("needs_recorded_consent", "countries")}),
        ("Prices and answers", {"fields": ("sms_price", "voice_price", "inbound_email")}),
    )  # fmt: skip


@admin.register(ChannelDay)
class ChannelDayAdmin(ReadOnlyAdmin):
    """What was sent each day by each channel, and what it cost as estimated."""

    list_display = ("on", "company", "channel", "sent", "spent_shown")
    list_select_related = ("company",)
    list_filter = ("channel", "company")
    date_hierarchy = "on"
    empty_words = "Nothing was sent yet."
    empty_link = ("Notices", "admin:accounts_notice_changelist")
    fields = ("on", "company", "channel", "sent", "spent_shown")
    readonly_fields = fields

    @admin.display(description="estimated cost", ordering="spent")
    def spent_shown(self, day: ChannelDay) -> SafeString | str:
        """Return what it cost."""
        return money(day.spent, day.company.currency)


class GoOnForm(ReasonForm):
    """Ask why a stopped channel may go on, and how much more it may cost today."""

    field_order = ("extra_spend", "reason")
    extra_spend = forms.DecimalField(
        label="May cost so much more today",
        min_value=Decimal(0),
        max_digits=9,
        decimal_places=2,
        initial=Decimal("50.00"),
        help_text="Above the daily cap, until midnight UTC. With 0 the next text stops the channel again.",
    )  # fmt: skip


@admin.register(ChannelBreaker)
class ChannelBreakerAdmin(ReadOnlyAdmin):
    """Stops of a channel: nothing goes out by it until somebody looked (R-11)."""

    list_display = ("tripped", "company", "channel", "state", "why", "closed_by", "closed_why")
    list_select_related = ("company", "closed_by")
    list_filter = ("channel", "company")
    date_hierarchy = "tripped_at"
    actions_detail = ("go_on",)
    empty_words = "No channel was ever stopped. One stops when texts and calls cost more in a day than the cap allows."
    fields = ("state", "company", "channel", "tripped", "why", "closed", "closed_by", "closed_why", "extra_spend")
    readonly_fields = fields

    @admin.display(description="since (UTC)", ordering="tripped_at")
    def tripped(self, stop: ChannelBreaker) -> SafeString | str:
        """Return when it was stopped."""
        return local_time(stop.tripped_at)

    @admin.display(description="until (UTC)", ordering="closed_at")
    def closed(self, stop: ChannelBreaker) -> SafeString | str:
        """Return when it went on."""
        return local_time(stop.closed_at)

    @admin.display(description="state", ordering="closed_at")
    def state(self, stop: ChannelBreaker) -> SafeString:
        """Tell whether it is still stopped."""
        return badge("over", QUIET) if stop.closed_at else badge("stopped", BAD)

    @action(description="Let it go on", icon="play_arrow", permissions=["operate"])
    def go_on(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason and a sum, and let the channel go on."""

        def carry_out(stop: ChannelBreaker, data: dict[str, Any]) -> str:
            let_go_on(stop, data["reason"], extra_spend=data["extra_spend"], by=staff_user(request))
            return f"{stop.get_channel_display()} goes on; what waits is sent now."

        return confirm_one(
            self, request, object_id, title="Let it go on", submit="Let it go on", form_class=GoOnForm,
            words=lambda stop: f"{stop.why} What waits goes out now, each letter through the contact rules once more.",
            carry_out=carry_out,
        )  # fmt: skip
