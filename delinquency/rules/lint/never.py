"""Findings about steps that can never run, shown by playing accounts that pay nothing at all."""

from collections.abc import Iterable, Iterator

from ..actions import Event, Kind
from ..policy import Do, Step
from ..when import ISSUE_TIME
from .finding import Finding, Severity, day
from .plays import LARGE, Plays


def lint_never(plays: Plays) -> Iterator[Finding]:
    """Yield the steps that no story gets to, with the reason."""
    waiting = {step.key: step for step in plays.policy.steps}
    for play in plays.ordinary:
        _strike(waiting, play.events)
    for story in (plays.late_payer, plays.never_payer) if waiting else ():
        _strike(waiting, story.events)
    for step in waiting.values():
        why, mend = _why(plays, step)
        last = plays.never_payer.events[-1].on
        yield Finding(
            "never-runs", Severity.ERROR, plays.path(step),
            f"{plays.called(step)} never runs: {why}. An account that pays nothing from "
            f"{day(plays.never_payer.bill_on)} to {day(last)} does not get to it.",
            mend, on=plays.never_payer.bill_on,
        )  # fmt: skip
    for step in plays.policy.steps:
        least = max(step.minimum_amount, plays.policy.minimum_amount_due if step.cuts else step.minimum_amount)
        if least > LARGE and step.key not in waiting:
            yield Finding(
                "never-runs", Severity.WARNING, plays.path(step, "minimum_amount"),
                f"{plays.called(step)} runs only where {least} or more is unpaid, which an ordinary "
                "account never owes.",
                "Lower the minimum, or take the step out.",
                on=plays.bill_dates[0] if plays.bill_dates else None,
            )  # fmt: skip


def _strike(waiting: dict[str, Step], events: Iterable[Event]) -> None:
    for event in events:
        if event.step is not None:
            # A step that is held back is told of where cuts before their notices are.
            waiting.pop(event.step.key, None)


def _why(plays: Plays, step: Step) -> tuple[str, str]:
    """Return why a step never runs, and the way out."""
    policy = plays.policy
    kinds = {event.kind for play in (plays.late_payer, plays.never_payer) for event in play.events}
    if step.only_flagged and Kind.FLAGGED not in kinds:
        why = (
            "it is for flagged accounts only, and with one bill a month nobody can be seriously late more than "
            f"{policy.seriously_late_limit} times in the window"
        )
        return why, "Lower seriously_late_limit, or let the step be for all accounts."
    asks = any(other.action is Do.REQUEST_SECONDARY for other in policy.steps)
    if step.only_flagged and step.cuts and Kind.SECONDARY_SOURCE_REQUESTED not in kinds:
        if asks:
            return "nobody is ever asked for a second source, which must come first", "Mend the step that asks for it."
        return (
            "it is for flagged accounts that were asked for a second source, and no step asks for one",
            "Add a request_secondary_source step, or let the step be for all accounts.",
        )
    if Kind.ACCOUNT_DELINQUENT not in kinds and (step.cuts or step.anchor == "delinquent"):
        return "nobody ever becomes delinquent", "Mend the calendar or the minimum amount of the policy."
    if step.action is Do.CHARGE and step.at < ISSUE_TIME:
        return (
            f"a charge belongs to its hour, and at {step.at:%H:%M} of that day the invoice does not exist yet",
            "Let it be at 06:00 or later.",
        )
    return "its day and hour are never reached while something is unpaid", "Mend its date or its time, or take it out."
