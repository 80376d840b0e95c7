"""Moving accounts to another policy version: one account, chosen ones, or all of another version (A36)."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import action

from accounts.admin.base import number_of, staff_user
from accounts.admin.confirm import ReasonForm
from accounts.admin.field_help import DeskForm
from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.comparing import futures, has_future
from delinquency.differing import AHEAD_DAYS
from delinquency.models import MoveBatch, PolicyVersion, Standing
from delinquency.operations import confirm_move, prepare_move

from .comparison import shown
from .whatif import versions_by_policy

WHAT_STAYS = (
    "What was decided stands: delinquent invoices stay delinquent; what is slowed or cut stays so until paid.",
    "A step that has run is not run again by the new version's step of the same key; steps it does not have never run.",
    "Dates of the new version that have passed already act at the next check, never earlier.",
    "Bill day, due days and prices are terms of billing; they do not change.",
)


def may_move(request: HttpRequest) -> bool:
    """Tell whether the user may put accounts under another policy version."""
    return bool(request.user.has_perm("delinquency.move_accounts"))


class WhyForm(ReasonForm):
    """Why accounts move."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = "Kept with every account, such as “Longer grace agreed for the valley”."


class ToVersionForm(DeskForm):
    """Which published version."""

    version = forms.TypedChoiceField(
        coerce=int,
        label="To policy version",
        help_text="Published versions only: a draft can be tried under “What if”, then published.",
        error_messages={
            "invalid_choice": "Choose a published version from the list.",
            "required": "Choose a version first.",
        },
    )

    def __init__(self, *args: Any, present: PolicyVersion | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = PolicyVersion.objects.filter(state=PolicyVersion.State.PUBLISHED)
        choices: Any = self.fields["version"]
        choices.choices = [
            ("", "choose one"),
            *versions_by_policy(rows.exclude(pk=present.pk) if present is not None else rows),
        ]

    def clean_version(self) -> PolicyVersion:
        """Return the version itself."""
        return PolicyVersion.objects.select_related("policy").get(pk=self.cleaned_data["version"])


class FromVersionForm(DeskForm):
    """Whose accounts."""

    version = forms.TypedChoiceField(
        coerce=int,
        label="From policy version",
        help_text="All its open accounts are compared first; nobody is moved before you say so.",
        error_messages={"required": "Choose a version first."},
    )

    def __init__(self, *args: Any, to: PolicyVersion, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices: Any = self.fields["version"]
        rows = [(row.pk, f"{row}: {row.accounts_total} accounts") for row in others(to, own_policy=False)]
        choices.choices = [("", "choose one"), *rows]


def others(version: PolicyVersion, *, own_policy: bool = True) -> list[Any]:
    """Return the other versions that open accounts are under, with how many; those of the same policy first."""
    rows = (
        PolicyVersion.objects.filter(standings__account__closed_on__isnull=True)
        .exclude(pk=version.pk)
        .select_related("policy")
        .annotate(accounts_total=Count("standings"))
        .filter(accounts_total__gt=0)
    )
    if own_policy:
        rows = rows.filter(policy_id=version.policy_id)
    return sorted(rows, key=lambda row: (row.policy_id != version.policy_id, row.policy.name, -row.number))


class MoveAccountMixin:
    """Adds the move of one account, and of chosen ones, to the account page and list."""

    def has_move_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may put accounts under another policy version."""
        return may_move(request)

    @action(description="Move to another policy version", icon="move_up", permissions=["move"])
    def move_version(self: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        """Choose a version, see both futures side by side, give a reason, and move the account."""
        account = self.get_object(request, object_id)
        if account is None:
            raise Http404(f"There is no account {object_id}.")
        if not self.has_view_permission(request, account):
            raise PermissionDenied
        back = reverse("admin:accounts_account_change", args=[account.pk])
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts, "original": account, "back": back, "title": "Move to another policy version",
        }  # fmt: skip
        try:
            present = has_future(account).policy_version
        except Refused as refusal:
            return TemplateResponse(request, "admin/move_account.html", {**context, "refused": refusal.words})
        form = ToVersionForm(request.GET if "version" in request.GET else None, present=present)
        context |= {"present": present, "form": form, "what_stays": WHAT_STAYS}
        if form.is_bound and form.is_valid():
            version = form.cleaned_data["version"]
            reason = WhyForm(request.POST if request.method == "POST" else None)
            if request.method == "POST" and reason.is_valid():
                said = _move_one(request, account, version, reason.cleaned_data["reason"])
                if said is None:
                    return HttpResponseRedirect(back, status=303)
                reason.add_error(None, said)
            until = clock.today(account.timezone) + timedelta(days=AHEAD_DAYS)
            found = futures(account, until, instead=version)
            context |= {"version": version, "reason": reason, "comparison": shown(found, title=f"Under {version}")}
        return TemplateResponse(request, "admin/move_account.html", context)

    @admin.action(description="Move to another policy version", permissions=["move"])
    def move_chosen(self: Any, request: HttpRequest, rows: QuerySet[Account]) -> HttpResponse | None:
        """Ask which version, then compare; the page that follows says what changes, and moves."""
        chosen = "confirmed" in request.POST
        form = ToVersionForm(request.POST if chosen else None)
        if chosen and form.is_valid():
            ids = rows.order_by().values_list("pk", flat=True)
            response = _prepared(request, ids, form.cleaned_data["version"])
            if response is not None:
                return response
        everything = request.POST.get("select_across") == "1"
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts, "title": "Move to another policy version", "form": form,
            "submit": "Compare", "back": request.get_full_path(), "count": rows.count(),
            "hidden": [
                ("action", "move_chosen"), ("confirmed", "1"), ("select_across", "1" if everything else "0"),
                *((ACTION_CHECKBOX_NAME, pk) for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)),
            ],
        }  # fmt: skip
        return TemplateResponse(request, "admin/move_choose.html", context)


class MoveHereMixin:
    """Adds the move of all accounts of another version to the page of a published version."""

    def has_move_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may put accounts under another policy version."""
        return may_move(request)

    def change_view(
        self: Any,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Say which accounts are still under other versions of the policy: publishing moved nobody."""
        found: dict[str, Any] = {}
        version = PolicyVersion.objects.filter(pk=number_of(object_id), state=PolicyVersion.State.PUBLISHED).first()
        if version is not None:
            found = {
                "accounts_here": version.standings.filter(account__closed_on__isnull=True).count(),
                "still_under": [row for row in others(version) if row.number < version.number],
                "may_move": may_move(request),
                "move_url": reverse("admin:delinquency_policyversion_move_here", args=[version.pk]),
            }
        parent: Any = super()
        return parent.change_view(request, object_id, form_url, {**found, **(extra_context or {})})

    @action(description="Move accounts here", icon="move_down", permissions=["move"])
    def move_here(self: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask of which version, then compare all its accounts; the page that follows says what changes, and moves."""
        version = get_object_or_404(PolicyVersion.objects.select_related("policy"), pk=number_of(object_id))
        back = reverse("admin:delinquency_policyversion_change", args=[version.pk])
        given = request.POST if request.method == "POST" else None
        form = FromVersionForm(given, to=version, initial={"version": request.GET.get("from", "")})
        if given is not None and form.is_valid():
            rows = Standing.objects.filter(policy_version=form.cleaned_data["version"], account__closed_on__isnull=True)
            response = _prepared(request, rows.values_list("account_id", flat=True), version)
            if response is not None:
                return response
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts, "original": version, "title": f"Move accounts to {version}", "form": form,
            "submit": "Compare", "back": back, "hidden": [],
            "nobody": not others(version, own_policy=False),
        }  # fmt: skip
        return TemplateResponse(request, "admin/move_choose.html", context)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer to move accounts to published versions only."""
        parent: Any = super()
        found: list[Any] = parent.get_actions_detail(request, object_id)
        published = PolicyVersion.objects.filter(pk=number_of(object_id), state=PolicyVersion.State.PUBLISHED).exists()
        return found if published else [button for button in found if button.path != "move_here"]


def _move_one(request: HttpRequest, account: Account, version: PolicyVersion, reason: str) -> str | None:
    """Move one account, say so, and how to undo it; return the words of a refusal, or None."""
    try:
        batch = confirm_move(
            prepare_move([account.pk], version=version, by=staff_user(request)), reason=reason, by=staff_user(request)
        )
    except Refused as refusal:
        return refusal.words
    for kept in batch.left_out.values():
        return str(kept["rows"][0][1])
    link = reverse("admin:delinquency_movebatch_change", args=[batch.pk])
    messages.success(
        request,
        format_html(
            'Account {} is now under {}. <a class="desk-link" href="{}">Undo this move</a>',
            account.number, version, link,
        ),
    )  # fmt: skip
    return None


def _prepared(request: HttpRequest, ids: Iterable[int], version: PolicyVersion) -> HttpResponse | None:
    """Begin to compare accounts and go to the page of that; None if it was refused, which is said."""
    try:
        batch: MoveBatch = prepare_move(ids, version=version, by=staff_user(request))
    except Refused as refusal:
        messages.error(request, refusal.words)
        return None
    return HttpResponseRedirect(reverse("admin:delinquency_movebatch_change", args=[batch.pk]), status=303)
