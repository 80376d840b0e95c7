"""From rows to facts: the only place where the database becomes what the rules understand.

A chunk of accounts is read in a constant number of queries. Money that the account's story has not taken into account
yet comes as facts; everything before it is in the state.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from django.db.models import F, Q

from accounts.models import Account, Notice
from accounts.queries import notice_states
from billing_project.kernel import clock
from invoicing.models import BillingParameters, Invoice, LedgerEntry
from invoicing.queries import accounts_with_unsettled
from invoicing.rules.allocation import Fact, Issued

from .models import Case, GraceGrant, InvoiceStanding, PolicyVersion, Standing, StepRun, Ticket
from .policy_file import policies_from
from .rules.facts import AccountState, Cut, Grant, InvoiceState, Proof
from .rules.outlook import Moment
from .rules.policy import Do, Policy
from .rules.timeline import START
from .rules.when import ISSUE

ZERO = Decimal("0.00")
_FACT_ORDER = {"payment": 0, "reversal": 1, "adjusted": 2, "issued": 3}
_KINDS = {
    LedgerEntry.Kind.PAYMENT: "payment",
    LedgerEntry.Kind.REVERSAL: "reversal",
    LedgerEntry.Kind.INVOICE: "issued",
}
# A notice in one of these states reached the provider; in one of the others it may still do so.
_ACCEPTED = set(Notice.TOLD)
_WAITING = {"queued", "claimed", "sending", "ambiguous"}


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


def read_positions(accounts: Sequence[Account], *, instead: Policy | None = None) -> list[Position]:
    """Read accounts that the caller has locked; those without a standing are left out.

    With `instead` they are read under that policy rather than their own, for a forecast.
    """
    by_id = {account.pk: account for account in accounts}
    positions: dict[int, Position] = {}
    bill_days = dict(BillingParameters.objects.filter(account__in=by_id).values_list("account_id", "bill_day"))
    standings = list(Standing.objects.filter(account__in=by_id).select_related("policy_version__policy"))
    policies = policies_from(standing.policy_version for standing in standings)
    for standing in standings:
        account = by_id[standing.account_id]
        after = (
            START
            if standing.looked_until_at is None
            else (clock.local(standing.looked_until_at, account.timezone), standing.looked_until_phase)
        )
        version = standing.policy_version
        positions[account.pk] = Position(
            account=account,
            standing=standing,
            policy=instead or policies[version.pk],
            version=version,
            after=after,
            state=AccountState(
                bill_day=bill_days.get(account.pk),
                grace_until=standing.grace_until,
                grace_day=standing.grace_set_on,
                grace_opening=standing.grace_before,
                held_until=standing.held_until,
                delinquent_since=standing.delinquent_since,
                flagged_on=standing.flagged_on,
                unflagged_on=standing.unflagged_on,
                asked_on=standing.second_source_asked_on,
                switched=standing.switched_on is not None,
                may_switch=account.closed_on is None
                and (account.status.activates_billing or standing.switched_on is not None),
            ),
        )
    _read_grants(positions)
    entries = _read_entries(positions)
    _read_invoices(positions, entries)
    for pk, position in positions.items():
        facts = _facts(position, entries[pk])
        position.state.bill_dates = frozenset(fact.invoice.issued_on for fact in facts if fact.invoice is not None)
        position.facts.extend(facts)
    _read_cases(positions)
    _read_seriously_late(positions)
    _read_proofs(positions)
    return list(positions.values())


def due_on(invoice: Invoice, policy: Policy) -> date:
    """Return the due date that counts: the policy's for imported invoices (contract section 3), else the invoice's."""
    if invoice.source == Invoice.Source.IMPORTED:
        return policy.due_on(invoice.issued_on, invoice.due_on)
    return invoice.due_on


def _read_grants(positions: dict[int, Position]) -> None:
    rows = GraceGrant.objects.filter(account__in=positions).filter(
        Q(pk__gt=F("account__standing__grants_seen")) | Q(granted_at__gt=F("account__standing__looked_until_at"))
    )
    for row in rows.order_by("pk"):
        position = positions[row.account_id]
        position.facts.append(
            Grant(_local(row.granted_at, position.account.timezone), row.until_on, row.lift_now, row.reason)
        )
        position.grants_newest = max(position.grants_newest, row.pk)


def _read_entries(positions: dict[int, Position]) -> dict[int, list[LedgerEntry]]:
    """Return the ledger entries that no look has taken into account: newer ones, and those dated ahead of the look."""
    entries: dict[int, list[LedgerEntry]] = defaultdict(list)
    rows = LedgerEntry.objects.filter(account__in=positions, charge__isnull=True).filter(
        Q(pk__gt=F("account__standing__ledger_seen"))
        | Q(effective_at__gte=F("account__standing__looked_until_at"))
        | Q(account__standing__looked_until_at__isnull=True)
    )
    for row in rows.select_related("payment").order_by("pk"):
        position = positions[row.account_id]
        position.ledger_newest = max(position.ledger_newest, row.pk)
        if not _is_consumed(row, position.standing):
            entries[row.account_id].append(row)
    return entries


def _is_consumed(row: LedgerEntry, standing: Standing) -> bool:
    """Tell whether a look has played the entry already; one that stopped before the bill left that bill's out."""
    until = standing.looked_until_at
    if until is None or row.pk > standing.ledger_seen or row.effective_at > until:
        return False
    is_bill = row.kind in (LedgerEntry.Kind.INVOICE, LedgerEntry.Kind.CREDIT_USED)
    return not (row.effective_at == until and is_bill and standing.looked_until_phase < ISSUE)


