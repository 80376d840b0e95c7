"""The stories that the linter looks at: played by the very code that decides for real accounts (D2)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property

from invoicing.rules.allocation import Issued, Received, replay

from ..actions import Event, Kind
from ..calendar import ONE_DAY, day_of_month_from, months_later
from ..facts import AccountState
from ..policy import Policy, Step
from ..timeline import advance
from ..when import LOOK

# What each invoice of a story is over: more than any sensible minimum, so that no minimum hides a step.
LARGE = Decimal("10000.00")
# What is taken where a policy leaves it to the account or to the invoice.
BILL_DAY_ASSUMED, DUE_DAYS_ASSUMED = 1, 15


@dataclass(frozen=True, slots=True)
class Play:
    """What happens when the invoices of some bill dates are never paid."""

    bill_on: date
    events: list[Event]

    def first(self, kind: Kind, step: Step | None = None) -> Event | None:
        """Return the first event of a kind, and of a step if one is given."""
        return next((e for e in self.events if e.kind is kind and (step is None or same(e.step, step))), None)


def same(one: Step | None, other: Step) -> bool:
    """Tell whether an event's step is a certain one."""
    return one is not None and one.key == other.key


class Plays:
    """All stories about one policy over some months, each played when it is first asked for."""

    def __init__(self, policy: Policy, from_on: date, months: int) -> None:
        """Take the policy; what it leaves to the account or the invoice is assumed."""
        self.policy, self.from_on, self.months = policy, from_on, months
        self.to_on = months_later(from_on, months) - ONE_DAY
        self.bill_day = policy.bill_day or BILL_DAY_ASSUMED
        due_days = DUE_DAYS_ASSUMED if policy.due_days is None else policy.due_days
        self.played = replace(policy, bill_day=self.bill_day, due_days=due_days)

    @cached_property
    def closed_runs(self) -> list[tuple[date, int]]:
        """Return the runs of days on which nobody may become delinquent: first day and length, over the months."""
        runs: list[tuple[date, int]] = []
        on, last = self.from_on, self.to_on
        while on <= last:
            opens = self.policy.calendar.next_open(on)
            if opens == date.max:
                return [(on, (date.max - on).days)]
            if opens > on:
                runs.append((on, (opens - on).days))
            on = opens + ONE_DAY
        return runs

    @property
    def never_open(self) -> bool:
        """Tell whether from some day on there is no day at all on which anybody could become delinquent."""
        return any(first + timedelta(days=length) == date.max for first, length in self.closed_runs)

    @cached_property
    def bill_dates(self) -> list[date]:
        """Return the bill dates of the months."""
        found = [day_of_month_from(self.from_on, self.bill_day)]
        while (on := self.next_bill(found[-1])) <= self.to_on:
            found.append(on)
        return found

    def next_bill(self, after: date) -> date:
        """Return the first bill date after a day."""
        return day_of_month_from(after + ONE_DAY, self.bill_day)

    @cached_property
    def ordinary(self) -> list[Play]:
        """Return a story for each month: its invoice is never paid, and nothing else happens.

        Steps for flagged accounts are left out: with one invoice nobody is flagged in time for them (E7).
        """
        steps = tuple(step for step in self.played.steps if not step.only_flagged)
        policy = replace(self.played, steps=steps)
        return [Play(on, self._play(policy, [on])) for on in self.bill_dates]

    @cached_property
    def never_payer(self) -> Play:
        """Return the story of an account that pays nothing until it is flagged, asked for a second source, and on."""
        return Play(self._flagging[0], self._play(self.played, self._flagging))

    @cached_property
    def late_payer(self) -> Play:
        """Return the story of an account that pays seriously late each time, is flagged and asked, and then stops."""
        return Play(self._flagging[0], self._play(self.played, self._flagging, paid=self._flagging[:-1]))

    @cached_property
    def _flagging(self) -> list[date]:
        """Return bill dates enough for the flag, for the asking, and for an invoice after both (E6, E7, E8).

        They begin in a January, so that a window of one calendar year has all its twelve bills.
        """
        bills = [day_of_month_from(date(self.from_on.year + 1, 1, 1), self.bill_day)]
        for _ in range(min(self.policy.seriously_late_limit, 12) + self._paid_late.days // 28 + 4):
            bills.append(self.next_bill(bills[-1]))
        return bills

    @property
    def _paid_late(self) -> timedelta:
        """Return how long after its issue a seriously late invoice is paid: when most other steps have run, too."""
        return timedelta(days=(self.played.due_days or 0) + self.played.seriously_late_after_days + 25)

    def stories(self, step: Step) -> list[Play]:
        """Return the stories in which a step is looked for: those of the accounts it is meant for."""
        return [self.late_payer] if step.only_flagged else self.ordinary

    def path(self, step: Step, field: str = "") -> str:
        """Return the path of a step in the policy file, or of one of its fields."""
        if not step.written:
            return "status_switch_days"
        place = next(index for index, other in enumerate(self.policy.steps) if other.key == step.key)
        return f"steps[{place}]{field and '.'}{field}"

    def when_path(self, step: Step) -> str:
        """Return the path of what says when a step is due."""
        return self.path(step, "after_day_of_month" if step.after_day_of_month is not None else "offset_days")

    def called(self, step: Step) -> str:
        """Return what a person calls a step, at the beginning of a sentence."""
        return f"Step {step.key}" if step.written else "The status switch"

    def _play(self, policy: Policy, bills: list[date], *, paid: Sequence[date] = ()) -> list[Event]:
        amount = max([LARGE, policy.minimum_amount_due, *(step.minimum_amount for step in policy.steps)])
        invoices = [Issued(str(on), str(on), on, policy.due_on(on, on), amount) for on in bills]
        state = AccountState(bill_day=policy.bill_day, bill_dates=frozenset(bills))
        # The switch days, which may be years, are looked for in the ordinary stories alone.
        ladder = policy.ladder if len(bills) == 1 else policy.steps
        offsets = max((step.offset_days for step in ladder), default=0)
        until = datetime.combine(bills[-1] + self._horizon + timedelta(days=offsets), time.max)
        payments = [
            Received(f"for {on}", datetime.combine(on + self._paid_late, time(12)), amount, str(on)) for on in paid
        ]
        return advance(state, replay(invoices, payments, ()), policy, (until, LOOK))

    @cached_property
    def _horizon(self) -> timedelta:
        """Return by when everything that an unpaid invoice leads to has happened, but for the offsets of its steps."""
        policy = self.played
        longest = 0 if self.never_open else max((length for _, length in self.closed_runs), default=0)
        # Twice: the entry is put off, and then a step that honours the exclusions too. A month for days of the month.
        return timedelta(days=(policy.due_days or 0) + (policy.grace_days or 31) + 2 * longest + 62)
