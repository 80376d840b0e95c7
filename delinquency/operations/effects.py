"""What looks at a chunk of accounts lead to, collected and then written in a constant number of statements.

Rows only: what leaves the program is an outbox row that its room sends later, and asks about again before it does.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from accounts.models import Account, AccountStatus
from accounts.operations import AttentionRequest, change_status, raise_attentions
from accounts.outreach.outbox import NoticeRequest, enqueue_many
from accounts.queries import billing_contacts
from billing_project.kernel import clock
from billing_project.kernel.bulk import (
    copy_rows,
    copy_values,
    insert_with_history,
    reserve_keys,
    update_rows,
    update_with_history,
)
from invoicing.operations.chargeable import ChargeAttemptOrder
from invoicing.operations.charges import ChargeOrder, add_charges
from invoicing.operations.collect import queue_charges
from invoicing.operations.terms import credit_restricted_days
from netenforce.operations import LiftHold, PlaceHold, change_holds, follow_accounts

from ..models import CallTask, Case, Event, InvoiceStanding, Standing, StepRun, Ticket, TicketComment
from ..ticketing import answer_due_at, hours_of, queue_for
from . import second_source

STANDING_FIELDS = (
    "grace_until",
    "delinquent_since",
    "flagged_on",
    "unflagged_on",
    "second_source_asked_on",
    "switched_on",
    "status_before_switch",
)
CURSOR_FIELDS = (
    "looked_until_at",
    "looked_until_phase",
    "next_look_at",
    "ledger_seen",
    "grants_seen",
    "grace_set_on",
    "grace_before",
    "events_count",
)
INVOICE_FIELDS = (
    "due_noted",
    "past_due_on",
    "delinquent_on",
    "first_delinquent_on",
    "may_enter",
    "reopened_at",
    "seriously_late_on",
    "moved_on",
    "opening",
)
CASE_FIELDS = (
    "stage",
    "stage_since_at",
    "closed_on",
    "closed_why",
    "reached_cut",
    "lifted",
    "reconnection_fee_charged",
    "resumed_count",
)
EVENT_FIELDS = (
    "account", "sequence", "on", "local_at", "recorded_at", "kind", "invoice", "amount", "step", "rule", "why", "facts",
    "case", "policy_version",
)  # fmt: skip
RUN_FIELDS = ("on", "at", "outcome", "why", "invoices", "in_force")
TICKET_FIELDS = (
    "state",
    "waiting_until",
    "closed_at",
    "closed_why",
    "closed_how",
    "invoices",
    "owed_since_at",
    "answer_due_at",
    "version",
)


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A status switch or its return; a name that no status has is put before the clerks."""

    account: Account
    name: str
    status: AccountStatus | None
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RestrictedDays:
    """Days on which a line was blocked though its status was not switched: credited if its terms say so (X7, A20)."""

    account_id: int
    first_on: date
    last_on: date
    key: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """A row of the event table to be: as many as all other rows together, so they are not objects of the ORM."""

    account_id: int
    sequence: int
    on: date
    local_at: str
    recorded_at: datetime
    kind: str
    invoice_id: int | None
    amount: Decimal | None
    step: str
    rule: str
    why: str
    facts: dict[str, Any]
    case: Case | None  # which may have no key yet
    policy_version_id: int

    def values(self) -> tuple[Any, ...]:
        """Return the values as the columns of EVENT_FIELDS hold them."""
        return (
            self.account_id, self.sequence, self.on, self.local_at, self.recorded_at, self.kind, self.invoice_id,
            self.amount, self.step, self.rule, self.why, json.dumps(self.facts),
            None if self.case is None else self.case.pk, self.policy_version_id,
        )  # fmt: skip


