"""Versions of policies with their ordered steps: a draft is edited, a published one is only read."""

import json
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Max, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import slugify
from unfold.decorators import action
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts.admin.base import (
    GOOD,
    NOTE,
    DeskAdmin,
    EditableStacked,
    badge,
    local_time,
    number_of,
    staff_user,
)
from accounts.admin.confirm import confirm_one
from billing_project.kernel.errors import Refused
from delinquency.admin import lint
from delinquency.admin.ladder import WEEKDAYS, ladder, weekdays_of
from delinquency.admin.moving import MoveHereMixin
from delinquency.admin.study_start import StudyActions
from delinquency.models import PolicyStep, PolicyVersion
from delinquency.operations import policies
from delinquency.policy_file import export_version

CHANNELS = [("email", "email"), ("sms", "SMS"), ("voice", "voice")]


def version_badge(version: PolicyVersion) -> SafeString:
    """Return a version's state in words and colour."""
    return badge("published", GOOD) if version.state == PolicyVersion.State.PUBLISHED else badge("draft", NOTE)


def policy_as_file(version: PolicyVersion) -> HttpResponse:
    """Return a version as a policy file to download."""
    text = json.dumps(export_version(version), indent=2, ensure_ascii=False) + "\n"
    name = f"{slugify(version.policy.name) or 'policy'}-v{version.number}.json"
    return HttpResponse(
        text,
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


class StepForm(forms.ModelForm[PolicyStep]):
    """One rung; channels are ticked, not typed."""

    channels = forms.MultipleChoiceField(
        choices=CHANNELS, required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    source = forms.ChoiceField(
        choices=[("", "–"), ("primary", "primary"), ("secondary", "secondary")],
        required=False,
        help_text="For a charge: which funding source.",
    )
    level = forms.ChoiceField(
        choices=[
            ("", "–"),
            ("throttle", "slowed"),
            ("walled_garden", "payment page only"),
            ("suspend", "suspended"),
        ],
        required=False,
        help_text="For a restriction: how hard.",
    )

    class Meta:
        model = PolicyStep
        exclude: ClassVar[list[str]] = []


class StepInline(EditableStacked):
    """The ladder, in order."""

    model = PolicyStep
    form = StepForm
    tab = False
    collapsible = True
    ordering_field = "position"
    hide_ordering_field = True
    show_change_link = False
    verbose_name = "step"
    verbose_name_plural = "steps, in order"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("key", "action"),
                    ("anchor", "offset_days", "after_day_of_month", "at"),
                    "position",
                )
            },
        ),
        (
            "What it does",
            {"fields": (("channels", "template"), ("source", "level"), ("flat", "percent", "cap"))},
        ),
        (
            "When it holds back",
            {"fields": (("minimum_amount", "requires_notice"), ("only_flagged", "honours_exclusions"))},
        ),
    )

    def has_change_permission(self, request: HttpRequest, obj: PolicyVersion | None = None) -> bool:
        """Allow edits of a draft only (A36)."""
        return is_draft(obj) and bool(super().has_change_permission(request, obj))

    def has_add_permission(self, request: HttpRequest, obj: PolicyVersion | None = None) -> bool:
        """Allow new steps in a draft only (A36)."""
        return is_draft(obj) and bool(super().has_add_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: PolicyVersion | None = None) -> bool:
        """Allow steps of a draft to be taken out (A36)."""
        return is_draft(obj) and bool(super().has_delete_permission(request, obj))


def is_draft(version: PolicyVersion | None) -> bool:
    """Tell whether a version may still be edited; one that is about to be made may."""
    return version is None or version.state == PolicyVersion.State.DRAFT


