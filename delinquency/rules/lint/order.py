"""Findings about the order in which things happen: told before cut, late before charged (D9, A2, A30, E8)."""

from collections.abc import Iterator

from ..actions import Event, Kind
from ..policy import CUTTING, Do, Step
from .finding import Finding, Severity, day, month
from .plays import Play, Plays, same

TOLD = frozenset({Kind.NOTICE, Kind.TICKET_OPENED, Kind.TICKET_COMMENT})
CUT = frozenset({Kind.RESTRICTED, Kind.STATUS_SWITCH})
RANKS = {"throttle": 1, "walled_garden": 2, "suspend": 3}


def lint_order(plays: Plays) -> Iterator[Finding]:
    """Yield what happens too early, too late or in vain."""
    for step in plays.policy.ladder:
        if step.action in CUTTING:
            yield from _held(plays, step)
            yield from _cut_before_notice(plays, step)
            yield from _cut_before_late(plays, step)
            yield from _changes_nothing(plays, step)
        elif step.action is Do.LATE_FEE:
            yield from _fee_before_grace_ends(plays, step)
    yield from _delinquent_on_due_date(plays)


def _held(plays: Plays, step: Step) -> Iterator[Finding]:
    """Find a cut whose required notice has not been written by then: it is held back for everybody (D9, A30)."""
    found = [(play, held) for play in plays.stories(step) if (held := play.first(Kind.HELD, step))]
    if not found:
        return
    play, held = found[0]
    required = next(other for other in plays.policy.steps if other.key == step.requires_notice)
    said = next((e for e in play.events if e.kind in TOLD and same(e.step, required) and e.at >= held.at), None)
    when = f"is written on {day(said.on)} only" if said else "is not written by then"
    yield Finding(
        "cut-before-notice", Severity.ERROR, plays.path(step, "requires_notice"),
        f"{plays.called(step)} is due on {day(held.on)} and is held back for everybody: "
        f"{required.key}, which it requires, {when}.",
        f"Let {required.key} come earlier or {step.key} later, or require a notice that is written before.",
        on=held.on, months=tuple(month(each.bill_on) for each, _ in found),
    )  # fmt: skip


def _cut_before_notice(plays: Plays, step: Step) -> Iterator[Finding]:
    """Find a cut with nothing written to the customer about its invoices before it (E8, D9)."""
    found: list[tuple[Play, Event, Event | None]] = []
    for play in plays.stories(step):
        for place, cut in enumerate(play.events):
            if cut.kind not in CUT or not same(cut.step, step):
                continue
            told = [index for index, e in enumerate(play.events) if _tells(e, cut)]
            if not told or told[0] > place:
                found.append((play, cut, play.events[told[0]] if told else None))
                break
    if not found:
        return
    play, cut, later = found[0]
    if later is not None:
        words = f"the first word to the customer goes out on {day(later.on)}"
        mend = f"Let the cut come later, or put {later.step.key if later.step else 'the notice'} before it."
    else:
        words = "nothing is ever written to the customer about it"
        mend = "Add a notice or ticket step that comes first, and name it in requires_notice."
    # A line that is slowed still works: without any letter in the policy the operator may write by other means.
    mild = later is None and step.level == "throttle"
    yield Finding(
        "cut-before-notice", Severity.WARNING if mild else Severity.ERROR, plays.when_path(step),
        f"{plays.called(step)} takes effect on {day(cut.on)}, but {words}.",
        mend, on=cut.on, months=tuple(month(each[0].bill_on) for each in found),
    )  # fmt: skip


def _tells(event: Event, cut: Event) -> bool:
    """Tell whether an event is a word to the customer about an invoice that a cut is for."""
    return event.kind in TOLD and event.step is not None and bool(event.causes & cut.causes)