@dataclass(slots=True)
class Effects:
    """Rows to write for one chunk."""

    standings: list[Standing] = field(default_factory=list)
    standings_changed: list[Standing] = field(default_factory=list)
    invoices_new: list[InvoiceStanding] = field(default_factory=list)
    invoices_changed: list[InvoiceStanding] = field(default_factory=list)
    cases_new: list[Case] = field(default_factory=list)
    cases_changed: dict[int, Case] = field(default_factory=dict)
    runs_new: list[StepRun] = field(default_factory=list)
    runs_changed: dict[int, StepRun] = field(default_factory=dict)
    events: list[NewEvent] = field(default_factory=list)
    tickets_new: list[Ticket] = field(default_factory=list)
    tickets_changed: dict[int, Ticket] = field(default_factory=dict)
    ticket_letters: list[tuple[Ticket, Callable[[], NoticeRequest]]] = field(default_factory=list)
    comments: list[TicketComment] = field(default_factory=list)
    calls: list[CallTask] = field(default_factory=list)
    calls_over: set[int] = field(default_factory=set)
    notices: list[NoticeRequest] = field(default_factory=list)
    asking: dict[second_source.Asking, date] = field(default_factory=dict)
    charges: list[ChargeOrder] = field(default_factory=list)
    attempts: list[ChargeAttemptOrder] = field(default_factory=list)
    statuses: list[StatusChange] = field(default_factory=list)
    restricted: list[RestrictedDays] = field(default_factory=list)
    placed: list[PlaceHold] = field(default_factory=list)
    lifted: list[LiftHold] = field(default_factory=list)
    attention: list[AttentionRequest] = field(default_factory=list)

    def name_new_rows(self) -> None:
        """Give new cases and tickets their keys, so that others, such as comments, can point at them."""
        reserve_keys(self.cases_new)
        reserve_keys(self.tickets_new)
        for ticket in self.tickets_new:
            ticket.number = f"T-{ticket.pk:06d}"
        for comment in self.comments:
            comment.ticket_id = comment.ticket.pk
        for ticket in self.tickets_new:
            ticket.case_id = ticket.case.pk if ticket.case is not None else None

    def write(self) -> None:
        """Write everything, in the order that foreign keys and cursors ask for; the accounts are locked."""
        add_charges(self.charges)
        queue_charges(self.attempts)
        self._write_statuses()
        for days in self.restricted:
            credit_restricted_days(
                days.account_id, first_on=days.first_on, last_on=days.last_on, key=days.key, at=days.at
            )
        change_holds(placed=self.placed, lifted=self.lifted)
        # What closes first: in a look that makes up for a while, one case may end and the next begin.
        update_with_history(list(self.cases_changed.values()), CASE_FIELDS, reason="followed its policy")
        insert_with_history(self.cases_new, reason="became delinquent")
        copy_rows(InvoiceStanding, self.invoices_new)
        update_rows(self.invoices_changed, INVOICE_FIELDS)
        copy_rows(StepRun, self.runs_new)
        update_rows(list(self.runs_changed.values()), RUN_FIELDS)
        copy_values(Event, EVENT_FIELDS, (event.values() for event in self.events))
        self._write_tickets()
        self._tell_of_tickets()
        enqueue_many(second_source.complete(self.notices, self.asking))
        raise_attentions(self.attention)
        # Last: whatever the above announced about these accounts has been taken into account here.
        update_rows(self.standings, (*STANDING_FIELDS, *CURSOR_FIELDS))
        update_with_history(self.standings_changed, (*STANDING_FIELDS, *CURSOR_FIELDS), reason="followed its policy")
        # The standing says now whether a status was switched for money, which address lists want to know (S21, P07).
        follow_accounts(change.account.pk for change in self.statuses if change.status is not None)

    def _write_statuses(self) -> None:
        for change in self.statuses:
            if change.status is None:
                self.attention.append(
                    AttentionRequest(
                        code="unknown-status",
                        key=f"account:{change.account.pk}:{change.name}",
                        account_id=change.account.pk,
                        words=f"Account {change.account.number} should get status {change.name!r}, which is unknown."
                        " Make that status, or mend the policy; then set it by hand.",
                    )
                )
            else:
                change_status(change.account, change.status, reason=change.reason, at=change.at, by_delinquency=True)

    def _write_tickets(self) -> None:
        told = {row.account_id for row in self.tickets_new} | {row.account_id for row in self.calls}
        contacts = billing_contacts(told)
        for ticket in self.tickets_new:
            ticket.customer_contact = contacts.get(ticket.account_id)
            if ticket.customer_contact is None:
                self.attention.append(nobody_to_tell(ticket.account))
        for call in self.calls:
            call.contact = contacts.get(call.account_id)
        self._place_tickets()
        update_with_history(list(self.tickets_changed.values()), TICKET_FIELDS, reason="followed its policy")
        insert_with_history(self.tickets_new, reason="opened by a policy step")
        copy_rows(TicketComment, self.comments)
        over = []
        if self.calls_over:
            over = list(CallTask.objects.filter(account__in=self.calls_over, outcome=CallTask.Outcome.WAITING))
        for call in over:
            call.outcome, call.outcome_at = CallTask.Outcome.NOT_NEEDED, clock.now()
        update_with_history(over, ("outcome", "outcome_at"), reason="paid before the call")
        insert_with_history(self.calls, reason="asked for by a policy step")

    def _place_tickets(self) -> None:
        """Put new tickets into their queue, and say by when it has promised to answer those that wait for us."""
        if not self.tickets_new and not self.tickets_changed:
            return
        queue = queue_for(Ticket.Kind.DELINQUENCY) if self.tickets_new else None
        before = self._paid_before()
        for ticket in self.tickets_new:
            assert queue is not None
            ticket.queue, ticket.priority = queue, queue.default_priority
            ticket.follows = before.get(ticket.account_id)
            if ticket.follows is not None and not set(ticket.invoices) & set(ticket.follows.invoices):
                ticket.follows = None  # another matter: what that one was about stays paid
        owing = [*self.tickets_new, *self.tickets_changed.values()]
        queues = {ticket.queue_id: ticket.queue for ticket in owing if ticket.owed_since_at}
        hours = hours_of(queues.values())
        for ticket in owing:
            since = ticket.owed_since_at
            ticket.answer_due_at = (
                answer_due_at(ticket.queue, since, first=ticket.answered_at is None, hours=hours) if since else None
            )

    def _paid_before(self) -> dict[int, Ticket]:
        """Return the last ticket that payment closed, of each account that gets a new one (A23)."""
        if not self.tickets_new:
            return {}
        rows = Ticket.objects.filter(
            account__in={ticket.account_id for ticket in self.tickets_new},
            kind=Ticket.Kind.DELINQUENCY, closed_how=Ticket.ClosedHow.PAYMENT,
        ).order_by("account_id", "-closed_at", "-pk")  # fmt: skip
        return {ticket.account_id: ticket for ticket in rows.distinct("account_id")}

    def _tell_of_tickets(self) -> None:
        """Tell billing contacts of new tickets: by the letter that goes to them anyway, or by one of its own (E2)."""
        places: dict[int, list[int]] = defaultdict(list)
        if self.ticket_letters:
            for place, request in enumerate(self.notices):
                if request.contact_id is None and request.send:
                    places[request.account_id].append(place)
        for ticket, write_letter in self.ticket_letters:
            context = {"ticket_number": ticket.number}
            told = places[ticket.account_id]
            for place in told:
                request = self.notices[place]
                self.notices[place] = replace(request, context={**request.context, **context})
            if not told and ticket.customer_contact is not None:
                letter = write_letter()
                if letter.send:
                    self.notices.append(replace(letter, context={**letter.context, **context}))


def nobody_to_tell(account: Account) -> AttentionRequest:
    """Return the exception for an account without a billing contact (A26)."""
    return AttentionRequest(
        code="no-billing-contact",
        key=f"account:{account.pk}",
        account_id=account.pk,
        words=f"Account {account.number} has no billing contact: nobody is told that it is late. Name one.",
    )
