"""Findings about what the policy says, whatever the date: hours, sources, fees, statuses, doubles."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal

from accounts.outreach.rules import CLOSES, OPENS

from ..policy import HARD_LEVELS, Do, Step
from .finding import Finding, Severity, day, month
from .plays import Plays, same

SAMPLE = Decimal("100.00")
PERCENT_MAX = Decimal(10)
# What disturbs a person when it happens at night.
DISTURBS = frozenset({Do.NOTICE, Do.TICKET, Do.CALL_TASK, Do.REQUEST_SECONDARY})
# What is harm when it happens twice at the same moment.
HARMS_TWICE = frozenset({Do.NOTICE, Do.CALL_TASK, Do.LATE_FEE, Do.CHARGE})


def lint_values(plays: Plays) -> Iterator[Finding]:
    """Yield what can be seen in the policy itself; where there is one, with the date it first shows on."""
    for step in plays.policy.steps:
        yield from _quiet_hours(plays, step)
        yield from _proof(plays, step)
        if step.action is Do.LATE_FEE:
            yield from _late_fee(plays, step)
        yield from _reminder_before_issue(plays, step)
    if plays.policy.status_switch_days is not None:
        yield from _quiet_hours(plays, plays.policy.ladder[-1])
    yield from _sources(plays)
    yield from _statuses(plays)
    yield from _doubles(plays)
    yield from _reconnection_fee(plays)
    if not plays.policy.ladder:
        yield Finding(
            "no-steps", Severity.WARNING, "steps",
            "Accounts become delinquent and nothing follows: nobody is written to, charged or cut.",
            "Add at least a notice; a ticket lets staff see to it.",
        )  # fmt: skip


def _shown(plays: Plays, step: Step) -> tuple[date | None, tuple[str, ...]]:
    """Return the date on which a step first shows in a story, and its month."""
    for play in plays.stories(step):
        for event in play.events:
            if same(event.step, step):
                return event.on, (month(play.bill_on),)
    return None, ()


def _finding(plays: Plays, step: Step, code: str, severity: Severity, field: str, words: str, mend: str) -> Finding:
    on, months = _shown(plays, step)
    first = f", first on {day(on)}" if on else ""
    words = f"{plays.called(step)} {words}{first}."
    return Finding(code, severity, plays.path(step, field), words, mend, on=on, months=months)


def _quiet_hours(plays: Plays, step: Step) -> Iterator[Finding]:
    opens, closes = plays.policy.window
    if step.action in DISTURBS and not OPENS <= step.at < CLOSES:
        yield _finding(
            plays, step, "quiet-hours", Severity.WARNING, "at",
            f"is set for {step.at:%H:%M}, outside the contact hours of {OPENS:%H:%M} to {CLOSES:%H:%M}, so nobody is "
            "reached before they begin",
            f"Set at to a time from {OPENS:%H:%M} up to before {CLOSES:%H:%M}.",
        )  # fmt: skip
    if step.cuts and not opens <= step.at <= closes:
        yield _finding(
            plays, step, "quiet-hours", Severity.WARNING, "at" if step.written else "",
            f"is set for {step.at:%H:%M}, outside the policy's window of {opens:%H:%M} to {closes:%H:%M}, so the "
            f"network acts at {opens:%H:%M} only",
            "Set at to a time inside the window, or widen the window." if step.written else "Widen the window.",
        )  # fmt: skip


def _proof(plays: Plays, step: Step) -> Iterator[Finding]:
    if step.requires_notice and not step.cuts:
        yield _finding(
            plays, step, "requires-notice-ignored", Severity.WARNING, "requires_notice",
            f"requires {step.requires_notice}, which only cutting steps wait for; it runs all the same",
            "Take requires_notice out, or move it to the step that cuts.",
        )  # fmt: skip
    if step.action is Do.RESTRICT and step.level in HARD_LEVELS and not step.requires_notice:
        yield _finding(
            plays, step, "notice-not-required", Severity.WARNING, "requires_notice",
            "cuts the line whether or not a letter about it was accepted",
            "Name the notice or ticket that must have been accepted before, in requires_notice.",
        )  # fmt: skip


def _late_fee(plays: Plays, step: Step) -> Iterator[Finding]:
    if step.fee(SAMPLE) <= 0:
        yield _finding(
            plays, step, "fee-rounds-to-nothing", Severity.WARNING, "percent",
            f"charges nothing on {SAMPLE} unpaid: {step.percent.normalize():f} % of it rounds to 0.00",
            "Raise percent, or add a flat amount.",
        )  # fmt: skip
    if step.cap is not None and step.cap < step.flat:
        yield _finding(
            plays, step, "cap-below-flat", Severity.WARNING, "cap",
            f"always charges its cap of {step.cap}, which is less than its flat {step.flat}",
            f"Set cap to more than {step.flat}, or flat to {step.cap}.",
        )  # fmt: skip
    if step.percent > PERCENT_MAX:
        yield _finding(
            plays, step, "high-percentage", Severity.WARNING, "percent",
            f"charges {step.percent.normalize():f} %: {step.fee(SAMPLE)} on {SAMPLE} unpaid",
            f"See whether {step.percent.normalize():f} is meant and lawful; {PERCENT_MAX} or less is usual.",
        )  # fmt: skip


def _reminder_before_issue(plays: Plays, step: Step) -> Iterator[Finding]:
    due_days = plays.played.due_days or 0
    if step.anchor == "due" and due_days + step.offset_days < 0:
        yield _finding(
            plays, step, "before-issue", Severity.NOTE, "offset_days",
            f"is set for {-step.offset_days} days before the due date, but an invoice exists for {due_days} only; it "
            "comes with the invoice",
            f"Set offset_days to {-due_days} or more.",
        )  # fmt: skip


def _sources(plays: Plays) -> Iterator[Finding]:
    charges = {step.source for step in plays.policy.steps if step.action is Do.CHARGE}
    for step in plays.policy.steps:
        if step.action is Do.REQUEST_SECONDARY and "secondary" not in charges:
            yield _finding(
                plays, step, "source-never-tried", Severity.WARNING, "",
                "asks for a second source that no step ever charges",
                "Add charge steps with source secondary after those with source primary.",
            )  # fmt: skip
        if step.action is Do.CHARGE and step.source == "secondary" and "primary" not in charges:
            yield _finding(
                plays, step, "secondary-without-primary", Severity.WARNING, "source",
                "charges the second source though the first is never tried",
                "Add a charge step with source primary before it.",
            )  # fmt: skip


def _statuses(plays: Plays) -> Iterator[Finding]:
    policy = plays.policy
    switches = [step for step in policy.ladder if step.action is Do.STATUS_SWITCH]
    if not switches:
        return
    on, months = _shown(plays, switches[0])
    if policy.removal_status and policy.removal_status == policy.delinquency_status:
        yield Finding(
            "switch-to-same-status", Severity.ERROR, "removal_status",
            f"Accounts switch to {policy.delinquency_status!r} and return to it: whoever pays stays cut off.",
            "Name the status that paying accounts have, such as Active.", on=on, months=months,
        )  # fmt: skip
    elif not policy.removal_status:
        yield Finding(
            "removal-status-blank", Severity.NOTE, "removal_status",
            "No status to return to is named: whoever pays gets back the status they had before the switch (A19).",
            "Nothing has to be done; name a status if all are to return to the same one.", on=on, months=months,
        )  # fmt: skip


def _doubles(plays: Plays) -> Iterator[Finding]:
    """Find steps that differ in nothing but their key."""
    first: dict[Step, Step] = {}
    for step in plays.policy.steps:
        other = first.setdefault(replace(step, key=""), step)
        if other is not step:
            severity = Severity.ERROR if step.action in HARMS_TWICE else Severity.WARNING
            yield _finding(
                plays, step, "same-step-twice", severity, "",
                f"does just what {other.key} does at the same moment",
                "Take one of the two out, or let them differ.",
            )  # fmt: skip


def _reconnection_fee(plays: Plays) -> Iterator[Finding]:
    policy = plays.policy
    cuts = any(step.action is Do.STATUS_SWITCH or step.level in HARD_LEVELS for step in policy.ladder)
    if policy.reconnection_fee > 0 and not cuts:
        yield Finding(
            "fee-never-charged", Severity.WARNING, "reconnection_fee",
            f"The reconnection fee of {policy.reconnection_fee} is never charged: no step goes further than slowing "
            "the line (A35).",
            "Set it to 0.00, or add a step that cuts.",
        )  # fmt: skip
