"""Policies are edited as drafts and published; published versions never change (A36)."""

from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Max, Q

from accounts.models import AccountStatus, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from invoicing.models import BillingDefault

from ..models import Exclusion, Policy, PolicyStep, PolicyVersion
from ..policy_file import export_version
from ..rules import document, json_text
from ..rules import policy as rules
from ..rules.fields import refuse
from .linting import lint_version, refuse_errors

SHIPPED = Path(__file__).resolve().parent.parent / "shipped"


@transaction.atomic
def import_version(data: Any, *, policy: Policy | None = None) -> PolicyVersion:
    """Make a draft from a policy file; raises Refused with the path of what is wrong.

    Without a policy the one of that name is used, or made. The file's exclusions are added to the policy's own.
    """
    read = document.parse(data)
    _check_statuses(read)
    if policy is None:
        policy, _ = Policy.objects.get_or_create(name=read.name)
    number = (policy.versions.aggregate(newest=Max("number"))["newest"] or 0) + 1
    version = PolicyVersion.objects.create(policy=policy, number=number, **_columns(read))
    PolicyStep.objects.bulk_create(
        PolicyStep(version=version, position=index, **_step_columns(step)) for index, step in enumerate(read.steps)
    )
    _add_exclusions(policy, read)
    return version


def _add_exclusions(policy: Policy, read: rules.Policy) -> None:
    """Add the file's excluded dates to the policy's own, except those that hold for it already."""
    rows = Exclusion.objects.filter(Q(policy=policy) | Q(policy__isnull=True))
    known = set(rows.values_list("month", "day", "year"))
    for e in read.calendar.exclusions:
        if (e.month, e.day, e.year) not in known:
            known.add((e.month, e.day, e.year))  # a file may give one date two names
            Exclusion.objects.create(policy=policy, name=e.name, month=e.month, day=e.day, year=e.year)


def _check_statuses(read: rules.Policy) -> None:
    known = set(AccountStatus.objects.values_list("name", flat=True))
    switches = read.status_switch_days is not None or any(s.action is rules.Do.STATUS_SWITCH for s in read.steps)
    wanted = {"delinquency_status": read.delinquency_status if switches else "", "removal_status": read.removal_status}
    for path, name in wanted.items():
        if name and name not in known:
            raise refuse(path, f"there is no account status {name!r}; known are {', '.join(sorted(known))}.")


def _columns(read: rules.Policy) -> dict[str, Any]:
    written = document.dump(read)
    same = (
        "bill_day",
        "due_days",
        "grace_days",
        "after_day_of_month",
        "check_weekdays",
        "status_switch_days",
        "grace_until_defers_fees",
        "on_reversal",
        "seriously_late_after_days",
        "seriously_late_limit",
        "seriously_late_window",
        "full_balance_clears",
        "hold_invoices_while_delinquent",
    )
    return {name: written[name] for name in same} | {
        "minimum_amount_due": read.minimum_amount_due,
        "delinquency_status": read.delinquency_status,
        "removal_status": read.removal_status,
        "reconnection_fee": read.reconnection_fee,
        "nsf_fee": read.nsf_fee,
        "window_opens": read.window[0],
        "window_closes": read.window[1],
    }


def _step_columns(step: rules.Step) -> dict[str, Any]:
    monthly = step.after_day_of_month is not None
    usual = rules.CHARGE_TIME if step.action is rules.Do.CHARGE else rules.CHECK_TIME
    return {
        "key": step.key,
        "action": str(step.action),
        "anchor": step.anchor,
        "offset_days": None if monthly else step.offset_days,
        "after_day_of_month": step.after_day_of_month,
        "at": None if step.at == usual else step.at,
        "channels": list(step.channels),
        "template": step.template,
        "source": step.source,
        "level": step.level,
        "flat": step.flat,
        "percent": step.percent,
        "cap": step.cap,
        "minimum_amount": step.minimum_amount or None,
        "only_flagged": step.only_flagged,
        "honours_exclusions": step.honours_exclusions,
        "requires_notice": step.requires_notice,
    }


@transaction.atomic
def publish(version: PolicyVersion, *, by: User | None = None) -> PolicyVersion:
    """Publish a draft: new accounts start under it, and nobody is moved (A36).

    Raises Refused for one that is published already, and ("lint_errors") for one in which the linter finds an error.
    """
    locked = PolicyVersion.objects.select_for_update().get(pk=version.pk)
    if locked.state == PolicyVersion.State.PUBLISHED:
        raise Refused("already_published", f"{locked} is published already; published versions never change.")
    refuse_errors(lint_version(locked))
    locked.state, locked.published_at, locked.published_by = PolicyVersion.State.PUBLISHED, clock.now(), by
    locked.save()
    return locked


@transaction.atomic
def new_draft(version: PolicyVersion) -> PolicyVersion:
    """Copy a version into a new draft of the same policy, to be edited and published."""
    return import_version(export_version(version), policy=version.policy)


def shipped() -> dict[str, Any]:
    """Return the policy files that come with the program, by name."""
    found = (json_text.read(path.read_text(encoding="utf-8")) for path in sorted(SHIPPED.glob("*.json")))
    return {data["name"]: data for data in found}


def load_shipped() -> None:
    """Load the shipped policies, each with a billing default of its name, where there is no policy yet (S33)."""
    if Policy.objects.exists():
        return
    for name, data in shipped().items():
        with transaction.atomic():
            default, _ = BillingDefault.objects.get_or_create(
                name=name, defaults={"bill_day": data["bill_day"], "due_days": data["due_days"]}
            )
            policy = Policy.objects.create(name=name, billing_default=default)
            publish(import_version(data, policy=policy))
