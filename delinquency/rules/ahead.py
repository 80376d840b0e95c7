"""What is to come: an account played forward with the bills it will get, and with what is supposed to happen.

The decisions are those of the sweeps (`advance`, D2). Added are only the bills that the account's terms promise and
what a person supposes: money on a day, a payment that comes back, more days. Times are naive local times.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from invoicing.rules.allocation import ISSUE_TIME, Fact, Issued, Key, Pot, Received, allocate
from invoicing.rules.charges import Service, service_lines, total
from invoicing.rules.periods import next_bill_on_after, rolled_on

from .actions import Event, Kind
from .facts import AccountState, Grant
from .outlook import Moment
from .policy import Policy
from .timeline import advance, moment_of
from .when import FACT, ISSUE, LOOK, SWITCH

ZERO = Decimal("0.00")
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Billing:
    """How an account will be billed: when next, for what, and what stops it."""

    next_on: date | None
    bill_day: int
    due_days: int
    services: tuple[Service, ...] = ()
    waiting: Decimal = ZERO  # charges that the next bill carries
    credit: Decimal = ZERO  # money that the next bill uses
    runs: bool = True  # its status, or the one it returns to, activates billing (S13)
    switch_stops: bool = True  # the delinquency status does not (S12)


@dataclass(frozen=True, slots=True)
class Return:
    """A payment that is supposed to come back: what it paid on each invoice, and what of it is credit (A23)."""

    reference: str
    at: datetime
    amount: Decimal
    parts: tuple[tuple[Key, Decimal], ...] = ()
    credit: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Supposed:
    """What is supposed to happen on top of what is known."""

    payments: tuple[Received, ...] = ()
    returns: tuple[Return, ...] = ()
    grants: tuple[Grant, ...] = ()


class Ahead:
    """Plays one account forward; the state moves along."""

    def __init__(
        self,
        state: AccountState,
        policy: Policy,
        after: Moment,
        *,
        billing: Billing | None = None,
        facts: Sequence[Fact | Grant] = (),
        supposed: Supposed | None = None,
    ) -> None:
        """Stand where the state was played to, with what is known and what is supposed."""
        self.state, self.policy, self.after = state, policy, after
        self.billing = billing if billing is not None and billing.runs else None
        self.supposed = supposed or Supposed()
        self.facts: list[Fact | Grant] = [*facts, *self.supposed.grants]
        self.events: list[Event] = []
        self.waiting = self.billing.waiting if self.billing else ZERO
        self.credit = self.billing.credit if self.billing else ZERO
        # The next bill date; billed at 00:05, or within the hour on the day an account returns (S25).
        self.next_on = self.billing.next_on if self.billing else None
        self.bill_at = None if self.next_on is None else datetime.combine(self.next_on, ISSUE_TIME)

    def play(self, until: date) -> list[Event]:
        """Return what happens up to a date, after that day's check: what a timeline lists."""
        money: list[Received | Return] = [*self.supposed.payments, *self.supposed.returns]
        money.sort(key=lambda item: (item.at, item.reference))
        end: Moment = (datetime.combine(until, time.max), LOOK)
        while True:
            bill = None if self.bill_at is None else max((self.bill_at, SWITCH), self.after)
            paid = max((money[0].at, FACT), self.after) if money else None
            moment = min((moment for moment in (bill, paid) if moment is not None), default=end)
            if moment >= end:
                break
            self._advance(moment)
            if moment == paid:
                self._money(money.pop(0))
            elif self.bill_at is not None and self.bill_at <= moment[0]:
                self._bill(moment[0])
        self._advance(end)
        return [event for event in self.events if event.shown]

    @property
    def owed(self) -> Decimal:
        """Return the balance where it stands now: unpaid invoices and waiting charges, less credit."""
        invoices = sum((invoice.remaining for invoice in self.state.invoices.values()), ZERO)
        return invoices + self.waiting - self.credit

    def _advance(self, until: Moment) -> None:
        """Play on to a moment; facts that lie beyond it wait."""
        now = [fact for fact in self.facts if moment_of(fact) <= until]
        self.facts = [fact for fact in self.facts if moment_of(fact) > until]
        self._take(advance(self.state, now, self.policy, until, after=self.after))
        self.after = max(self.after, until)

    def _take(self, events: list[Event]) -> None:
        """Keep what happened, what it costs, and what it does to the next bill date (S24 to S30)."""
        self.events += events
        for event in events:
            if event.kind in (Kind.LATE_FEE, Kind.RECONNECTION_FEE) and event.amount is not None:
                self.waiting += event.amount
            elif event.kind is Kind.REVERSAL:
                self.waiting += self.policy.nsf_fee
            elif event.kind is Kind.STATUS_RESTORED and self.billing is not None and self.next_on is not None:
                midnight = datetime.combine(event.on + ONE_DAY, time.min)
                self.next_on = rolled_on(self.next_on, self.billing.bill_day, event.at, midnight - event.at)
                self.bill_at = max(datetime.combine(self.next_on, ISSUE_TIME), _next_tick(event.at))

    def _money(self, item: Received | Return) -> None:
        """Let money arrive, or be taken back."""
        at = self.after[0]
        if isinstance(item, Received):
            pots = [
                Pot(i.key, i.issued_on, i.due_on, i.number, i.remaining, i.frozen) for i in self.state.invoices.values()
            ]
            shares = allocate(item.amount, pots, named=item.named)
            self.credit += item.amount - sum((part for _, part in shares), ZERO)
            moves = tuple((key, -part) for key, part in shares)
            fact = Fact(at, "payment", item.amount, item.reference, named=item.named, moves=moves)
        else:
            self.credit = max(self.credit - item.credit, ZERO)
            fact = Fact(at, "reversal", item.amount, item.reference, moves=item.parts)
        self._take(advance(self.state, [fact], self.policy, self.after, after=self.after))

    def _bill(self, at: datetime) -> None:
        """Bill a bill date, unless the status stops it or the policy holds it back (S12, S13, A15)."""
        assert self.billing is not None
        assert self.next_on is not None
        if self.state.switched and self.billing.switch_stops:
            self.bill_at = None  # the date stays, and becomes past, until the status returns (G1)
            return
        on, self.next_on = self.next_on, next_bill_on_after(self.next_on, self.billing.bill_day)
        self.bill_at = datetime.combine(self.next_on, ISSUE_TIME)
        if self.policy.hold_invoices_while_delinquent and self.state.episode is not None:
            return
        amount = total(service_lines(self.billing.services, on)) + self.waiting
        if amount <= 0:
            self.waiting = amount
            return
        used, self.waiting = min(self.credit, amount), ZERO
        self.credit -= used
        key = f"{on} (to come)"  # it has no number yet
        invoice = Issued(key, key, on, on + timedelta(days=self.billing.due_days), amount)
        moves = ((key, -used),) if used else ()
        self._take(
            advance(
                self.state,
                [Fact(at, "issued", amount, key, invoice=invoice, moves=moves)],
                self.policy,
                (at, ISSUE),
                after=self.after,
            )
        )
        self.after = max(self.after, (at, ISSUE))


def _next_tick(at: datetime) -> datetime:
    """Return the next hourly billing run after a local time."""
    tick = at.replace(minute=ISSUE_TIME.minute, second=0, microsecond=0)
    return tick if tick > at else tick + timedelta(hours=1)
