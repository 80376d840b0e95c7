"""Policy versions as the rules and the policy file know them: from rows, and written as the file."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from billing_project.kernel import money
from billing_project.kernel.errors import Refused
from billing_project.kernel.together import Reading, in_turn

from .models import Exclusion, PolicyStep, PolicyVersion
from .rules import document
from .rules.calendar import Calendar, ExcludedDate, weekday_numbers
from .rules.policy import CHARGE_TIME, CHECK_TIME, Do, Policy, Step


def policies_of(version_ids: Iterable[int]) -> dict[int, Policy]:
    """Return the policies of versions, in three queries, with today's exclusions (A11)."""
    return policies_from(PolicyVersion.objects.filter(pk__in=set(version_ids)).select_related("policy"))


def policies_from(rows: Iterable[PolicyVersion]) -> dict[int, Policy]:
    """Return the policies of versions that are read already, their names too, in two queries."""
    return in_turn(policies_reading(rows))


def policies_reading(rows: Iterable[PolicyVersion]) -> Reading[dict[int, Policy]]:
    """Read the policies of versions that are read already; one round. Raises Refused if one makes no sense."""
    versions = list({row.pk: row for row in rows}.values())
    steps: dict[int, list[PolicyStep]] = defaultdict(list)
    step_rows, exclusions = yield (
        PolicyStep.objects.filter(version__among=[version.pk for version in versions]).order_by("position", "pk"),
        Exclusion.objects.order_by("month", "day", "year"),
    )
    for row in step_rows:
        steps[row.version_id].append(row)
    return {
        version.pk: _readable(
            version, steps[version.pk], [e for e in exclusions if e.policy_id in (None, version.policy_id)]
        )
        for version in versions
    }


def policy_of(version: PolicyVersion) -> Policy:
    """Return the policy of one version."""
    return policies_of([version.pk])[version.pk]


def export_version(version: PolicyVersion) -> dict[str, Any]:
    """Return a version as its policy file (contract section 3)."""
    return document.dump(policy_of(version))


def _readable(version: PolicyVersion, steps: list[PolicyStep], exclusions: list[Exclusion]) -> Policy:
    try:
        return _policy(version, steps, exclusions)
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(
            "policy_unreadable",
            f"Version {version.number} of the policy {version.policy.name} cannot be read ({error}). Put its rows right"
            " in the database, as a published version has no form; then take its accounts out of parking.",
        ) from error


def _policy(version: PolicyVersion, steps: list[PolicyStep], exclusions: list[Exclusion]) -> Policy:
    excluded = tuple(ExcludedDate(row.name, row.month, row.day, row.year) for row in exclusions)
    return Policy(
        name=version.policy.name,
        due_days=version.due_days,
        bill_day=version.bill_day,
        grace_days=version.grace_days,
        after_day_of_month=version.after_day_of_month,
        calendar=Calendar(weekday_numbers(version.check_weekdays), excluded),
        minimum_amount_due=version.minimum_amount_due,
        status_switch_days=version.status_switch_days,
        delinquency_status=version.delinquency_status,
        removal_status=version.removal_status,
        grace_until_defers_fees=version.grace_until_defers_fees,
        on_reversal=version.on_reversal,
        seriously_late_after_days=version.seriously_late_after_days,
        seriously_late_limit=version.seriously_late_limit,
        seriously_late_window=version.seriously_late_window,
        reconnection_fee=version.reconnection_fee,
        nsf_fee=version.nsf_fee,
        full_balance_clears=version.full_balance_clears,
        hold_invoices_while_delinquent=version.hold_invoices_while_delinquent,
        window=(version.window_opens, version.window_closes),
        steps=tuple(_step(row) for row in steps),
    )


def _step(row: PolicyStep) -> Step:
    action = Do(row.action)
    honours = action is Do.RESTRICT if row.honours_exclusions is None else row.honours_exclusions
    return Step(
        key=row.key,
        action=action,
        anchor=row.anchor,
        offset_days=row.offset_days or 0,
        after_day_of_month=row.after_day_of_month,
        at=row.at or (CHARGE_TIME if action is Do.CHARGE else CHECK_TIME),
        channels=tuple(row.channels),
        template=row.template,
        source=row.source,
        level=row.level,
        flat=row.flat,
        percent=row.percent,
        cap=row.cap,
        minimum_amount=row.minimum_amount or money.ZERO,
        only_flagged=row.only_flagged,
        honours_exclusions=honours,
        requires_notice=row.requires_notice,
    )
