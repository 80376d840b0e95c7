"""Who lives in the town: names, lines, plans, cards and habits, drawn from a seed. No clock, no database."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from . import words

BUSINESS_SHARE = 0.2
# Of businesses with a card that works, invoices are never late; the others must make up for them.
CARD_SHARE = 0.45
CARD_STEP = 37
RESIDENTIAL_ZONES = ("America/New_York",) * 9 + ("America/Chicago",)
BILL_DAYS = (1, 1, 1, 1, 5, 10, 15, 20, 25)
BILL_DAY_MAX = 28
PLANS = ("Fibre 100", "Fibre 100", "Fibre 300", "Fibre 300", "Fibre 300", "Fibre 1000")
BUSINESS_PLANS = ("Business 500", "Business 500", "Business 1000")
EXTRAS = ("Home phone", "Wi-Fi care", "Wi-Fi care")
DEVICES = 2
BOUNCING = 4  # the index of a business that does not pay by card, whose mailbox bounces


class Stage(StrEnum):
    """Where a subscriber is to stand today, so that every stage can be seen."""

    PAST_DUE = "past due"
    SLOWED = "slowed"
    SWITCHED = "switched off"
    RESTORED = "restored"
    RETURNED = "returned"
    GRACE = "grace"
    PROMISE = "promise"


# Days since the last bill, and days before today at which it is paid (None: not yet). The policy of these
# accounts: due after 15 days, delinquent and slowed after 20, switched after 27. Several ages, so that one of
# them falls on a bill day that every month has.
AGES: dict[Stage, tuple[tuple[int, ...], int | None]] = {
    Stage.PAST_DUE: ((17, 18, 19, 16), None),
    Stage.SLOWED: ((22, 24, 23, 25), None),
    Stage.SWITCHED: ((28, 29, 30, 31), None),
    Stage.RESTORED: ((24, 25, 23, 26), 2),
    Stage.RETURNED: ((30, 29, 31, 32), 2),
    Stage.GRACE: ((21, 22, 23, 24), None),
    Stage.PROMISE: ((18, 19, 17, 16), None),
}
# How many of a hundred subscribers are to be in each.
PER_HUNDRED = {
    Stage.SLOWED: 3, Stage.PAST_DUE: 2, Stage.RESTORED: 2, Stage.SWITCHED: 1.5, Stage.RETURNED: 1,
    Stage.GRACE: 1, Stage.PROMISE: 0.5,
}  # fmt: skip


class Habit(StrEnum):
    """How a subscriber pays."""

    USUAL = "usual"
    CARD = "card"
    STOPS = "stops"


@dataclass(frozen=True, slots=True)
class Card:
    """A card at the sandbox gateway; its token says what it does there."""

    rank: int
    token: str
    brand: str
    last4: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """One account to be, with everything that belongs to it."""

    number: str
    name: str
    contact: str
    email: str
    phone: str
    is_business: bool
    zone: str
    address: str
    ipv4: str
    device: int
    bill_day: int
    services: tuple[str, ...]
    discount: str = ""
    cards: tuple[Card, ...] = ()
    habit: Habit = Habit.USUAL
    stops_after: int = 0  # paid invoices, before a subscriber who stops does so
    stage: Stage | None = None
    staged_bill_on: date | None = None

    def dice(self, seed: int) -> random.Random:
        """Return the subscriber's own source of chance, which no other subscriber's story disturbs."""
        return _dice(seed, self.number)


def people(count: int, seed: int, today: date) -> list[Subscriber]:
    """Return the town's subscribers; the same seed and day give the same town."""
    dice = _dice(seed, "town")
    businesses = round(count * BUSINESS_SHARE)
    stages = list(_stages(count - businesses))
    found = []
    for index in range(count):
        if index < businesses:
            found.append(_business(index, dice))
        else:
            place = index - businesses
            found.append(_household(index, place, dice, stages[place] if place < len(stages) else None, today))
    return found


