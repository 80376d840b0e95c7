"""Closed days in words: which policies are touched, and where nothing is open for unusually long."""

from collections.abc import Mapping, Sequence

from django.db.models import Count

from billing_project.kernel import clock
from delinquency.models import Policy, PolicyVersion
from delinquency.policy_file import policies_of
from delinquency.rules import policy as rules
from delinquency.rules.calendar import Calendar, ExcludedDate
from delinquency.year import CLOSED_RUN_USUAL, longest_run, with_exclusions

YEARS_AHEAD = 2


def versions_in_use(policy: Policy | None = None) -> list[PolicyVersion]:
    """Return the published versions that accounts are under, of one policy or of all, most accounts first."""
    rows = PolicyVersion.objects.filter(state=PolicyVersion.State.PUBLISHED).select_related("policy")
    if policy is not None:
        rows = rows.filter(policy=policy)
    return list(rows.annotate(accounts=Count("standings")).filter(accounts__gt=0).order_by("-accounts", "pk"))


def closed_warnings(policy: Policy | None = None) -> list[str]:
    """Return a sentence for each version in use that leaves nothing open for unusually long, from this year on."""
    versions = versions_in_use(policy)
    read = policies_of(version.pk for version in versions)
    return run_warnings(versions, {pk: found.calendar for pk, found in read.items()})


def run_warnings(versions: Sequence[PolicyVersion], calendars: Mapping[int, Calendar]) -> list[str]:
    """Return a sentence for each calendar that leaves nothing open for unusually long."""
    this_year = clock.today().year
    found = []
    for version in versions:
        run = longest_run(calendars[version.pk], this_year, this_year + YEARS_AHEAD)
        if run is not None and run.days > CLOSED_RUN_USUAL:
            found.append(
                f"Under {version} nothing is open {run.words}, {run.days} days: nobody becomes delinquent in that time."
            )
    return found


def with_more(policies: Mapping[int, rules.Policy], extra: Sequence[ExcludedDate]) -> dict[int, Calendar]:
    """Return the calendars of policies with more excluded dates."""
    return {pk: with_exclusions(policy, list(extra)) for pk, policy in policies.items()}
