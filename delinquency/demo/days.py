"""Play the town's days: the real ticks at their hours, and between them people who pay, or do not."""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from accounts.models import Account, Notice, User
from accounts.operations import replace_funding_source
from accounts.outreach.callbacks import Kind, Report, take_in
from accounts.outreach.dispatch import dispatch_notices
from billing_project.kernel import clock, money
from delinquency.operations import grant_grace
from delinquency.sweep import sweep
from invoicing.dispatch import dispatch_charges, resolve_unknown
from invoicing.models import Payment, PaymentAttempt
from invoicing.operations.issue import IssuedInvoice
from invoicing.operations.payments import record_payment, reverse_payment
from invoicing.sweep import bill
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import EnforcementTask

from .lateness import BUSINESSES, HOUSEHOLDS, Payer
from .people import AGES, Habit, Stage, Subscriber

# Local times at which the town's clocks have something to do: bills, charges, the check, letters, and twice a day
# what was paid meanwhile.
BILLS, OTHERS = time(0, 5), (time(6, 5), time(9, 5), time(15, 5), time(20, 55))
HOUSEHOLD_METHODS = ("bank", "bank", "transfer", "card", "cash", "cheque")
BUSINESS_METHODS = ("transfer", "transfer", "cheque")
# Two payments come back from the bank: a payer's second one and a later one. The first of them is paid again.
BOUNCES = (2, 4)
BOUNCE_AFTER, PAID_AGAIN_AFTER = timedelta(days=4, hours=2), timedelta(days=6)
GRACE_LASTS = timedelta(days=4)
PROMISED_IN = timedelta(days=3)
# The provider reports what it delivered after a while; of every thirtieth letter it says nothing.
DELIVERED_AFTER, SILENT_EACH = timedelta(seconds=20), 30
WORKING_TOKEN = "tok_ok"  # noqa: S105 - what the sandbox gateway calls a card that works
CARD_ADDED_AFTER = 3  # invoices, before some businesses store a second card that works


@dataclass(order=True, slots=True)
class Deed:
    """Something that a person does at an instant."""

    at: datetime
    order: int
    do: Callable[[], None] = field(compare=False)


