"""The screens of reports by e-mail: who gets which and when, and what became of each letter."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget

from accounts.admin.base import (
    BAD,
    GOOD,
    NOTE,
    WARN,
    HistoryAdmin,
    ReadOnlyAdmin,
    admin_link,
    badge,
    local_time,
    staff_user,
    state_badge,
)
from accounts.models import Company, User
from billing_project.kernel import clock
from delinquency.models import ReportMailing, ReportSubscription
from delinquency.reports.mailing import why_not
from delinquency.reports.registry import REPORTS

from .report_pages import RegistryPages

State = ReportMailing.State
TONES: dict[str, str] = {
    State.WAITING: NOTE, State.SENDING: NOTE, State.SENT: GOOD, State.FAILED: BAD, State.UNCLEAR: WARN,
}  # fmt: skip


class SubscriptionForm(forms.ModelForm[ReportSubscription]):
    """Choose a report, its time and its readers."""

    report = forms.ChoiceField(
        choices=[(one.key, one.title) for one in REPORTS.values()], widget=UnfoldAdminSelectWidget
    )
    recipients = forms.ModelMultipleChoiceField(
        User.objects.filter(is_staff=True, is_active=True).order_by("username"),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Members of staff only; each needs an e-mail address, and the right to see reports.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "timezone" in self.fields and not self.instance.pk:
            zone = Company.objects.order_by("pk").values_list("timezone", flat=True).first()
            self.fields["timezone"].initial = zone or "UTC"

    def clean_recipients(self) -> Any:
        """Refuse people who could not get it, each with the reason."""
        people = self.cleaned_data["recipients"]
        wrong = [words for words in map(why_not, people) if words]
        if wrong:
            raise ValidationError([f"Not sent to everybody named here: {words}" for words in wrong])
        return people


@admin.register(ReportSubscription)
class ReportSubscriptionAdmin(RegistryPages, HistoryAdmin):
    """Reports that are sent by e-mail; the reports' own pages hang here, too."""

    form = SubscriptionForm
    list_display = ("report_shown", "every", "time_shown", "company", "readers", "state_shown", "last_shown")
    list_display_links = ("report_shown",)
    list_select_related = ("company",)
    list_filter = ("report", "every", "paused")
    search_fields = ("report", "recipients__username", "recipients__email")
    empty_words = "Add a report, its day and its readers: it is sent once for each period, and a failure shows here."
    fields = (
        "report", "company", "every", "weekday", "month_day", "at", "timezone", "kind", "recipients", "paused",
        "made_by",
    )  # fmt: skip
    readonly_fields = ("made_by",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the reports with their readers, and how the latest letter went."""
        latest = ReportMailing.objects.filter(subscription=OuterRef("pk")).order_by("-due_at", "-pk")
        found = {name: Subquery(latest.values(name)[:1]) for name in ("state", "why", "last_on")}
        rows: QuerySet[Any] = super().get_queryset(request).prefetch_related("recipients")
        shown: QuerySet[Any] = rows.annotate(**{f"latest_{name}": one for name, one in found.items()})
        return shown

    def save_model(self, request: HttpRequest, obj: ReportSubscription, form: Any, change: bool) -> None:
        """Save; one that goes on after a pause begins anew, so that nothing is sent for the time between."""
        if not change:
            obj.made_by = staff_user(request)
        elif "paused" in form.changed_data and not obj.paused:
            obj.made_at = clock.now()
        super().save_model(request, obj, form, change)

    @admin.display(description="report", ordering="report")
    def report_shown(self, row: ReportSubscription) -> str:
        """Return the report's title."""
        return REPORTS[row.report].title if row.report in REPORTS else f"{row.report} (no such report now)"

    @admin.display(description="sent")
    def time_shown(self, row: ReportSubscription) -> str:
        """Return the day and the local time of sending."""
        at = f"{row.at:%H:%M} {row.timezone}"
        match row.every:
            case ReportSubscription.Every.WEEK:
                return f"{row.get_weekday_display()} {at}"
            case ReportSubscription.Every.MONTH:
                return f"on day {row.month_day}, {at}"
        return at

    @admin.display(description="readers")
    def readers(self, row: ReportSubscription) -> str:
        """Return who gets it."""
        return ", ".join(person.username for person in row.recipients.all())

    @admin.display(description="state", ordering="paused")
    def state_shown(self, row: ReportSubscription) -> SafeString:
        """Tell whether it is sent."""
        return badge("paused", WARN) if row.paused else badge("sent", GOOD)

    @admin.display(description="latest letter")
    def last_shown(self, row: Any) -> SafeString | str:
        """Return how the latest letter went, and why not; it leads to all letters."""
        if row.latest_state is None:
            return "none yet"
        url = f"{reverse('admin:delinquency_reportmailing_changelist')}?subscription__id__exact={row.pk}"
        words = f"{State(row.latest_state).label}, to {row.latest_last_on}"
        return format_html(
            '{} <a class="desk-link" href="{}">all letters</a>{}', badge(words, TONES[row.latest_state]), url,
            format_html('<span class="desk-why">{}</span>', row.latest_why) if row.latest_why else "",
        )  # fmt: skip

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say no: a report that is no longer wanted is paused, so that its letters stay to be seen."""
        return False


@admin.register(ReportMailing)
class ReportMailingAdmin(ReadOnlyAdmin):
    """Every letter with a report, and what became of it."""

    list_display = ("due", "report_shown", "period", "recipient", "state_shown", "why", "tries")
    list_select_related = ("subscription", "recipient")
    list_filter = ("state", "subscription", "recipient")
    search_fields = ("recipient__username", "to_address", "why")
    date_hierarchy = "due_at"
    empty_words = "The first letter is written when a report by e-mail is due."
    empty_link = ("Reports by e-mail", "admin:delinquency_reportsubscription_changelist")
    fields = ("report_shown", "period", "recipient", "to_address", "state_shown", "why", "tries", "due", "sent",
              "provider_id")  # fmt: skip
    readonly_fields = fields

    @admin.display(description="report", ordering="subscription__report")
    def report_shown(self, row: ReportMailing) -> SafeString | str:
        """Return the report as a link."""
        found = REPORTS.get(row.subscription.report)
        return admin_link(row.subscription, found.title if found else row.subscription.report)

    @admin.display(description="period", ordering="first_on")
    def period(self, row: ReportMailing) -> str:
        """Return the days it is about."""
        return str(row)

    @admin.display(description="state", ordering="state")
    def state_shown(self, row: ReportMailing) -> SafeString:
        """Return what became of it."""
        return state_badge(row, TONES)

    @admin.display(description="due", ordering="due_at")
    def due(self, row: ReportMailing) -> SafeString | str:
        """Return when it was due, in the time it is sent by."""
        return local_time(row.due_at, row.subscription.timezone)

    @admin.display(description="sent", ordering="sent_at")
    def sent(self, row: ReportMailing) -> SafeString | str:
        """Return when it was sent."""
        return local_time(row.sent_at, row.subscription.timezone)
