"""An account as the rules see it, and how ledger entries become facts."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from accounts.models import Account
from billing_project.kernel import clock
from invoicing.models import Invoice, LedgerEntry
from invoicing.rules.allocation import Fact, Issued

from .models import Case, InvoiceStanding, PolicyVersion, Standing, StepRun, Ticket
from .rules.facts import AccountState, Grant
from .rules.outlook import Moment
from .rules.policy import Policy
from .rules.when import ISSUE

ZERO = Decimal("0.00")
_FACT_ORDER = {"payment": 0, "reversal": 1, "adjusted": 2, "issued": 3}
_KINDS = {
    LedgerEntry.Kind.PAYMENT: "payment",
    LedgerEntry.Kind.REVERSAL: "reversal",
    LedgerEntry.Kind.INVOICE: "issued",
}


@dataclass(slots=True)
class Position:
    """One account as the rules see it, with the rows it was made from."""

    account: Account
    standing: Standing
    policy: Policy
    version: PolicyVersion
    state: AccountState
    after: Moment
    facts: list[Fact | Grant] = field(default_factory=list)
    ledger_newest: int = 0
    grants_newest: int = 0
    invoice_rows: dict[int, Invoice] = field(default_factory=dict)
    invoice_standings: dict[int, InvoiceStanding] = field(default_factory=dict)
    step_runs: dict[tuple[str, str], StepRun] = field(default_factory=dict)
    case: Case | None = None
    ticket: Ticket | None = None
    ticket_paid: Ticket | None = None  # the last one that payment closed, if payments have been returned since


def due_on(invoice: Invoice, policy: Policy) -> date:
    """Return the due date that counts: the policy's for imported invoices (contract section 3), else the invoice's."""
    if invoice.source == Invoice.Source.IMPORTED:
        return policy.due_on(invoice.issued_on, invoice.due_on)
    return invoice.due_on


def unseen(rows: Iterable[LedgerEntry], standings: Mapping[int, Standing]) -> dict[int, list[LedgerEntry]]:
    """Return, by account under a policy, the ledger entries that no look has played."""
    entries: dict[int, list[LedgerEntry]] = defaultdict(list)
    for row in rows:
        standing = standings.get(row.account_id)
        if standing is not None and not _is_consumed(row, standing):
            entries[row.account_id].append(row)
    return entries


def _is_consumed(row: LedgerEntry, standing: Standing) -> bool:
    """Tell whether a look has played the entry already; one that stopped before the bill left that bill's out."""
    until = standing.looked_until_at
    if until is None or row.pk > standing.ledger_seen or row.effective_at > until:
        return False
    is_bill = row.kind in (LedgerEntry.Kind.INVOICE, LedgerEntry.Kind.CREDIT_USED)
    return not (row.effective_at == until and is_bill and standing.looked_until_phase < ISSUE)


def facts_of(position: Position, entries: list[LedgerEntry]) -> list[Fact]:
    """Turn unseen ledger entries into facts: one for each invoice, payment, reversal, and other change."""
    groups: dict[tuple[str, int, datetime], list[LedgerEntry]] = defaultdict(list)
    issued_at = {entry.invoice_id: entry.effective_at for entry in entries if entry.kind == LedgerEntry.Kind.INVOICE}
    for entry in entries:
        kind = _KINDS.get(LedgerEntry.Kind(entry.kind), "adjusted")
        if entry.kind == LedgerEntry.Kind.CREDIT_USED and issued_at.get(entry.invoice_id) == entry.effective_at:
            kind = "issued"
        subject = entry.payment_id if kind in ("payment", "reversal") else entry.invoice_id
        if subject is not None:
            groups[kind, subject, entry.effective_at].append(entry)
    facts = [_fact(position, kind, at, rows) for (kind, _, at), rows in groups.items()]
    return sorted(facts, key=lambda fact: (fact.at, _FACT_ORDER[fact.kind], _place(fact), fact.reference))


def _place(fact: Fact) -> date:
    return fact.invoice.due_on if fact.invoice is not None else fact.at.date()


def _fact(position: Position, kind: str, at: datetime, rows: list[LedgerEntry]) -> Fact:
    standing = position.standing
    # A look that stopped before the bills of its instant has left them undecided, however late they are made up for.
    undecided = kind == "issued" and at == standing.looked_until_at and standing.looked_until_phase < ISSUE
    if standing.looked_until_at is not None and at <= standing.looked_until_at and not undecided:
        # It came after its time was decided: it counts from when it was recorded.
        at = max(at, min(max(row.recorded_at for row in rows), clock.now()))
    local = local_of(at, position.account.timezone)
    moves = tuple(
        (row.invoice_id, row.amount)
        for row in rows
        if row.invoice_id is not None and row.kind != LedgerEntry.Kind.INVOICE
    )
    if kind == "issued":
        invoice = position.invoice_rows[rows[0].invoice_id or 0]
        issued = Issued(
            invoice.pk,
            invoice.number,
            invoice.issued_on,
            due_on(invoice, position.policy),
            invoice.amount,
            invoice.frozen,
        )
        return Fact(local, kind, invoice.amount, invoice.number, invoice=issued, moves=moves)
    payment = rows[0].payment
    if kind == "adjusted" or payment is None:
        return Fact(local, "adjusted", ZERO, rows[0].key, moves=moves)
    return Fact(local, kind, payment.amount, payment.reference, named=payment.invoice_id, moves=moves)


def local_of(at: datetime, zone: str) -> datetime:
    """Return the local time from which something counts: of what has happened, never later than it is now.

    In the hour that a clock change repeats, what came in its first half hour would seem to lie ahead in the second; the
    look would leave it out, and as its instant is past, every later look as well.
    """
    local, now = clock.local(at, zone), clock.now()
    return min(local, clock.local(now, zone)) if at <= now else local