class Days:
    """The days of a town, one after the other."""

    def __init__(
        self,
        subscribers: Sequence[Subscriber],
        accounts: Mapping[str, Account],
        *,
        seed: int,
        today: date,
        by: User | None,
    ) -> None:
        """Take the town as it stands; ``by`` is the clerk in whose name its staff acts."""
        self.today = today
        self.who = {who.number: who for who in subscribers}
        self.accounts = accounts
        self.by = by
        # The westernmost: when its hour has come, it has come for everybody, and each account is decided as of its own.
        present = clock.now()
        self.zone = min({who.zone for who in subscribers}, key=lambda zone: clock.local(present, zone))
        self.dice = {who.number: who.dice(seed) for who in subscribers}
        self.payers = {
            who.number: Payer(BUSINESSES if who.is_business else HOUSEHOLDS, self.dice[who.number])
            for who in subscribers
        }
        self.invoices_count = dict.fromkeys(self.who, 0)
        self.bounces = list(BOUNCES)
        self.second_cards: set[str] = set()
        self.payments_count = 0
        self.deeds: list[Deed] = []
        self.deeds_count = 0

    def play(self, first_on: date, until: datetime, each_day: Callable[[date], None]) -> None:
        """Play from the start of a day to an instant."""
        day = first_on
        while clock.instant(datetime.combine(day, time.min), self.zone) <= until:
            for local in (BILLS, *OTHERS):
                at = clock.instant(datetime.combine(day, local), self.zone)
                if at <= until:
                    self._until(at)
                    with clock.at(at):
                        self._tick(at, is_bill=local == BILLS)
            each_day(day)
            day += timedelta(days=1)
        self._until(until)
        with clock.at(until):
            self._tick(until, is_bill=True)

    def _tick(self, at: datetime, *, is_bill: bool) -> None:
        # The town's past is played as it was lived: nobody was there to be asked.
        if is_bill:
            for invoice in bill(at, guarded=False).issued:
                self._intend(invoice)
        sweep(at, guarded=False)
        if PaymentAttempt.objects.filter(state__in=PaymentAttempt.UNSETTLED, due_at__lte=at).exists():
            resolve_unknown(at)
            dispatch_charges(at)
            sweep(at, guarded=False)
        if EnforcementTask.objects.filter(state=EnforcementTask.State.QUEUED, due_at__lte=at).exists():
            dispatch_enforcement(at)
        if Notice.objects.filter(state=Notice.State.QUEUED, due_at__lte=at).exists():
            dispatch_notices(at)
            _report_deliveries(at)

    # --- what people do ---

    def _until(self, at: datetime) -> None:
        """Let people do what they do up to an instant, each thing at its own."""
        while self.deeds and self.deeds[0].at <= at:
            deed = heapq.heappop(self.deeds)
            with clock.at(deed.at):
                deed.do()

    def _plan(self, local: datetime, who: Subscriber, do: Callable[[], None]) -> None:
        self.deeds_count += 1
        heapq.heappush(self.deeds, Deed(clock.instant(local, who.zone), self.deeds_count, do))

    def _intend(self, invoice: IssuedInvoice) -> None:
        """Decide when an invoice that has just been issued is paid."""
        who = self.who[invoice.account]
        self.invoices_count[who.number] += 1
        payer = self.payers[who.number]
        self._maybe_second_card(who)
        if who.stage is not None and invoice.issued_on == who.staged_bill_on:
            self._stage(who, who.stage, invoice)
        elif who.stage is not None:
            # In time until then, so that the stage shows what it is meant to show.
            moment = payer.moment_on(invoice.issued_on + timedelta(days=self.dice[who.number].randint(2, 12)))
            self._plan(moment, who, lambda: self._pay(who, invoice.amount))
        elif self._pays(who):
            for moment, share in payer.moments(invoice.issued_on, invoice.due_on):
                amount = money.quantize(invoice.amount * share)
                self._plan(moment, who, lambda amount=amount: self._pay(who, amount))  # type: ignore[misc]

    def _pays(self, who: Subscriber) -> bool:
        if who.habit is Habit.STOPS:
            return self.invoices_count[who.number] <= who.stops_after
        return who.habit is Habit.USUAL and who.number not in self.second_cards

    def _stage(self, who: Subscriber, stage: Stage, invoice: IssuedInvoice) -> None:
        """Let the last invoice go the way that leads to the wanted stage today."""
        noon, paid_before = datetime.combine(self.today, time(11, 40)), AGES[stage][1]
        if paid_before is not None:
            self._plan(noon - timedelta(days=paid_before), who, lambda: self._pay(who, invoice.amount))
        if stage is Stage.GRACE:
            until, reason = self.today + GRACE_LASTS, "Waits for a transfer from abroad"
            day_after_due = datetime.combine(invoice.due_on + timedelta(days=1), time(15))
            self._plan(day_after_due, who, lambda: self._grant(who, until, reason))
        if stage is Stage.PROMISE:
            # A promise to pay by a day protects through that day (D7).
            by, reason = self.today + PROMISED_IN, f"Promised to pay by {self.today + PROMISED_IN:%d %B}"
            self._plan(noon - timedelta(days=1), who, lambda: self._grant(who, by + timedelta(days=1), reason))

    def _maybe_second_card(self, who: Subscriber) -> None:
        """Let some businesses whose card is declined store a second one that works (E7)."""
        if not (who.is_business and who.cards and who.habit is Habit.USUAL and int(who.number) % 16 == 11):
            return
        if self.invoices_count[who.number] == CARD_ADDED_AFTER:
            replace_funding_source(
                self.accounts[who.number],
                2,
                source_token=WORKING_TOKEN,
                brand="Visa",
                last4="4444",
                by=self.by,
            )
            self.second_cards.add(who.number)

    def _pay(self, who: Subscriber, amount: Decimal) -> None:
        self.payments_count += 1
        method = self.dice[who.number].choice(BUSINESS_METHODS if who.is_business else HOUSEHOLD_METHODS)
        payment = record_payment(
            account=self.accounts[who.number], reference=f"VF-P{self.payments_count:06d}", amount=amount,
            received_at=clock.now(), method=method, by=None if method in ("card", "bank") else self.by,
        )  # fmt: skip
        bounces = self.bounces and method == "bank" and self.invoices_count[who.number] >= self.bounces[0]
        if bounces and who.stage is None:
            self.bounces.pop(0)
            local = clock.local(clock.now(), who.zone)
            self._plan(local + BOUNCE_AFTER, who, lambda: self._bounce(payment))
            if self.bounces:
                self._plan(local + BOUNCE_AFTER + PAID_AGAIN_AFTER, who, lambda: self._pay(who, amount))

    def _bounce(self, payment: Payment) -> None:
        reverse_payment(payment=payment, why="returned by the bank: insufficient funds", by=self.by)

    def _grant(self, who: Subscriber, until_on: date, reason: str) -> None:
        grant_grace(account=self.accounts[who.number], until_on=until_on, reason=reason, by=self.by)


def _report_deliveries(at: datetime) -> None:
    """Let the provider report what it has delivered; of some letters it never says a word."""
    taken = Notice.objects.filter(state=Notice.State.ACCEPTED, accepted_at=at).exclude(channel="voice")
    for pk in taken.values_list("pk", flat=True):
        if pk % SILENT_EACH:
            take_in(
                Report(
                    provider="simulated", event_key=f"delivered:{pk}", kind=Kind.DELIVERED, notice_id=pk,
                    happened_at=at + DELIVERED_AFTER,
                )
            )  # fmt: skip
