"""Which invoices a payment settles (A21): pure, and used alike by the ledger, `timeline` and `backtest`.

Times here are naive local times of the account's zone. Money that carries a date only counts from 00:00 of that
day, invoices from 00:05, so that on one day the order is money, reversals, invoices.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal

ISSUE_TIME = time(0, 5)
ZERO = Decimal("0.00")

Key = Hashable


@dataclass(slots=True)
class Pot:
    """An issued invoice as money sees it: what is left to pay, and its place in the queue."""

    key: Key
    issued_on: date
    due_on: date
    number: str
    remaining: Decimal
    frozen: bool = False

    def place(self) -> tuple[date, date, str]:
        """Return the sort key of A21: oldest due, then issue date, then number."""
        return (self.due_on, self.issued_on, self.number)


def allocate(amount: Decimal, pots: Iterable[Pot], *, named: Key | None = None) -> list[tuple[Key, Decimal]]:
    """Share an amount over unpaid invoices; what is not returned is credit.

    The named invoice comes first, then oldest due, issue date, number. Frozen invoices are skipped, also when named.
    """
    unpaid = [pot for pot in pots if pot.remaining > 0 and not pot.frozen]
    if len(unpaid) > 1:
        unpaid.sort(key=lambda pot: (pot.key != named, *pot.place()))
    shares: list[tuple[Key, Decimal]] = []
    for pot in unpaid:
        if amount <= 0:
            break
        part = min(amount, pot.remaining)
        shares.append((pot.key, part))
        amount -= part
    return shares


@dataclass(frozen=True, slots=True)
class Issued:
    """An invoice to be issued; `due_on` is the due date that counts."""

    key: Key
    number: str
    issued_on: date
    due_on: date
    amount: Decimal
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """Money that arrived at a local time, perhaps for a named invoice."""

    reference: str
    at: datetime
    amount: Decimal
    named: Key | None = None


@dataclass(frozen=True, slots=True)
class Returned:
    """A payment that was taken back; counts from when its return was recorded (A23)."""

    reference: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to the money at a local time, and what it did to each invoice's remaining."""

    at: datetime
    kind: str  # "issued", "payment" or "reversal"
    amount: Decimal
    reference: str
    invoice: Issued | None = None
    named: Key | None = None
    moves: tuple[tuple[Key, Decimal], ...] = ()


_ORDER = {"payment": 0, "reversal": 1, "issued": 2}
_Entry = tuple[datetime, int, date, str, Issued | Received | Returned]


@dataclass(slots=True)
class _Purse:
    """What is left of one payment as credit, and which invoices the rest went to."""

    reference: str
    amount: Decimal
    credit: Decimal
    named: Key | None
    spent: dict[Key, Decimal] = field(default_factory=dict)

    def spend(self, key: Key, part: Decimal) -> None:
        self.spent[key] = self.spent.get(key, ZERO) + part
        self.credit -= part


@dataclass(slots=True)
class Book:
    """The money of one account, played in order of time."""

    pots: dict[Key, Pot] = field(default_factory=dict)
    purses: dict[str, _Purse] = field(default_factory=dict)

    def issue(self, invoices: Sequence[Issued]) -> list[list[tuple[Key, Decimal]]]:
        """Issue invoices of one instant; credit is used at once, first by the invoice its payer named."""
        moves: list[list[tuple[Key, Decimal]]] = []
        for invoice in invoices:
            self.pots[invoice.key] = Pot(
                invoice.key, invoice.issued_on, invoice.due_on, invoice.number, invoice.amount, invoice.frozen
            )
            moves.append([])
        waiting = [purse for purse in self.purses.values() if purse.credit > 0]
        for own in (True, False) if waiting else ():
            for invoice, done in zip(invoices, moves, strict=True):
                for purse in waiting:
                    if purse.credit > 0 and (not own or purse.named == invoice.key):
                        done.extend(self._use(purse, invoice.key))
        return moves

    def _use(self, purse: _Purse, key: Key) -> list[tuple[Key, Decimal]]:
        used = []
        for target, part in allocate(purse.credit, [self.pots[key]]):
            purse.spend(target, part)
            self.pots[target].remaining -= part
            used.append((target, -part))
        return used

    def receive(self, payment: Received) -> list[tuple[Key, Decimal]]:
        """Take in a payment; what no invoice needs waits as credit."""
        purse = self.purses[payment.reference] = _Purse(
            payment.reference, payment.amount, payment.amount, payment.named
        )
        moves = []
        for key, part in allocate(payment.amount, self.pots.values(), named=payment.named):
            purse.spend(key, part)
            self.pots[key].remaining -= part
            moves.append((key, -part))
        return moves

    def take_back(self, reference: str) -> list[tuple[Key, Decimal]]:
        """Reverse a payment: everything it paid is owed again, and its credit is gone (A21)."""
        purse = self.purses.pop(reference)
        moves = []
        for key, part in purse.spent.items():
            self.pots[key].remaining += part
            moves.append((key, part))
        return moves


def replay(invoices: Sequence[Issued], payments: Sequence[Received], reversals: Sequence[Returned]) -> list[Fact]:
    """Play invoices, payments and reversals in order of time and say what each did.

    A reversal of a payment that has not arrived by then is ignored, as nothing was paid.
    """
    queue: list[_Entry] = [(p.at, _ORDER["payment"], p.at.date(), p.reference, p) for p in payments]
    queue += [(r.at, _ORDER["reversal"], r.at.date(), r.reference, r) for r in reversals]
    queue += [(datetime.combine(i.issued_on, ISSUE_TIME), _ORDER["issued"], i.due_on, i.number, i) for i in invoices]
    queue.sort(key=lambda entry: entry[:4])
    return _play(queue)


def _play(queue: list[_Entry]) -> list[Fact]:
    book, facts, index = Book(), [], 0
    while index < len(queue):
        at, _, _, _, item = queue[index]
        index += 1
        if isinstance(item, Received):
            moves = book.receive(item)
            facts.append(Fact(at, "payment", item.amount, item.reference, named=item.named, moves=tuple(moves)))
        elif isinstance(item, Returned):
            if item.reference in book.purses:
                purse = book.purses[item.reference]
                moves = book.take_back(item.reference)
                facts.append(Fact(at, "reversal", purse.amount, item.reference, named=purse.named, moves=tuple(moves)))
        elif isinstance(item, Issued):
            batch = [item]
            while index < len(queue) and queue[index][0] == at and isinstance(queue[index][4], Issued):
                batch.append(queue[index][4])  # type: ignore[arg-type]
                index += 1
            for invoice, moves in zip(batch, book.issue(batch), strict=True):
                facts.append(Fact(at, "issued", invoice.amount, invoice.number, invoice=invoice, moves=tuple(moves)))
    return facts