def _cut_before_late(plays: Plays, step: Step) -> Iterator[Finding]:
    """Find a cut on or before the due date: until that day's end nobody is late (A2)."""
    for play in plays.stories(step):
        due_on = {e.invoice: e.on for e in play.events if e.kind is Kind.DUE}
        for cut in play.events:
            if cut.kind in CUT and same(cut.step, step) and any(cut.on <= due_on[key] for key in cut.causes):
                yield Finding(
                    "cut-before-late", Severity.ERROR, plays.when_path(step),
                    f"{plays.called(step)} takes effect on {day(cut.on)}, though its invoice may be paid "
                    "until the end of that day.",
                    "Give at least one day of grace, or let the step come a day later.",
                    on=cut.on, months=(month(play.bill_on),),
                )  # fmt: skip
                return


def _delinquent_on_due_date(plays: Plays) -> Iterator[Finding]:
    for play in plays.ordinary:
        due, entered = play.first(Kind.DUE), play.first(Kind.DELINQUENT)
        if due is not None and entered is not None and entered.on <= due.on:
            yield Finding(
                "delinquent-on-due-date", Severity.WARNING, "grace_days",
                f"The invoice of {day(play.bill_on)} is delinquent at 09:00 on {day(entered.on)}, its due date, "
                "though it may be paid until the end of that day.",
                "Set grace_days to 1 or more.",
                on=entered.on, months=(month(play.bill_on),),
            )  # fmt: skip
            return


def _fee_before_grace_ends(plays: Plays, step: Step) -> Iterator[Finding]:
    """Find a fee charged while the invoice cannot be delinquent yet, or is not even late."""
    found: list[tuple[Play, Event]] = []
    for play in plays.stories(step):
        due_on = {e.invoice: e.on for e in play.events if e.kind is Kind.DUE}
        early = (
            e
            for e in play.events
            if e.kind is Kind.LATE_FEE
            and same(e.step, step)
            and e.on < plays.played.natural_entry_on(due_on[e.invoice])
        )
        fee = next(early, None)
        if fee is not None:
            found.append((play, fee))
    if not found:
        return
    play, fee = found[0]
    due = next(e for e in play.events if e.kind is Kind.DUE and e.invoice == fee.invoice)
    grace_ends = plays.played.natural_entry_on(due.on)
    at_once = fee.on <= due.on
    yield Finding(
        "fee-before-grace-ends", Severity.ERROR if at_once else Severity.WARNING, plays.when_path(step),
        f"{plays.called(step)} is charged on {day(fee.on)} for the invoice due on {day(due.on)}; "
        + ("it may be paid until the end of that day." if at_once else f"its grace runs until {day(grace_ends)}."),
        f"Let the fee come on {grace_ends} or later, as counted from the due date, or shorten the grace.",
        on=fee.on, months=tuple(month(each.bill_on) for each, _ in found),
    )  # fmt: skip


def _changes_nothing(plays: Plays, step: Step) -> Iterator[Finding]:
    """Find a cut that never changes anything, because what is in force by then is as hard or harder."""
    if step.only_flagged:
        return
    vain: list[tuple[Play, Event, Event]] = []
    for play in plays.ordinary:
        stronger: Event | None = None
        for event in play.events:
            if same(event.step, step) and event.kind in (Kind.RESTRICTED, Kind.STATUS_SWITCH, Kind.STEP_DONE):
                if stronger is None:
                    return
                vain.append((play, event, stronger))
                break
            if _as_hard(event, step) and stronger is None:
                stronger = event
    if vain:
        play, event, stronger = vain[0]
        assert stronger.step is not None
        yield Finding(
            "changes-nothing", Severity.WARNING, plays.path(step),
            f"{plays.called(step)} changes nothing on {day(event.on)}: {stronger.step.key} has done as "
            f"much on {day(stronger.on)}.",
            "Take the step out, let it come earlier, or make it harder than what goes before it.",
            on=event.on, months=tuple(month(each[0].bill_on) for each in vain),
        )  # fmt: skip


def _as_hard(event: Event, step: Step) -> bool:
    if event.step is None:
        return False
    if step.action is Do.STATUS_SWITCH:
        return event.kind is Kind.STATUS_SWITCH
    return event.kind is Kind.RESTRICTED and RANKS[event.step.level] >= RANKS[step.level]
