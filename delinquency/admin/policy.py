"""Policies and their files."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.admin.base import (
    GOOD,
    HistoryAdmin,
    ReadOnlyTabular,
    admin_link,
    badge,
    number_of,
)
from accounts.admin.confirm import confirm_one
from accounts.admin.field_help import DeskForm
from billing_project.kernel.errors import Refused
from delinquency.admin.exclusion import ExclusionInline, save_exclusion_rows
from delinquency.admin.policy_version import policy_as_file, version_badge
from delinquency.models import Exclusion, Policy, PolicyVersion
from delinquency.operations import policies
from delinquency.rules import json_text

FILE_BYTES_MAX = 1_000_000


class VersionInline(ReadOnlyTabular):
    """The versions of a policy, newest first."""

    model = PolicyVersion
    fields = (
        "which",
        "state_shown",
        "due_days",
        "grace_days",
        "after_day_of_month",
        "status_switch_days",
        "accounts_total",
    )
    readonly_fields = fields
    tab = False
    verbose_name_plural = "versions"

    def get_queryset(self, request: HttpRequest) -> QuerySet[PolicyVersion]:
        """Count the accounts under each version in the same query."""
        rows: QuerySet[PolicyVersion] = super().get_queryset(request)
        return rows.select_related("policy").annotate(accounts_total=Count("standings")).order_by("-number")

    @admin.display(description="version")
    def which(self, version: PolicyVersion) -> SafeString | str:
        """Return the version as a link."""
        return admin_link(version, f"v{version.number}")

    @admin.display(description="state")
    def state_shown(self, version: PolicyVersion) -> SafeString:
        """Return the state in words and colour."""
        return version_badge(version)

    @admin.display(description="accounts")
    def accounts_total(self, version: Any) -> int:
        """Return how many accounts are under it."""
        return int(version.accounts_total)


class PolicyFileForm(DeskForm):
    """A policy file (JSON), pasted or chosen."""

    document = forms.CharField(
        required=False,
        label="Policy file",
        widget=forms.Textarea(attrs={"rows": 16, "spellcheck": "false"}),
        help_text="Paste the JSON of a policy file, or choose a file below. It becomes a draft.",
    )
    file = forms.FileField(required=False, help_text="A .json file of at most 1 MB.")
    shipped = forms.ChoiceField(
        required=False,
        label="Or a policy that comes with the program",
        help_text="Its content becomes the draft of this policy, whatever this one is called.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the policies that come with the program."""
        super().__init__(*args, **kwargs)
        chosen = self.fields["shipped"]
        assert isinstance(chosen, forms.ChoiceField)
        chosen.choices = [("", "–"), *((name, name) for name in policies.shipped())]

    def clean(self) -> dict[str, Any]:
        """Read the JSON; what is wrong is said with its line."""
        cleaned = super().clean() or self.cleaned_data
        sent, name = cleaned.get("file"), cleaned.get("shipped")
        if bool(sent) + bool(name) + bool(cleaned.get("document")) != 1:
            raise forms.ValidationError("Give one of the three: a pasted text, a file, or a policy from the list.")
        if name:
            cleaned["policy"] = policies.shipped()[name]
            return cleaned
        if sent and sent.size > FILE_BYTES_MAX:
            raise forms.ValidationError("The file is larger than 1 MB; a policy is a few kilobytes.")
        try:
            written = sent.read().decode("utf-8-sig") if sent else cleaned.get("document") or ""
            cleaned["policy"] = json_text.read(written)
        except UnicodeDecodeError as error:
            raise forms.ValidationError("The file is not UTF-8 text; save it as UTF-8.") from error
        except Refused as refusal:
            raise forms.ValidationError(f"This is not JSON that can be read: {refusal.words}") from refusal
        return cleaned


@admin.register(Policy)
class PolicyAdmin(HistoryAdmin):
    """What happens to accounts that do not pay."""

    list_display = ("name", "billing_default", "newest", "accounts_total", "draft")
    list_select_related = ("billing_default",)
    search_fields = ("name",)
    inlines = (VersionInline, ExclusionInline)
    actions_detail = ("year_calendar", "export_json", "import_json")
    empty_words = "Add a policy and give it a draft version, or import a policy file."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Policy]:
        """Read versions and use in the same query."""
        published = Q(versions__state="published")
        rows: QuerySet[Policy] = super().get_queryset(request)
        return rows.annotate(
            newest_number=Max("versions__number", filter=published),
            drafts=Count("versions", filter=~published, distinct=True),
            accounts_total=Count("versions__standings", distinct=True),
        )

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Save the policy's own exclusions through their operation: accounts may have to be looked at again."""
        if formset.model is Exclusion:
            save_exclusion_rows(request, formset)
        else:
            super().save_formset(request, form, formset, change)

    @admin.display(description="newest published")
    def newest(self, policy: Any) -> SafeString:
        """Return the newest published version."""
        return (
            badge(f"v{policy.newest_number}", GOOD) if policy.newest_number else badge("none: publish a draft", "warn")
        )

    @admin.display(description="accounts", ordering="accounts_total")
    def accounts_total(self, policy: Any) -> int:
        """Return how many accounts are under any of its versions."""
        return int(policy.accounts_total)

    @admin.display(description="drafts", ordering="drafts")
    def draft(self, policy: Any) -> int:
        """Return how many drafts wait."""
        return int(policy.drafts)

    @action(description="Calendar", icon="calendar_month", permissions=["view"])
    def year_calendar(self, _request: HttpRequest, object_id: str) -> HttpResponse:
        """Open the year calendar of the newest published version, or else of the newest draft."""
        versions = PolicyVersion.objects.filter(policy=number_of(object_id)).order_by("-state", "-number")
        newest = versions.values_list("pk", flat=True).first()
        chosen = f"?version={newest}" if newest else ""
        return HttpResponseRedirect(reverse("admin:delinquency_exclusion_calendar") + chosen)

    @action(description="Export newest", icon="download", permissions=["view"])
    def export_json(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return the newest published version, or else the newest draft, as a policy file."""
        policy = get_object_or_404(Policy, pk=number_of(object_id))
        version = policy.versions.order_by("-state", "-number").first()
        if version is None:
            messages.error(request, "This policy has no version to export yet.")
            return HttpResponseRedirect(reverse("admin:delinquency_policy_change", args=[policy.pk]))
        return policy_as_file(version)

    @action(description="Import a file", icon="upload", permissions=["operate"])
    def import_json(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a policy file, and make a draft of it."""
        made: list[PolicyVersion] = []

        def carry_out(policy: Policy, data: dict[str, Any]) -> str:
            made.append(policies.import_version(data["policy"], policy=policy))
            return f"{made[0]} is a draft. Look it over, then publish it."

        return confirm_one(
            self, request, object_id, title="Import a policy file", submit="Make a draft", form_class=PolicyFileForm,
            words="The file becomes a new draft version. No account is moved (A36).", carry_out=carry_out,
        )  # fmt: skip
