"""One look at an account: what it stands on, and whether it is time."""

from datetime import date, datetime

from .actions import Event, Kind
from .facts import CENT, AccountState, Cut
from .policy import CHECK_TIME, Do, Policy, Step


class Looking:
    """The moment of a look, with what every decision of it needs."""

    def __init__(
        self, policy: Policy, state: AccountState, at: datetime, events: list[Event], *, late: bool = False
    ) -> None:
        """Prepare a look at a local time; a late one makes up for what the day's check had to hold back."""
        self.policy, self.state, self.at, self.events = policy, state, at, events
        self.late = late
        self.on, self.is_check = at.date(), late or at.time() == CHECK_TIME
        self.steps = policy.ladder
        # What was paid before today is settled; what was paid today may still be decided as of last midnight.
        self.invoices = [i for i in state.in_order() if i.remaining >= CENT or i.day == self.on]
        self.returning: list[tuple[Step, Cut, str]] = []

    def emit(self, kind: Kind, why: str, **rest: object) -> None:
        """Append an event of this moment."""
        self.events.append(Event(self.at, kind, why, episode=self.state.episode, **rest))  # type: ignore[arg-type]

    def steps_that(self, *actions: Do) -> list[Step]:
        """Return the steps of some actions, in the policy's order."""
        return [step for step in self.steps if step.action in actions]

    def is_time(self, step: Step, anchor: str, on: date | None) -> bool:
        """Tell whether a step of that date may run at this look: at its own time, or at a later check."""
        if on is None or on > self.on or (step.key, anchor) in self.state.done:
            return False
        if on == self.on and step.at > self.at.time():
            return False
        return self.is_check or step.at == self.at.time() or (step.key, anchor) in self.state.waiting