def _stages(room: int) -> Iterator[Stage]:
    """Yield the stages that are to be filled, each at least once where there is room."""
    wanted = {stage: max(1, round(share * room / 80)) for stage, share in PER_HUNDRED.items()}
    if sum(wanted.values()) > room // 2:
        wanted = dict.fromkeys(list(PER_HUNDRED)[: room // 2], 1)
    for stage, number in wanted.items():
        yield from [stage] * number


def _household(index: int, place: int, dice: random.Random, stage: Stage | None, today: date) -> Subscriber:
    first, last = dice.choice(words.FIRST_NAMES), dice.choice(words.LAST_NAMES)
    staged_bill_on = _staged_bill_on(stage, today) if stage else None
    extra = (dice.choice(EXTRAS),) if dice.random() < 0.3 else ()
    stops = stage is None and place % 24 == 11
    return Subscriber(
        number=f"{1001 + index}", name=f"{first} {last}", contact=f"{first} {last}",
        email=_email(first, last, index), phone=_phone(index), is_business=False,
        zone=RESIDENTIAL_ZONES[index % len(RESIDENTIAL_ZONES)],
        address=_address(dice), ipv4=_ipv4(index), device=index % DEVICES,
        bill_day=staged_bill_on.day if staged_bill_on else dice.choice(BILL_DAYS),
        services=(dice.choice(PLANS), *extra), discount="New customer" if dice.random() < 0.15 else "",
        habit=Habit.STOPS if stops else Habit.USUAL, stops_after=place // 24 % 5 + 1,
        stage=stage, staged_bill_on=staged_bill_on,
    )  # fmt: skip


def _business(index: int, dice: random.Random) -> Subscriber:
    first, last = dice.choice(words.FIRST_NAMES), dice.choice(words.LAST_NAMES)
    trade = words.TRADES[index % len(words.TRADES)]
    # Spread evenly, so that also a small town comes near to the share.
    pays_by_card = index * CARD_STEP % 100 < CARD_SHARE * 100 and index != BOUNCING
    stops = not pays_by_card and index % 9 == 4
    return Subscriber(
        number=f"{1001 + index}", name=f"{last} {trade}", contact=f"{first} {last}",
        # One mailbox that bounces, as every list of customers has.
        email="bounce@customer.example" if index == BOUNCING else _email(first, last, index),
        phone=_phone(index),
        is_business=True, zone="America/New_York", address=_address(dice), ipv4=_ipv4(index),
        device=index % DEVICES, bill_day=1,
        services=(dice.choice(BUSINESS_PLANS), *(("Static address",) if dice.random() < 0.5 else ())),
        discount="Two lines" if dice.random() < 0.1 else "", cards=_cards(index, pays_by_card),
        habit=Habit.CARD if pays_by_card else Habit.STOPS if stops else Habit.USUAL, stops_after=index % 3 + 2,
    )  # fmt: skip


def _cards(index: int, works: bool) -> tuple[Card, ...]:
    if works:
        # One whose answers get lost: the charge is unknown until it is looked up.
        token = "tok_lost_answer" if index % 17 == 5 else "tok_ok"
        return (Card(1, token, "Visa", f"{4000 + index % 1000:04d}"),)
    declining = ("tok_declined", "tok_insufficient", "tok_expired")[index % 3]
    if index % 2:
        return ()
    return (Card(1, declining, "Mastercard", f"{5000 + index % 1000:04d}"),)


def _staged_bill_on(stage: Stage, today: date) -> date:
    days = [today - timedelta(days=age) for age in AGES[stage][0]]
    return next(day for day in days if day.day <= BILL_DAY_MAX)


def _email(first: str, last: str, index: int) -> str:
    return f"{first}.{last}.{1001 + index}@customer.example".lower()


def _phone(index: int) -> str:
    return f"+1555{2_010_100 + index}"


def _ipv4(index: int) -> str:
    return f"100.64.{1 + index // 200}.{10 + index % 200}"


def _address(dice: random.Random) -> str:
    return f"{dice.randint(1, 240)} {dice.choice(words.STREETS)}\n{dice.choice(words.TOWNS)}"


def _dice(seed: int, name: str) -> random.Random:
    return random.Random(f"{seed}:{name}")  # noqa: S311 - a town is drawn, no secret
