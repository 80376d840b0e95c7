"""Play an account forward to an instant: what a look decides by, and what the airbag counts by beforehand."""

from datetime import datetime

from billing_project.kernel import clock

from ..reading import Position
from ..rules.actions import Event
from ..rules.airbag import harms_of
from ..rules.timeline import advance, look_at_waiting, look_late
from ..rules.when import LOOK


def play(position: Position, at: datetime, phase: int, *, late: bool = False) -> list[Event]:
    """Move an account's state to an instant and return what happened on the way; nothing is written.

    With `late` the day's check is made up for at the end (see `look_late`).
    """
    state, policy = position.state, position.policy
    until = (clock.local(at, position.account.timezone), phase)
    events = advance(state, position.facts, policy, until, after=position.after)
    if phase == LOOK:
        events += look_late(policy, state, until[0]) if late else look_at_waiting(policy, state, until[0])
    return events


def harms_ahead(position: Position, at: datetime, phase: int, *, late: bool = False) -> list[Event]:
    """Return the harmful things a look at an instant would do, leaving the position as it is."""
    kept, position.state = position.state, position.state.copy()
    try:
        before = list(position.state.cuts)
        events = play(position, at, phase, late=late)
        return harms_of(events, before, position.state)
    finally:
        position.state = kept
