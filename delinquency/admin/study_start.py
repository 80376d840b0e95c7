"""The two buttons on a policy version that start a study of it."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import action

from accounts.admin.base import DeskAdmin, number_of, staff_user
from accounts.admin.confirm import DayField
from accounts.admin.field_help import DeskForm
from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.models import PolicyVersion, Study
from delinquency.operations import studies
from delinquency.rules.calendar import months_later

REPLAYS = (
    "It replays decisions over the stored invoices, payments and grants. It does not predict how customers would have "
    "behaved. Nothing is changed and nothing is sent."
)
LOOKS_AHEAD = (
    "It plays every account ahead as if nobody paid, with the bills that are to come, once as things are and once as "
    "if this version held from now on. Nothing is changed and nothing is sent."
)


class ScopeForm(DeskForm):
    """Which accounts a study is about."""

    scope = forms.ChoiceField(label="Accounts")

    def __init__(self, *args: Any, version: PolicyVersion, **kwargs: Any) -> None:
        """Count the accounts of each choice; those under the policy come first, if there are any."""
        super().__init__(*args, **kwargs)
        under = Account.objects.filter(standing__policy_version__policy=version.policy_id).count()
        every = Account.objects.count()
        choices = [
            (Study.Scope.POLICY.value, f"those under {version.policy}, whichever version ({under:,})"),
            (Study.Scope.ALL.value, f"all accounts ({every:,})"),
        ]
        field = self.fields["scope"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices if under else choices[1:]
        field.help_text = "Accounts under no policy at all are left out where there is nothing to compare with."


class BacktestForm(ScopeForm):
    """Over which days, which accounts, and compared with what."""

    from_on = DayField(label="From", help_text="First day that counts. Everything before it is replayed, too.")
    to_on = DayField(label="To", help_text="Last day that counts, today at the latest.")
    against = forms.ModelChoiceField(
        label="Compare with",
        queryset=PolicyVersion.objects.none(),
        required=False,
        empty_label="each account's own version, as it is today",
        help_text="Both sides are replayed by the same rules over the same facts, so that only the policy differs.",
    )
    field_order = ("from_on", "to_on", "scope", "against")

    def __init__(self, *args: Any, version: PolicyVersion, **kwargs: Any) -> None:
        """Offer the published versions, and the last twelve full months."""
        super().__init__(*args, version=version, **kwargs)
        first = clock.today().replace(day=1)
        self.fields["from_on"].initial = months_later(first, -12)
        self.fields["to_on"].initial = first - timedelta(days=1)
        field = self.fields["against"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = PolicyVersion.objects.filter(state="published").select_related("policy")


class StudyActions(DeskAdmin):
    """A policy version's screen with the buttons that start a study of it."""

    def has_study_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may start studies."""
        return bool(request.user.has_perm("delinquency.run_study"))

    @action(description="Backtest", icon="query_stats", permissions=["study"])
    def study_backtest(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the dates, and start a backtest of the version."""

        def start(version: PolicyVersion, data: dict[str, Any]) -> Study:
            return studies.start_backtest(version, **data, by=staff_user(request))

        return _start_page(
            self, request, object_id, title="Backtest", words=REPLAYS, submit="Start the backtest",
            form_class=BacktestForm, start=start,
        )  # fmt: skip

    @action(description="Thirty days ahead", icon="calendar_month", permissions=["study"])
    def study_ahead(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the accounts, and start looking ahead under the version."""

        def start(version: PolicyVersion, data: dict[str, Any]) -> Study:
            return studies.start_thirty_days(version, **data, by=staff_user(request))

        return _start_page(
            self, request, object_id, title="Thirty days ahead", words=LOOKS_AHEAD, submit="Look ahead",
            form_class=ScopeForm, start=start,
        )  # fmt: skip


def _start_page(
    desk: DeskAdmin,
    request: HttpRequest,
    object_id: str,
    *,
    title: str,
    words: str,
    submit: str,
    form_class: type[ScopeForm],
    start: Callable[[PolicyVersion, dict[str, Any]], Study],
) -> HttpResponse:
    """Show the form, and on POST start the study and go to its page."""
    version = get_object_or_404(PolicyVersion.objects.select_related("policy"), pk=number_of(object_id))
    asked = request.POST if request.method == "POST" else None
    form = form_class(asked, version=version, initial=_dates(request))
    if asked is not None and form.is_valid():
        try:
            study = start(version, form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, refusal.words)
        else:
            return HttpResponseRedirect(reverse("admin:delinquency_study_change", args=[study.pk]), status=303)
    context = {
        **desk.admin_site.each_context(request),
        "opts": desk.opts, "original": version, "title": title, "words": words, "submit": submit, "form": form,
        "back": reverse("admin:delinquency_policyversion_change", args=[version.pk]),
    }  # fmt: skip
    return TemplateResponse(request, "admin/confirm.html", context)


def _dates(request: HttpRequest) -> dict[str, date]:
    """Return the dates that a link to the form brings along."""
    found = {}
    for name in ("from_on", "to_on"):
        try:
            found[name] = date.fromisoformat(request.GET.get(name, ""))
        except ValueError:
            continue
    return found
