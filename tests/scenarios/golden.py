"""A golden timeline as data: a policy and dated facts in, dated events out; and the player of its sweeps.

Facts are lines such as ``2026-01-19 12:00 pays 60.00``, local to the account. Events are lines of a date and the kinds
of that day in order; ``late_fee(10.00)`` or ``delinquent(B)`` also compares the amount or the invoice, which are
lettered in the order of their issue.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from accounts.models import AccountStatus, Contact
from accounts.operations import change_status, replace_funding_source
from accounts.outreach.dispatch import dispatch_notices
from billing_project.kernel import clock
from delinquency.models import Event, Policy, Standing
from delinquency.operations import import_version, publish
from delinquency.rules.scenario import parse_scenario
from delinquency.sweep import sweep
from invoicing.dispatch import dispatch_charges
from invoicing.models import BillingParameters, Charge, Invoice, Payment, PaymentAttempt
from invoicing.operations.charges import waive_charge
from invoicing.operations.issue import issue_instant
from invoicing.sweep import bill
from netenforce.models import Hold
from tests.factories import NEW_YORK, make_device, make_line
from tests.worlds import Story

HOUR = timedelta(hours=1)
LETTERS = "ABCDEFGHIJKLM"
# An outage begins at a midnight and ends in the third night, at an hour at which nobody may be cut.
OUTAGE = timedelta(days=2, hours=3)


@dataclass(frozen=True, slots=True)
class Fact:
    """What happened at a local time: ``pays``, ``returns``, ``grace`` and what only rows can say."""

    at: datetime
    verb: str
    words: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """One golden timeline, or one of its variants."""

    name: str
    policy: dict[str, Any]
    bills: dict[str, str]  # issue date -> amount; the first is the first bill date
    until: str
    events: str
    facts: str = ""
    shows: tuple[str, ...] = ()  # the kinds that are compared; all, if none is named
    price: str = "100.00"
    terms: dict[str, Any] = field(default_factory=dict)
    cards: tuple[str, ...] = ()
    ends: dict[str, Any] = field(default_factory=dict)  # how the rows stand at the end of the last day
    missed: tuple[str, ...] = ()  # the first days of outages of two days, where it hurts most
    rows_only: str = ""  # why a scenario cannot state it

    @property
    def facts_in_order(self) -> list[Fact]:
        """Return the facts, read from their lines."""
        found = []
        for line in filter(str.strip, self.facts.splitlines()):
            day, hour, verb, *words = line.split()
            found.append(Fact(datetime.fromisoformat(f"{day}T{hour}"), verb, words))
        return found

    @property
    def told(self) -> list[tuple[str, str, str]]:
        """Return the expected events: date, kind, and what is compared beside them."""
        found = []
        for line in filter(str.strip, self.events.splitlines()):
            day, *kinds = line.split()
            for kind in kinds:
                name, _, detail = kind.rstrip(")").partition("(")
                found.append((day, name, detail))
        return found

    def matches(self, events: list[tuple[str, str, str | None, str]]) -> list[str]:
        """Return events (date, kind, invoice letter, amount) as lines, each with the detail its expectation names."""
        shown = [event for event in events if not self.shows or event[1] in self.shows]
        details = [detail for _, _, detail in self.told] + [""] * len(shown)
        lines = []
        for (day, kind, letter, amount), detail in zip(shown, details, strict=False):
            seen = "" if not detail else str(letter) if detail.isalpha() else amount
            lines.append(_line(day, kind, seen))
        return lines

    @property
    def lines(self) -> list[str]:
        """Return what is expected, as `matches` writes it."""
        return [_line(*event) for event in self.told]


def _line(day: str, kind: str, detail: str) -> str:
    return f"{day} {kind}({detail})" if detail else f"{day} {kind}"


def by_timeline(golden: Golden, zone: str = NEW_YORK) -> list[str]:
    """Play a golden timeline through the pure rules."""
    invoices = [
        {"number": letter, "issued_on": on, "due_on": on, "amount": amount}
        for letter, (on, amount) in zip(LETTERS, golden.bills.items(), strict=False)
    ]
    payments: list[dict[str, Any]] = []
    reversals: list[dict[str, Any]] = []
    grace: list[dict[str, Any]] = []
    for fact in golden.facts_in_order:
        at = fact.at.isoformat()
        if fact.verb == "pays":
            amount, *named = fact.words
            number = named[1] if named else None
            reference = f"P-{len(payments) + 1}"
            payments.append({"reference": reference, "received": at, "amount": amount, "invoice": number})
        elif fact.verb == "returns":
            reversals.append({"payment": f"P-{fact.words[0]}", "recorded": at})
        else:
            assert fact.verb == "grace", f"{golden.name}: a scenario cannot state {fact.verb}; say so in rows_only"
            grace.append({"granted": at, "until": fact.words[0], "lift_now": "lift" in fact.words})
    scenario = {
        "timezone": zone, "policy": golden.policy, "invoices": invoices, "payments": payments,
        "reversals": reversals, "grace": grace, "until": golden.until,
    }  # fmt: skip
    answer = parse_scenario(scenario).answer()
    return golden.matches([(str(e.on), str(e.kind), e.number, str(e.amount)) for e in answer])


class Sweeps:
    """Plays a golden timeline on rows, tick by tick, as the timetable would: bill, look, charge, write."""

    def __init__(
        self, golden: Golden, *, zone: str = NEW_YORK, times: int = 1, missed: bool = False, daily: bool = False
    ) -> None:
        """Make the customer; each tick is made so many `times`; `missed` has outages, `daily` looks on idle days."""
        self.golden, self.zone, self.times = golden, zone, times
        # Idle ticks change nothing; a mode that looks every day shows it, the others spare the time.
        self.idle = timedelta(days=1 if daily else 9)
        self.outages = [self.at(datetime.fromisoformat(day)) for day in golden.missed] if missed else []
        first_on = next(iter(golden.bills))
        self.story = Story(
            golden.policy, first_bill_on=first_on, price=golden.price, zone=zone, terms=golden.terms,
            bill_day=golden.policy["bill_day"],
        )  # fmt: skip
        self.account = self.story.account
        self.line = make_line(self.account, device=make_device())
        for rank, token in enumerate(golden.cards, start=1):
            replace_funding_source(self.account, rank, source_token=token)
        self.payments: list[Payment] = []

    def at(self, local: datetime) -> datetime:
        """Return the instant of a local time."""
        return clock.instant(local, self.zone)

    def play(self) -> None:
        """Let every day pass, to the end of the last."""
        facts = self.golden.facts_in_order
        at = _tick_from(self.at(datetime.fromisoformat(next(iter(self.golden.bills)))))
        last = self.at(datetime.combine(date.fromisoformat(self.golden.until), time.max))
        end = max(last, *(start + OUTAGE + HOUR for start in self.outages)) if self.outages else last
        while at <= end:
            while facts and self.at(facts[0].at) <= at:
                self.do(facts.pop(0))
            back = next((start + OUTAGE for start in self.outages if start <= at < start + OUTAGE), None)
            if back is None:
                for _ in range(self.times):
                    self.tick(at)
            coming = [at + self.idle, *self.due(), *(self.at(fact.at) for fact in facts[:1])]
            # The last hour is always looked at: what waits for a clerk is found at any tick.
            at = max(at + HOUR, min(_tick_from(min(coming)), _tick_from(end - HOUR)))
        for fact in facts:
            self.do(fact)

    def tick(self, at: datetime) -> None:
        """Do what the timetable does within a few minutes; where nothing happened, nothing waits to be sent."""
        with clock.at(at):
            looked = None
            while looked is None or looked.counts["status_restored"]:
                # Who is active again is billed by the next look, five minutes later.
                bill(at, recorded=False)
                looked = sweep(at)
                if looked.events:
                    dispatch_charges(at)
                    dispatch_notices(at)

    def due(self) -> Iterator[datetime]:
        """Return when something is to be decided or billed next."""
        look_at = Standing.objects.get(account=self.account).next_look_at
        if look_at is not None:
            yield look_at
        terms = BillingParameters.objects.select_related("account__status").get(account=self.account)
        if terms.next_bill_on is not None and terms.account.status.activates_billing and terms.daily_billing:
            yield issue_instant(terms.next_bill_on, self.zone)

    def invoice(self, letter: str) -> Invoice:
        """Return an invoice by its letter."""
        return self.account.invoices.order_by("issued_on", "pk")[LETTERS.index(letter)]

    def do(self, fact: Fact) -> None:
        """Let a fact happen, as whoever is in charge of it would enter it."""
        local, words = fact.at.isoformat(), fact.words
        match fact.verb:
            case "pays":
                named = self.invoice(words[2]) if words[1:2] == ["for"] else None
                self.payments.append(self.story.pays(local, words[0], invoice=named))
            case "returns":
                self.story.bounces(local, self.payments[int(words[0]) - 1])
            case "grace":
                self.story.gets_grace(local, words[0], lift_now="lift" in words)
            case _:
                with self.story.now(local):
                    self.enter(fact.verb, words)

    def enter(self, verb: str, words: list[str]) -> None:
        """Let something happen that only rows can say."""
        match verb:
            case "status":
                change_status(self.account, AccountStatus.objects.get(name=words[0]), reason="asked for by phone")
            case "daily-billing":
                BillingParameters.objects.filter(account=self.account).update(daily_billing=words[0] == "on")
            case "email":
                # This address and no number: another channel would carry the letter instead of it.
                Contact.objects.filter(account=self.account).update(email=words[0], phone="")
            case "card":
                replace_funding_source(self.account, int(words[0]), source_token=words[1])
            case "waives-fee":
                charge = Charge.objects.get(about_invoice=self.invoice(words[0]), kind=Charge.Kind.LATE_FEE)
                waive_charge(charge, "our provider was down")
            case "publishes":
                key, _, value = words[0].partition("=")
                draft = self.golden.policy | {key: int(value)}
                publish(import_version(draft, policy=Policy.objects.get(name=self.golden.policy["name"])))
            case _:
                raise AssertionError(f"nobody knows how to enter {verb!r}")

    def lived(self) -> list[str]:
        """Return the events of the journal as lines."""
        issued = self.account.invoices.order_by("issued_on", "pk").values_list("pk", flat=True)
        letters = dict(zip(issued, LETTERS, strict=False))
        rows = Event.objects.filter(account=self.account).order_by("sequence")
        return self.golden.matches(
            [(str(row.on), row.kind, letters.get(row.invoice_id or 0), str(row.amount)) for row in rows]
        )

    def ends(self) -> dict[str, Any]:
        """Return how the rows stand, for what the golden timeline says of its end."""
        standing = Standing.objects.get(account=self.account)
        charges = Charge.objects.filter(account=self.account, waived_at=None).order_by("pk")
        parameters = BillingParameters.objects.get(account=self.account)
        newest = self.account.invoices.order_by("-issued_on", "-pk").first()
        attempts = PaymentAttempt.objects.filter(invoice=newest).order_by("pk")
        known = {
            "status": self.story.status,
            "next_bill_on": str(parameters.next_bill_on),
            "delinquent_since": str(standing.delinquent_since),
            "charges": [str(charge.amount) for charge in charges],
            "past_due": [
                str(row.remaining)
                for row in Invoice.objects.filter(account=self.account, remaining__gte=Decimal("0.01")).order_by("pk")
            ],
            "holds": Hold.objects.filter(account=self.account, lifted_at=None).count(),
            "open_tickets": self.account.tickets.exclude(state="closed").count(),
            "attempts": list(attempts.values_list("rank", "state")),
            "attention": sorted(self.account.attention_rows.filter(resolved_at=None).values_list("code", flat=True)),
        }
        return {name: known[name] for name in self.golden.ends}


def _tick_from(at: datetime) -> datetime:
    """Return the first tick at or after an instant: five past, on the clock of UTC."""
    tick = at.replace(minute=5, second=0, microsecond=0)
    return tick if tick >= at else tick + HOUR