class VersionForm(forms.ModelForm[PolicyVersion]):
    """A version; weekdays are ticked, not typed, and not all of them may be unticked (A10)."""

    check_weekdays = forms.MultipleChoiceField(
        choices=WEEKDAYS,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        initial=[day for day, _name in WEEKDAYS],
        help_text="Days on which accounts may become delinquent (X5). Untick Saturday and Sunday to spare weekends.",
        error_messages={"required": "Tick at least one day: with none, nobody would ever become delinquent (A10)."},
    )

    class Meta:
        model = PolicyVersion
        exclude: ClassVar[list[str]] = ["number", "state"]

    def clean(self) -> dict[str, Any]:
        """Ask for exactly one of the two ways to become delinquent, and for a window that opens before it closes."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        grace, day = cleaned.get("grace_days"), cleaned.get("after_day_of_month")
        if not {"grace_days", "after_day_of_month"} & self.errors.keys() and (grace is None) == (day is None):
            both = "Both ways are filled in: clear grace days, or clear the day of the month."
            neither = "Fill in grace days, such as 5, or a day of the month after which an invoice is delinquent."
            self.add_error("grace_days", neither if grace is None else both)
        opens, closes = cleaned.get("window_opens"), cleaned.get("window_closes")
        if opens and closes and opens >= closes:
            self.add_error("window_closes", f"The window closes before it opens at {opens:%H:%M}; choose a later time.")
        return cleaned


@admin.register(PolicyVersion)
class PolicyVersionAdmin(MoveHereMixin, StudyActions):
    """One version of a policy: a draft is edited, a published one is only read (A36)."""

    form = VersionForm
    list_display = (
        "shown",
        "state_shown",
        "due_days",
        "grace_days",
        "after_day_of_month",
        "status_switch_days",
        "steps_total",
        "published",
    )
    list_select_related = ("policy", "published_by")
    list_filter = ("state", "policy")
    search_fields = ("policy__name",)
    autocomplete_fields = ("policy",)
    inlines = (StepInline,)
    actions_detail = ("publish", "move_here", "study_backtest", "study_ahead", "copy", "export_json")
    empty_words = "Add a draft version to a policy, or import a policy file on the policy's page."
    empty_link = ("Policies", "admin:delinquency_policy_changelist")
    fieldsets = (
        (None, {"fields": ("policy", "state_shown")}),
        (
            "When an invoice is late",
            {
                "fields": (
                    "due_days",
                    ("grace_days", "after_day_of_month"),
                    "check_weekdays",
                    "minimum_amount_due",
                    "bill_day",
                )
            },
        ),
        ("Status switch", {"fields": ("status_switch_days", ("delinquency_status", "removal_status"))}),
        ("Fees", {"fields": ("reconnection_fee", "nsf_fee", "grace_until_defers_fees")}),
        (
            "What ends it",
            {
                "fields": (
                    "full_balance_clears",
                    "on_reversal",
                    "hold_invoices_while_delinquent",
                    ("window_opens", "window_closes"),
                )
            },
        ),
        (
            "Seriously late",
            {"fields": (("seriously_late_after_days", "seriously_late_limit"), "seriously_late_window")},
        ),
    )
    readonly_fields = ("state_shown",)
    change_form_outer_before_template = "admin/ladder.html"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Add the ladder in words, and what the linter finds in a draft."""
        version = self.get_object(request, object_id)
        found = {"ladder": ladder(version), "weekdays": weekdays_of(version)} if version else {}
        if version and is_draft(version):
            found |= lint.panel(version)
        return super().change_view(request, object_id, form_url, {**found, **(extra_context or {})})

    def get_fieldsets(self, request: HttpRequest, obj: PolicyVersion | None = None) -> Any:
        """Leave the weekdays of a published version to the ladder, which says them in words."""
        if is_draft(obj):
            return self.fieldsets
        return [
            (name, {"fields": [field for field in options["fields"] if field != "check_weekdays"]})
            for name, options in self.fieldsets
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[PolicyVersion]:
        """Count the steps in the same query."""
        rows: QuerySet[PolicyVersion] = super().get_queryset(request)
        return rows.annotate(steps_total=Count("steps"))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow edits of a draft only (A36)."""
        return is_draft(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow a draft to be thrown away; a published version explains what was decided."""
        return obj is not None and is_draft(obj) and admin.ModelAdmin.has_delete_permission(self, request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: PolicyVersion | None = None) -> tuple[str, ...]:
        """Keep the policy that a version belongs to."""
        return (*self.readonly_fields, "policy") if obj else tuple(self.readonly_fields)

    def save_model(self, request: HttpRequest, obj: PolicyVersion, form: Any, change: bool) -> None:
        """Give a new draft the next number of its policy."""
        if not change:
            newest = PolicyVersion.objects.filter(policy=obj.policy).aggregate(most=Max("number"))["most"] or 0
            obj.number = newest + 1
        super().save_model(request, obj, form, change)

    @admin.display(description="version", ordering="policy__name")
    def shown(self, version: PolicyVersion) -> str:
        """Return policy and number."""
        return str(version)

    @admin.display(description="state", ordering="state")
    def state_shown(self, version: PolicyVersion) -> SafeString | str:
        """Return the state in words and colour."""
        return version_badge(version) if version.pk else badge("draft", NOTE)

    @admin.display(description="steps", ordering="steps_total")
    def steps_total(self, version: Any) -> int:
        """Return how many rungs the ladder has."""
        return int(version.steps_total)

    @admin.display(description="published", ordering="published_at")
    def published(self, version: PolicyVersion) -> SafeString | str:
        """Return when and by whom."""
        when = local_time(version.published_at)
        return format_html("{} UTC, {}", when, version.published_by) if version.published_by else when

    def has_publish_permission(self, request: HttpRequest, _object_id: object = None) -> bool:
        """Tell whether the user may publish."""
        return bool(request.user.has_perm("delinquency.publish_policy"))

    @action(description="Publish", icon="publish", permissions=["publish"])
    def publish(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for confirmation, with what the linter found, and publish the draft."""

        def carry_out(version: PolicyVersion, _data: dict[str, Any]) -> str:
            policies.publish(version, by=staff_user(request))
            return f"{version} is published. New accounts start under it; accounts that exist keep theirs (A36)."

        return confirm_one(
            self, request, object_id, title="Publish", submit="Publish it", carry_out=carry_out,
            form_class=lint.PublishForm, form_kwargs=lint.form_kwargs, facts=lint.facts,
            words="From then on it cannot be edited. Accounts keep their version until a clerk moves them (A36).",
        )  # fmt: skip

    @action(description="New draft from this", icon="content_copy", permissions=["operate"])
    def copy(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make a draft with the same content, to be edited."""
        version = get_object_or_404(PolicyVersion.objects.select_related("policy"), pk=number_of(object_id))

        def carry_out(row: PolicyVersion, _data: dict[str, Any]) -> str:
            return f"{policies.new_draft(row)} is a draft with the same content."

        return confirm_one(
            self, request, object_id, title="New draft", submit="Make a draft", form_class=forms.Form,
            carry_out=carry_out,
            words=f"A new draft with the content of {version}; edit it, then publish it.",
            back=lambda row: reverse("admin:delinquency_policy_change", args=[row.policy_id]),
        )  # fmt: skip

    @action(description="Export", icon="download", permissions=["view"])
    def export_json(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return the version as a policy file."""
        version = get_object_or_404(PolicyVersion.objects.select_related("policy"), pk=number_of(object_id))
        try:
            return policy_as_file(version)
        except Refused as refusal:
            messages.error(request, refusal.words)
            return HttpResponseRedirect(reverse("admin:delinquency_policyversion_change", args=[version.pk]))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer to publish drafts only."""
        found = super().get_actions_detail(request, object_id)
        draft = PolicyVersion.objects.filter(pk=number_of(object_id), state=PolicyVersion.State.DRAFT).exists()
        return found if draft else [button for button in found if button.path != "publish"]


@admin.register(PolicyStep)
class PolicyStepAdmin(DeskAdmin):
    """Steps of all policies, to be searched; they are edited on their version's page."""

    may_add = False
    may_change = False
    list_display = (
        "version",
        "position",
        "key",
        "action",
        "anchor",
        "offset_days",
        "after_day_of_month",
        "level",
    )
    list_select_related = ("version__policy",)
    list_filter = ("action", "anchor", "version__policy")
    search_fields = ("key", "version__policy__name")
    empty_words = "Steps are added on the page of a draft version."
    empty_link = ("Policy versions", "admin:delinquency_policyversion_changelist")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let steps go with the draft they belong to, and in no other way."""
        return obj is not None and is_draft(obj.version) and admin.ModelAdmin.has_delete_permission(self, request, obj)
