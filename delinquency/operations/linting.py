"""A draft looked over before it goes live: the pure linter, and what only the tables know (D4)."""

from collections.abc import Iterator

from accounts.models import AccountStatus
from accounts.outreach.rendering import known_templates
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused

from ..models import PolicyVersion
from ..policy_file import export_version
from ..rules import document
from ..rules.lint import Finding, Severity, by_weight, lint
from ..rules.policy import Do, Policy

MENTIONED = 3


def lint_version(version: PolicyVersion) -> list[Finding]:
    """Return what is found in a version, errors first, over the next 24 months of bills.

    A draft that no policy file could say has one finding: what is wrong with it.
    """
    try:
        policy = document.parse(export_version(version))
    except Refused as refusal:
        path, _, words = refusal.words.partition(": ")
        return [
            Finding(
                "bad-policy", Severity.ERROR, path, words[:1].upper() + words[1:],
                "Mend this first; the rest is looked at then.",
            )
        ]  # fmt: skip
    first_on = clock.today().replace(day=1)
    return by_weight([*_statuses(policy), *_templates(policy), *lint(policy, first_on)])


def refuse_errors(findings: list[Finding]) -> None:
    """Raise Refused if there are errors among findings; the first ones are named with their paths."""
    errors = [found for found in findings if found.severity is Severity.ERROR]
    if not errors:
        return
    named = " ".join(f"{found.path}: {found.words}" for found in errors[:MENTIONED])
    more = f" And {len(errors) - MENTIONED} more." if len(errors) > MENTIONED else ""
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    raise Refused(
        "lint_errors", f"This draft has {count} and cannot go live. {named}{more} Mend the draft, then publish it."
    )


def _statuses(policy: Policy) -> Iterator[Finding]:
    """Yield names of statuses that are not there, or that bill the wrong people (S12, S22)."""
    activates = dict(AccountStatus.objects.values_list("name", "activates_billing"))
    known = ", ".join(sorted(activates))
    switches = any(step.action is Do.STATUS_SWITCH for step in policy.ladder)
    wanted = {
        "delinquency_status": policy.delinquency_status if switches else "",
        "removal_status": policy.removal_status,
    }
    for path, name in wanted.items():
        if name and name not in activates:
            yield Finding(
                "unknown-status", Severity.ERROR, path, f"There is no account status {name!r}; known are {known}.",
                "Name one of them, or add the status.",
            )  # fmt: skip
    if switches and activates.get(policy.delinquency_status):
        yield Finding(
            "switch-still-bills", Severity.ERROR, "delinquency_status",
            f"Accounts in status {policy.delinquency_status!r} are billed, so switching to it stops no bill (S12).",
            "Name a status that does not activate billing, such as Delinquent.",
        )  # fmt: skip
    if switches and policy.removal_status and activates.get(policy.removal_status) is False:
        yield Finding(
            "return-does-not-bill", Severity.WARNING, "removal_status",
            f"Accounts that paid return to status {policy.removal_status!r}, in which they are not billed again (S31).",
            "Name a status that activates billing, such as Active.",
        )  # fmt: skip


def _templates(policy: Policy) -> Iterator[Finding]:
    """Yield templates that the post room does not have: their letters could not be written."""
    for index, step in enumerate(policy.steps):
        for channel in step.channels or ("email",):
            if step.template and step.template not in known_templates(channel):
                known = ", ".join(sorted(known_templates(channel) - {"portal_link"}))
                yield Finding(
                    "unknown-template", Severity.ERROR, f"steps[{index}].template",
                    f"Step {step.key} writes by {channel}, which has no template {step.template!r}.",
                    f"Name one of {known}; or leave it blank for the usual text.",
                )  # fmt: skip