def _read_invoices(positions: dict[int, Position], entries: dict[int, list[LedgerEntry]]) -> None:
    touched = {entry.invoice_id for rows in entries.values() for entry in rows if entry.invoice_id}
    rows = Invoice.objects.filter(account__in=positions).filter(
        Q(state=Invoice.State.OPEN)
        | Q(pk__in=touched)
        | Q(standing__delinquent_on__isnull=False)
        | Q(standing__moved_on__gte=_moved_since(positions.values()))
    )
    for row in rows.select_related("standing"):
        position = positions[row.account_id]
        position.invoice_rows[row.pk] = row
        standing = getattr(row, "standing", None)
        if standing is not None:
            position.invoice_standings[row.pk] = standing
    for pk, position in positions.items():
        coming = {entry.invoice_id for entry in entries[pk] if entry.kind == LedgerEntry.Kind.INVOICE}
        ahead: dict[int, Decimal] = defaultdict(lambda: ZERO)
        for entry in entries[pk]:
            if entry.invoice_id is not None:
                ahead[entry.invoice_id] += entry.amount
        for invoice in position.invoice_rows.values():
            if invoice.pk not in coming:
                position.state.invoices[invoice.pk] = _invoice_state(position, invoice, ahead[invoice.pk])


def add_invoices(position: Position, invoice_ids: Iterable[int]) -> None:
    """Add settled invoices to what was read, for a forecast in which they are owed again."""
    missing = set(invoice_ids) - position.invoice_rows.keys()
    for row in Invoice.objects.filter(account=position.account, pk__in=missing).select_related("standing"):
        position.invoice_rows[row.pk] = row
        if hasattr(row, "standing"):
            position.invoice_standings[row.pk] = row.standing
        position.state.settled[row.pk] = _invoice_state(position, row, ZERO)
    anchors = [f"invoice:{pk}" for pk in missing]
    for run in StepRun.objects.filter(account=position.account, anchor_key__in=anchors, in_force=False).order_by("pk"):
        _take_run(position, run)


def _moved_since(positions: Iterable[Position]) -> date:
    """Return the earliest day on which a paid invoice may still matter: that of the longest ago look."""
    days = [position.after[0].date() for position in positions if position.after != START]
    return min(days, default=date.max)


def _invoice_state(position: Position, invoice: Invoice, ahead: Decimal) -> InvoiceState:
    state = InvoiceState(
        key=invoice.pk,
        number=invoice.number,
        issued_on=invoice.issued_on,
        due_on=due_on(invoice, position.policy),
        amount=invoice.amount,
        remaining=invoice.remaining - ahead,
        frozen=invoice.frozen,
    )
    row = position.invoice_standings.get(invoice.pk)
    if row is not None:
        state.due_noted, state.past_due_on, state.delinquent_on = row.due_noted, row.past_due_on, row.delinquent_on
        state.first_delinquent_on, state.may_enter = row.first_delinquent_on, row.may_enter
        state.seriously_late_on, state.counts = row.seriously_late_on, not row.not_counted_why
        state.day, state.opening = row.moved_on, row.opening
        if row.reopened_at is not None:
            state.reopened_at = clock.local(row.reopened_at, position.account.timezone)
    return state


def _facts(position: Position, entries: list[LedgerEntry]) -> list[Fact]:
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
    local = _local(at, position.account.timezone)
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


def _local(at: datetime, zone: str) -> datetime:
    """Return the local time from which something counts: of what has happened, never later than it is now.

    In the hour that a clock change repeats, what came in its first half hour would seem to lie ahead in the second; the
    look would leave it out, and as its instant is past, every later look as well.
    """
    local, now = clock.local(at, zone), clock.now()
    return min(local, clock.local(now, zone)) if at <= now else local


