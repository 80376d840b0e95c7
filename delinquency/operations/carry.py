"""Carry out what was decided for one account: turn its events into rows to write."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Any

from accounts.models import AccountStatus
from accounts.operations import AttentionRequest
from billing_project.kernel import clock, money
from invoicing.models import Charge
from invoicing.operations.charges import ChargeOrder

from ..models import Case, InvoiceStanding, Standing, StepRun, Ticket, TicketComment
from ..reading import Position
from ..rules.actions import Event, Kind
from ..rules.explain import freeze
from ..rules.facts import InvoiceState
from ..rules.messages import MESSAGES
from ..rules.outlook import Moment, next_look
from .cutting import Cutting, ids
from .effects import STANDING_FIELDS, Effects, NewEvent
from .messages import WHY_LENGTH, whole

# How soon a cut that waits for its notice to be accepted is tried again, should the announcement get lost.
WAIT = timedelta(minutes=5)
OUTCOMES = StepRun.Outcome
_KEPT = attrgetter(*(field.attname for field in Standing._meta.concrete_fields if field.name in STANDING_FIELDS))
# Events that carry a step which is then done for its anchor.
STEP_KINDS = {
    *MESSAGES.values(),
    Kind.LATE_FEE,
    Kind.TICKET_COMMENT,
    Kind.STATUS_SWITCH,
    Kind.RESTRICTED,
    Kind.STEP_DONE,
}


class Carrier(Cutting):
    """Carries one account's events into a chunk's effects."""

    def __init__(
        self,
        position: Position,
        effects: Effects,
        *,
        at: datetime,
        outside: bool,
        statuses: Mapping[str, AccountStatus],
    ) -> None:
        """Remember how things stood before the account was played forward."""
        super().__init__(position, effects, at=at, outside=outside, statuses=statuses)
        self.standing_before = _KEPT(position.standing)
        self.invoices_before = {key: _snapshot(state) for key, state in position.state.invoices.items()}
        self.cases: dict[int, Case] = {position.case.number: position.case} if position.case else {}
        self.ticket = position.ticket

    def carry(self, events: list[Event], until: Moment) -> None:
        """Turn events into rows; `until` is the moment up to which the account is now decided."""
        for event in events:
            self._cases(event)
        for event in events:
            self._one(event)
        self._cuts(events)
        self._invoices()
        self._case_marks()
        self._stand(events, until)

    # --- one event --------------------------------------------------------------------------------------------

    def _one(self, event: Event) -> None:
        why = event.why
        handler = getattr(self, f"_on_{event.kind.strip('_')}", None)
        if handler is not None:
            why = handler(event) or why
        if event.step is not None and event.kind in STEP_KINDS:
            outcome = OUTCOMES.NOT_SENT if why != event.why else OUTCOMES.DONE
            self._run(event, outcome, why)
        if event.shown:
            self.standing.events_count += 1
            self.effects.events.append(
                NewEvent(
                    account_id=self.account.pk,
                    sequence=self.standing.events_count,
                    on=event.on,
                    local_at=event.at.isoformat(timespec="seconds"),
                    recorded_at=self.at,
                    kind=str(event.kind),
                    invoice_id=whole(event.invoice),
                    amount=event.amount,
                    step=event.step_key or "",
                    rule=event.rule,
                    why=why[:400],
                    facts=freeze(event.facts),
                    case=self.cases.get(event.episode or 0),
                    policy_version_id=self.standing.policy_version_id,
                )
            )

    def _on_late_fee(self, event: Event) -> None:
        assert event.step is not None
        assert event.amount is not None
        self.effects.charges.append(
            ChargeOrder(
                account_id=self.account.pk,
                kind=Charge.Kind.LATE_FEE,
                key=f"late_fee:{event.invoice}:{event.step.key}",
                amount=event.amount,
                description=f"Late fee for invoice {event.number}",
                charged_on=event.on,
                effective_at=self._instant(event),
                about_invoice_id=whole(event.invoice),
                reason=event.why,
            )
        )

    def _on_reconnection_fee(self, event: Event) -> None:
        assert event.amount is not None
        self.cases[event.episode or 0].reconnection_fee_charged = True
        self.effects.charges.append(
            ChargeOrder(
                account_id=self.account.pk,
                kind=Charge.Kind.RECONNECTION_FEE,
                key=f"reconnection_fee:case:{event.episode}",
                amount=event.amount,
                description="Reconnection fee",
                charged_on=event.on,
                effective_at=self._instant(event),
                reason=event.why,
            )
        )

    def _on_reversal(self, event: Event) -> None:
        """Charge the fee for a returned payment, once for each return (A23)."""
        fee = self.position.policy.nsf_fee
        if fee > 0:
            self.effects.charges.append(
                ChargeOrder(
                    account_id=self.account.pk,
                    kind=Charge.Kind.NSF_FEE,
                    key=f"nsf_fee:{event.reference}",
                    amount=fee,
                    description="Returned payment fee",
                    charged_on=event.on,
                    effective_at=self._instant(event),
                    reason=event.why,
                )
            )

    def _on_ticket_opened(self, event: Event) -> None:
        opened_at = self._instant(event)
        self.ticket = Ticket(
            account=self.account,
            case=self.cases.get(event.episode or 0),
            opened_on=event.on,
            opened_at=opened_at,
            owed_since_at=opened_at,
            invoices=ids(event.causes),
            subject=f"{money.text(self._unpaid(event))} {self.account.company.currency} unpaid: {self.account.name}"[
                :200
            ],
        )
        self.effects.tickets_new.append(self.ticket)
        self._comment(event)
        self.effects.ticket_letters.append((self.ticket, partial(self.ticket_letter, event)))

    def _on_ticket_comment(self, event: Event) -> None:
        if self.ticket is not None:
            self.ticket.invoices = sorted({*self.ticket.invoices, *ids(event.causes)})
            self._comment(event)

    def _on_ticket_closed(self, event: Event) -> None:
        self.effects.calls_over.add(self.account.pk)
        if self.ticket is not None:
            self.ticket.state, self.ticket.closed_at = Ticket.State.CLOSED, self._instant(event)
            self.ticket.closed_why, self.ticket.closed_how = event.why, Ticket.ClosedHow.PAYMENT
            self.ticket.waiting_until = self.ticket.owed_since_at = None
            self._comment(event)
            self.position.ticket_paid, self.ticket = self.ticket, None

    def _on_ticket_reopened(self, event: Event) -> None:
        """Open the ticket again that the payment closed which has been returned (A23)."""
        ticket = self.position.ticket_paid
        if ticket is None:
            return
        self.ticket, self.position.ticket_paid = ticket, None
        ticket.state, ticket.closed_at, ticket.closed_why = Ticket.State.OPEN, None, ""
        ticket.closed_how, ticket.owed_since_at = Ticket.ClosedHow.OPEN, self._instant(event)
        self._comment(event)

    def _comment(self, event: Event) -> None:
        self._line(event, event.why)

    def _line(self, event: Event, text: str) -> None:
        """Say something on the ticket, as its next version."""
        ticket = self.ticket
        assert ticket is not None
        ticket.version += 1
        self.effects.comments.append(
            TicketComment(
                ticket=ticket, at=self._instant(event), text=text, version=ticket.version,
                direction=TicketComment.Direction.EVENT,
            )
        )  # fmt: skip
        if ticket.pk is not None and ticket not in self.effects.tickets_new:
            self.effects.tickets_changed[ticket.pk] = ticket

    def _on_held(self, event: Event) -> None:
        assert event.step is not None
        self._run(event, OUTCOMES.HELD, event.why)
        self.effects.attention.append(
            AttentionRequest(
                code="cut-held",
                key=f"account:{self.account.pk}:{event.anchor}:{event.step.key}",
                account_id=self.account.pk,
                words=f"Account {self.account.number}: step {event.step.key} is held back. {event.why}"
                " See why the notice did not arrive, write to the customer, or settle it by hand.",
            )
        )

    # --- cases ------------------------------------------------------------------------------------------------

    def _cases(self, event: Event) -> None:
        """Open, resume and close cases first, so that every event can name its own."""
        if event.kind is Kind.ACCOUNT_DELINQUENT:
            number = event.episode or 0
            case = self.cases.get(number)
            if case is None:
                case = self.cases[number] = Case(account_id=self.account.pk, number=number, opened_on=event.on)
                self.effects.cases_new.append(case)
            else:
                case.stage, case.closed_on, case.closed_why, case.lifted = Case.Stage.OPEN, None, "", False
                case.resumed_count += 1
            case.stage_since_at = self._instant(event)
        elif event.kind is Kind.ACCOUNT_CURED:
            case = self.cases[event.episode or 0]
            case.stage, case.stage_since_at, case.closed_on = Case.Stage.CLOSED, self._instant(event), event.on
            case.closed_why, case.lifted = event.why[:WHY_LENGTH], event.lifted
        elif event.kind is Kind.RESTRICTED and event.episode:
            case = self.cases[event.episode]
            if case.stage == Case.Stage.OPEN:
                case.stage, case.stage_since_at = Case.Stage.RESTRICTED, self._instant(event)
        else:
            return
        self._case_changed(case)

    def _case_changed(self, case: Case) -> None:
        if case.pk is not None and case not in self.effects.cases_new:
            self.effects.cases_changed[case.pk] = case

    def _case_marks(self) -> None:
        state = self.position.state
        case = self.cases.get(state.episodes_count)
        if case is not None and case.reached_cut != state.reached_cut:
            case.reached_cut = state.reached_cut
            self._case_changed(case)

    # --- what is remembered -----------------------------------------------------------------------------------

    def _invoices(self) -> None:
        for key, state in (self.position.state.invoices | self.position.state.settled).items():
            snapshot = _snapshot(state)
            if snapshot == self.invoices_before.get(key) and whole(key) in self.position.invoice_standings:
                continue
            row = self.position.invoice_standings.get(whole(key) or 0)
            if row is None:
                row = InvoiceStanding(invoice_id=whole(key) or 0, account_id=self.account.pk)
                self.effects.invoices_new.append(row)
            else:
                self.effects.invoices_changed.append(row)
            row.due_noted, row.past_due_on, row.delinquent_on = state.due_noted, state.past_due_on, state.delinquent_on
            row.first_delinquent_on, row.may_enter = state.first_delinquent_on, state.may_enter
            row.seriously_late_on, row.moved_on, row.opening = state.seriously_late_on, state.day, state.opening
            row.reopened_at = clock.instant(state.reopened_at, self.zone) if state.reopened_at else None

    def _stand(self, events: list[Event], until: Moment) -> None:
        state, standing = self.position.state, self.standing
        standing.grace_until, standing.grace_set_on, standing.grace_before = (
            state.grace_until,
            state.grace_day,
            state.grace_opening,
        )
        standing.delinquent_since, standing.flagged_on = state.delinquent_since, state.flagged_on
        standing.unflagged_on, standing.second_source_asked_on = state.unflagged_on, state.asked_on
        # The instant itself, not the local time turned back: in a repeated hour that would be an hour too early.
        # It never goes back either: a bill date that is caught up is an earlier instant than the last look.
        if standing.looked_until_at is None or (standing.looked_until_at, standing.looked_until_phase) < (
            self.at,
            until[1],
        ):
            standing.looked_until_at, standing.looked_until_phase = self.at, until[1]
        standing.ledger_seen = max(standing.ledger_seen, self.position.ledger_newest)
        standing.grants_seen = max(standing.grants_seen, self.position.grants_newest)
        standing.next_look_at = self._next_look_at(max(until, self.position.after))
        if _KEPT(self.standing) != self.standing_before:
            self.effects.standings_changed.append(standing)
        else:
            self.effects.standings.append(standing)

    def _next_look_at(self, until: Moment) -> datetime | None:
        moments = [clock.instant(fact.at, self.zone) for fact in self.position.facts if fact.at > until[0]]
        look = next_look(self.position.state, self.position.policy, until)
        if look is not None:
            moments.append(clock.instant(look[0], self.zone))
        if self.position.state.waiting:
            moments.append(self.at + WAIT)
        return min(moments, default=None)


def _snapshot(state: InvoiceState) -> tuple[Any, ...]:
    return (
        state.due_noted,
        state.past_due_on,
        state.delinquent_on,
        state.first_delinquent_on,
        state.may_enter,
        state.reopened_at,
        state.seriously_late_on,
        state.day,
        state.opening,
    )
