"""From rows to facts: the only place where the database becomes what the rules understand.

A chunk of accounts is read in a constant number of queries. Money that the account's story has not taken into account
yet comes as facts; everything before it is in the state.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import F, Q

from accounts.models import Account, Notice
from accounts.queries import NoticeKey, notice_states_reading
from billing_project.kernel import clock
from billing_project.kernel.together import Reading, in_turn, side_by_side
from invoicing.models import BillingParameters, Invoice, LedgerEntry
from invoicing.queries import unsettled_reading
from invoicing.rules.allocation import Fact

from .facts_read import Position, due_on, facts_of, local_of, unseen
from .models import Case, GraceGrant, InvoiceStanding, PolicyVersion, Standing, StepRun, Ticket
from .policy_file import policies_reading
from .rules.facts import AccountState, Cut, Grant, InvoiceState, Proof
from .rules.policy import Do, Policy
from .rules.timeline import START

__all__ = ["Position", "add_invoices", "due_on", "positions_reading", "read_positions"]

ZERO = Decimal("0.00")
# A notice in one of these states reached the provider; in one of the others it may still do so.
_ACCEPTED = set(Notice.TOLD)
_WAITING = {"queued", "claimed", "sending", "ambiguous"}
_OF_POLICIES = Ticket.objects.filter(kind=Ticket.Kind.DELINQUENCY).select_related("queue")


def read_positions(accounts: Sequence[Account], *, instead: Policy | None = None) -> list[Position]:
    """Read accounts that the caller has locked; those without a standing are left out.

    With `instead` they are read under that policy rather than their own, for a forecast.
    """
    return in_turn(positions_reading(accounts, instead=instead))


def positions_reading(accounts: Sequence[Account], *, instead: Policy | None = None) -> Reading[list[Position]]:
    """Read accounts, as `read_positions` returns them; three rounds at most."""
    by_id = {account.pk: account for account in accounts}
    first, unsettled = yield from side_by_side(_first_round(by_id), unsettled_reading(by_id))
    standings, versions = first.standings, {version.pk: version for version in first.versions}
    for standing in standings:
        standing.policy_version = versions[standing.policy_version_id]  # few: one object for all
    entries = unseen(first.entries, {row.account_id: row for row in standings})
    policies, invoices = yield from side_by_side(
        policies_reading(versions.values()),
        _invoices_of(standings, entries, by_id),
    )
    positions: dict[int, Position] = {}
    bill_days = dict(first.bill_days)
    for standing in standings:
        account, own = by_id[standing.account_id], policies[standing.policy_version_id]
        positions[account.pk] = _placed(account, standing, instead or own, bill_days.get(account.pk))
    for row in first.entries:
        if row.account_id in positions:
            positions[row.account_id].ledger_newest = row.pk  # they come in order
    _take_grants(positions, first.grants)
    _take_invoices(positions, invoices, entries)
    for pk, position in positions.items():
        facts = facts_of(position, entries[pk])
        position.state.bill_dates = frozenset(fact.invoice.issued_on for fact in facts if fact.invoice is not None)
        position.facts.extend(facts)
        position.state.unsettled = pk in unsettled
    _take_cases(positions, first.cases, first.tickets)
    for account_id, late_on in first.seriously_late:
        if account_id in positions:
            positions[account_id].state.seriously_late.append(late_on)
    yield from _take_last_round(positions)
    return list(positions.values())


@dataclass(slots=True, frozen=True)
class _First:
    """What can be read of accounts without knowing anything of them yet."""

    bill_days: list[tuple[int, int]]
    standings: list[Standing]
    versions: list[PolicyVersion]
    grants: list[GraceGrant]
    entries: list[LedgerEntry]
    cases: list[Case]
    tickets: list[Ticket]
    seriously_late: list[tuple[int, date]]


def _first_round(by_id: Mapping[int, Account]) -> Reading[_First]:
    late = InvoiceStanding.objects.filter(account__among=by_id, seriously_late_on__isnull=False, not_counted_why="")
    rows = yield (
        BillingParameters.objects.filter(account__among=by_id).values_list("account_id", "bill_day"),
        Standing.objects.filter(account__among=by_id),
        PolicyVersion.objects.filter(pk__in=Standing.objects.filter(account__among=by_id).values("policy_version"))
        .select_related("policy"),
        GraceGrant.objects.filter(account__among=by_id)
        .filter(Q(pk__gt=F("account__standing__grants_seen"))
                | Q(granted_at__gt=F("account__standing__looked_until_at")))
        .order_by("pk"),
        # Those that no look has taken into account: newer ones, and those dated ahead of the look.
        LedgerEntry.objects.filter(account__among=by_id, charge__isnull=True)
        .filter(Q(pk__gt=F("account__standing__ledger_seen"))
                | Q(effective_at__gte=F("account__standing__looked_until_at"))
                | Q(account__standing__looked_until_at__isnull=True))
        .select_related("payment").order_by("pk"),
        Case.objects.filter(account__among=by_id).order_by("account_id", "-number").distinct("account_id"),
        _OF_POLICIES.filter(account__among=by_id).exclude(state=Ticket.State.CLOSED),
        late.values_list("account_id", "seriously_late_on").order_by("seriously_late_on", "pk"),
    )  # fmt: skip
    return _First(*rows)


def _placed(account: Account, standing: Standing, policy: Policy, bill_day: int | None) -> Position:
    after = (
        START
        if standing.looked_until_at is None
        else (clock.local(standing.looked_until_at, account.timezone), standing.looked_until_phase)
    )
    return Position(
        account=account,
        standing=standing,
        policy=policy,
        version=standing.policy_version,
        after=after,
        state=AccountState(
            bill_day=bill_day,
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


def _take_grants(positions: dict[int, Position], rows: Iterable[GraceGrant]) -> None:
    for row in rows:
        position = positions.get(row.account_id)
        if position is None:
            continue
        position.facts.append(
            Grant(local_of(row.granted_at, position.account.timezone), row.until_on, row.lift_now, row.reason)
        )
        position.grants_newest = max(position.grants_newest, row.pk)


def _invoices_of(
    standings: Sequence[Standing], entries: Mapping[int, list[LedgerEntry]], by_id: Mapping[int, Account]
) -> Reading[list[Invoice]]:
    """Read the invoices that may still matter: unpaid, touched by news, delinquent, or moved since the last look."""
    touched = {entry.invoice_id for rows in entries.values() for entry in rows if entry.invoice_id}
    rows = Invoice.objects.filter(account__among=[standing.account_id for standing in standings]).filter(
        Q(state=Invoice.State.OPEN)
        | Q(pk__among=touched)
        | Q(standing__delinquent_on__isnull=False)
        | Q(standing__moved_on__gte=_moved_since(standings, by_id))
    )
    (found,) = yield (rows.select_related("standing"),)
    return found


def _take_invoices(
    positions: dict[int, Position], rows: Iterable[Invoice], entries: dict[int, list[LedgerEntry]]
) -> None:
    for row in rows:
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


def _moved_since(standings: Iterable[Standing], by_id: Mapping[int, Account]) -> date:
    """Return the earliest day on which a paid invoice may still matter: that of the longest ago look."""
    days = [
        clock.local(row.looked_until_at, by_id[row.account_id].timezone).date()
        for row in standings
        if row.looked_until_at is not None
    ]
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


def _take_cases(positions: dict[int, Position], cases: Iterable[Case], tickets: Iterable[Ticket]) -> None:
    for case in cases:
        if case.account_id not in positions:
            continue
        position, state = positions[case.account_id], positions[case.account_id].state
        position.case, state.episodes_count = case, case.number
        state.episode = None if case.stage == Case.Stage.CLOSED else case.number
        state.resumable = case.stage == Case.Stage.CLOSED and not case.lifted
        state.reached_cut = case.reached_cut
        state.fee_for_episode = case.number if case.reconnection_fee_charged else None
    for ticket in tickets:
        if ticket.account_id in positions:
            positions[ticket.account_id].ticket = ticket
            positions[ticket.account_id].state.ticket = frozenset(ticket.invoices)


def _take_last_round(positions: dict[int, Position]) -> Reading[None]:
    """Read what has been done for the invoices and cases; where a payment was returned, the ticket it closed (A23)."""
    anchors = {f"case:{position.case.number}" for position in positions.values() if position.case is not None}
    anchors |= {f"invoice:{pk}" for position in positions.values() for pk in position.invoice_rows}
    asked: list[Any] = [
        StepRun.objects.filter(account__among=positions)
        .filter(Q(anchor_key__among=anchors) | Q(in_force=True))
        .order_by("pk")
    ]
    returned = [pk for pk, position in positions.items() if any(_is_reversal(fact) for fact in position.facts)]
    if returned:
        paid = _OF_POLICIES.filter(account__in=returned, closed_how=Ticket.ClosedHow.PAYMENT)
        asked.append(paid.order_by("account_id", "-closed_at", "-pk").distinct("account_id"))
    wanted = [pk for pk, p in positions.items() if any(step.requires_notice for step in p.policy.steps)]
    (runs, *tickets), states = yield from side_by_side(_these(asked), notice_states_reading(wanted))
    for run in runs:
        _take_run(positions[run.account_id], run)
    for ticket in tickets[0] if tickets else ():
        positions[ticket.account_id].ticket_paid = ticket
        positions[ticket.account_id].state.ticket_paid = frozenset(ticket.invoices)
    _prove(positions, wanted, states)


def _these(asked: list[Any]) -> Reading[tuple[list[Any], ...]]:
    return (yield tuple(asked))


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


def _prove(positions: dict[int, Position], wanted: Iterable[int], states: Mapping[NoticeKey, set[str]]) -> None:
    """Let cuts that require a notice see whether it was accepted (A30)."""
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