def _read_cases(positions: dict[int, Position]) -> None:
    cases = Case.objects.filter(account__in=positions).order_by("account_id", "-number").distinct("account_id")
    for case in cases:
        position, state = positions[case.account_id], positions[case.account_id].state
        position.case, state.episodes_count = case, case.number
        state.episode = None if case.stage == Case.Stage.CLOSED else case.number
        state.resumable = case.stage == Case.Stage.CLOSED and not case.lifted
        state.reached_cut = case.reached_cut
        state.fee_for_episode = case.number if case.reconnection_fee_charged else None
    anchors = {f"case:{position.case.number}" for position in positions.values() if position.case is not None}
    anchors |= {f"invoice:{pk}" for position in positions.values() for pk in position.invoice_rows}
    runs = StepRun.objects.filter(account__in=positions).filter(Q(anchor_key__in=anchors) | Q(in_force=True))
    for run in runs.order_by("pk"):
        _take_run(positions[run.account_id], run)
    _read_tickets(positions)


def _read_tickets(positions: dict[int, Position]) -> None:
    """Read the open ticket of each account; where a payment was returned, also the one that payment closed (A23)."""
    of_policies = Ticket.objects.filter(kind=Ticket.Kind.DELINQUENCY).select_related("queue")
    for ticket in of_policies.filter(account__in=positions).exclude(state=Ticket.State.CLOSED):
        positions[ticket.account_id].ticket = ticket
        positions[ticket.account_id].state.ticket = frozenset(ticket.invoices)
    returned = [pk for pk, position in positions.items() if any(_is_reversal(fact) for fact in position.facts)]
    if not returned:
        return
    paid = of_policies.filter(account__in=returned, closed_how=Ticket.ClosedHow.PAYMENT)
    for ticket in paid.order_by("account_id", "-closed_at", "-pk").distinct("account_id"):
        positions[ticket.account_id].ticket_paid = ticket
        positions[ticket.account_id].state.ticket_paid = frozenset(ticket.invoices)


def _is_reversal(fact: Fact | Grant) -> bool:
    return isinstance(fact, Fact) and fact.kind == "reversal"


def _take_run(position: Position, run: StepRun) -> None:
    place, state = (run.step_key, run.anchor_key), position.state
    position.step_runs[place] = run
    if run.outcome == StepRun.Outcome.HELD:
        state.held.add(place)
        return
    if run.outcome == StepRun.Outcome.WAITING:
        # A step that the policy version no longer has never runs, so nothing waits for its notice (A36).
        if any(step.key == run.step_key for step in position.policy.ladder):
            state.waiting[place] = run.on
        return
    state.done.add(place)
    if run.action in (Do.RESTRICT, Do.STATUS_SWITCH):
        cut = Cut(run.step_key, run.anchor_key, run.action, run.level, frozenset(run.invoices))
        (state.cuts if run.in_force else state.released_cuts).append(cut)


def _read_seriously_late(positions: dict[int, Position]) -> None:
    rows = InvoiceStanding.objects.filter(account__in=positions, seriously_late_on__isnull=False, not_counted_why="")
    for account_id, late_on in rows.values_list("account_id", "seriously_late_on").order_by("seriously_late_on", "pk"):
        if late_on is not None:
            positions[account_id].state.seriously_late.append(late_on)
    unsettled = accounts_with_unsettled(list(positions))
    for account_id in unsettled:
        positions[account_id].state.unsettled = True


def _read_proofs(positions: dict[int, Position]) -> None:
    """Let cuts that require a notice see whether it was accepted (A30)."""
    wanted = [pk for pk, p in positions.items() if any(step.requires_notice for step in p.policy.steps)]
    if not wanted:
        return
    states = notice_states(wanted)
    for pk in wanted:
        position = positions[pk]
        tickets = {step.key for step in position.policy.steps if step.action is Do.TICKET}

        # A notice whose day was missed counts for the decision; the device's order is checked again before it leaves.
        missed = {place for place, run in position.step_runs.items() if run.outcome == StepRun.Outcome.NOT_SENT}

        def proof(
            step_key: str, anchor: str, pk: int = pk, tickets: set[str] = tickets, missed: set[tuple[str, str]] = missed
        ) -> Proof:
            found = states.get((pk, anchor, step_key), set())
            if step_key in tickets or (step_key, anchor) in missed or found & _ACCEPTED:
                return Proof.ACCEPTED
            return Proof.WAITING if found & _WAITING else Proof.FAILED

        position.state.proof = proof
