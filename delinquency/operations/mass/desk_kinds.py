"""What can be done to many fees, notices and tickets."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction

from accounts.models import Notice, User
from accounts.outreach import resend
from billing_project.kernel.errors import Refused
from invoicing.models import Approval, Charge, ReasonCode
from invoicing.operations import approvals, limits
from invoicing.operations.undo import unwaive_charge

from ...models import MassAction, MassItem, Ticket, TicketQueue
from .. import desk
from .account_kinds import key_of
from .kinds import UNDO_WITHIN, Fits, LeftOut, Verdict, Verdicts

Parameters = Mapping[str, Any]
# What is sent again without asking further: it certainly did not reach anybody.
MISSED = (Notice.State.FAILED, Notice.State.BOUNCED, Notice.State.PARKED, Notice.State.REJECTED)


class Waive:
    """Fees that are not asked for, each within the limit of whoever waives them, or asked of a second person."""

    name = MassAction.Kind.WAIVE
    right = "invoicing.waive_fee"
    undoes, is_money = True, True
    undo_within: timedelta | None = None
    undo_words = "Each waiver can be taken back at any time: the fee then waits for the next invoice again."

    def words(self, parameters: Parameters) -> list[str]:
        """Return what is asked for and what it means, in sentences."""
        return [
            "The fees are not asked for; the ledger shows each credit.",
            f"Reason: {ReasonCode(parameters['code']).label}.",
            "A fee above your limit is not waived: a second person is asked for it.",
        ]

    def judge(self, keys: Sequence[int], action: MassAction, by: User) -> Verdicts:
        """Leave out charges that are waived or invoiced already; name those that a second person is asked for."""
        limit = limits.limit_of(by, Approval.Kind.WAIVE)
        asked = set(
            Approval.objects.filter(charge__in=keys, state=Approval.State.WAITING).values_list("charge", flat=True)
        )
        found: dict[int, Verdict] = {}
        for charge in Charge.objects.filter(pk__in=keys).select_related("account__company", "invoice"):
            label = f"{charge.description}, {charge.amount:,.2f} of {charge.account.number}"
            why = _why_not_waived(charge, charge.pk in asked)
            if why is not None:
                found[charge.pk] = LeftOut(charge.account_id, label, why)
                continue
            above = limit is not None and charge.amount > limit
            found[charge.pk] = Fits(
                account_id=charge.account_id, label=label, amount=charge.amount,
                currency=charge.account.company.currency, before={"amount": str(charge.amount)},
                code="asks" if above else "", note="Above your limit: a second person is asked." if above else "",
            )  # fmt: skip
        return found

    def carry_out(self, item: MassItem, action: MassAction, by: User) -> str:
        """Waive one fee, or ask a second person for it."""
        charge = Charge.objects.get(pk=item.object_id)
        asked = approvals.do_or_ask(
            Approval.Kind.WAIVE, charge, amount=charge.amount, code=action.parameters["code"], reason=action.reason,
            by=by,
        )  # fmt: skip
        if asked is None:
            return f"waived:{item.pk}"
        item.code, item.reason = "asks", "A second person is asked for it."
        return f"approval:{asked.pk}"

    def undo(self, item: MassItem, action: MassAction, by: User) -> None:
        """Ask for one fee after all; a request that nobody has decided yet is withdrawn by whoever made it."""
        charge = Charge.objects.get(pk=item.object_id)
        if item.effect.startswith("approval:"):
            approval = Approval.objects.get(pk=key_of(item))
            if approval.state == Approval.State.WAITING:
                approvals.withdraw(approval, by=by)
                return
            if approval.state != Approval.State.APPROVED:
                raise Refused("not_waived", f"{charge.description} was never waived; there is nothing to undo.")
        unwaive_charge(charge, action.reason, by)


def _why_not_waived(charge: Charge, is_asked: bool) -> Refused | None:
    if charge.waived_at is not None:
        return Refused("already_waived", f"{charge.description} was waived before: {charge.waived_why}.")
    if charge.invoice is not None:
        words = f"{charge.description} is on invoice {charge.invoice.number} already; give a credit note there."
        return Refused("charge_invoiced", words)
    if charge.amount <= 0:
        return Refused("no_fee", f"{charge.description} is a credit; there is nothing to waive.")
    if is_asked:
        return Refused("asked_already", f"{charge.description} waits for a second person already.")
    return None


class Resend:
    """Notices sent again: those that did not reach anybody, unless more is asked for."""

    name = MassAction.Kind.RESEND
    right = "accounts.send_notice"
    undoes, is_money = False, False
    undo_within: timedelta | None = None
    undo_words = "A notice that was sent cannot be undone."

    def words(self, parameters: Parameters) -> list[str]:
        """Return what is asked for and what it means, in sentences."""
        found = [
            "Each is written anew, to the contact's address of now, and passes the contact rules and limits of cost.",
            "A notice that was sent cannot be undone.",
        ]
        if parameters.get("also_arrived"):
            found.append("Those that arrived, or may have, go out as well: the customer gets them a second time.")
        else:
            found.append("Only those that failed, bounced, were rejected or given up go out again.")
        return found

    def judge(self, keys: Sequence[int], action: MassAction, by: User) -> Verdicts:
        """Leave out what arrived, is on its way, or was sent again before."""
        also = bool(action.parameters.get("also_arrived"))
        rows = list(Notice.objects.filter(pk__in=keys).select_related("account", "contact"))
        later = _sent_again(rows)
        found: dict[int, Verdict] = {}
        for row in rows:
            label = f"{row.template} by {row.channel} to {row.account.number}"
            why = _why_not_sent(row, also)
            if why is None and row.pk in later:
                why = Refused("sent_again", "It was sent again before; open it to send it once more.")
            if why is not None:
                found[row.pk] = LeftOut(row.account_id, label, why)
                continue
            twice = resend.warning_of(row)
            found[row.pk] = Fits(
                account_id=row.account_id, label=label, notices=1, before={"state": row.get_state_display()},
                code="twice" if twice else "", note=twice,
            )  # fmt: skip
        return found

    def carry_out(self, item: MassItem, action: MassAction, by: User) -> str:
        """Queue one notice anew."""
        new = resend.send_again(Notice.objects.get(pk=item.object_id), action.reason, by=by, only_once=True)
        return f"notice:{new.pk}"

    def undo(self, item: MassItem, action: MassAction, by: User) -> None:
        """Say that this cannot be undone."""
        raise Refused("sent", self.undo_words)


def _why_not_sent(row: Notice, also: bool) -> Refused | None:
    if row.state in resend.ON_ITS_WAY:
        return Refused("on_its_way", "It is on its way already.")
    if row.contact_id is None:
        return Refused("no_contact", "Its contact was deleted; write to the account's present contact instead.")
    if row.state not in MISSED and not also:
        words = f"It is {row.get_state_display()}; tick “also what may have arrived” to send it all the same."
        return Refused("arrived", words)
    return None


def _sent_again(rows: Sequence[Notice]) -> set[int]:
    """Return those of some notices that a person has sent again; one query."""
    later: dict[tuple[Any, ...], int] = {}
    found = Notice.objects.filter(account__in={row.account_id for row in rows}, resent_by__isnull=False)
    for *key, occurrence in found.values_list(
        "account_id", "anchor_key", "step_key", "channel", "contact_id", "occurrence"
    ):
        later[tuple(key)] = max(occurrence, later.get(tuple(key), 0))
    return {
        row.pk
        for row in rows
        if later.get((row.account_id, row.anchor_key, row.step_key, row.channel, row.contact_id), -1) > row.occurrence
    }


class HandOver:
    """Tickets given to a queue or a colleague."""

    name = MassAction.Kind.HAND_OVER
    right = "delinquency.work_ticket"
    undoes, is_money = True, False
    undo_within: timedelta | None = UNDO_WITHIN
    undo_words = "Hand the tickets over again instead."

    def words(self, parameters: Parameters) -> list[str]:
        """Return what is asked for and what it means, in sentences."""
        to = " and ".join(filter(None, [parameters.get("queue_name"), parameters.get("owner_name")]))
        return [
            f"The tickets go to {to}.",
            "In another queue that queue's promise counts, and how the account stands is attached.",
        ]

    def judge(self, keys: Sequence[int], action: MassAction, by: User) -> Verdicts:
        """Leave out tickets that are closed, or there already."""
        queue, owner = action.parameters.get("queue"), action.parameters.get("owner")
        found: dict[int, Verdict] = {}
        for ticket in Ticket.objects.filter(pk__in=keys).select_related("queue", "owner"):
            label = f"{ticket.number} {ticket.subject}"
            if ticket.is_closed:
                why = Refused("closed", f"Ticket {ticket.number} is closed.")
                found[ticket.pk] = LeftOut(ticket.account_id, label, why)
            elif queue in (None, ticket.queue_id) and owner in (None, ticket.owner_id):
                why = Refused("there_already", f"Ticket {ticket.number} is there already.")
                found[ticket.pk] = LeftOut(ticket.account_id, label, why)
            else:
                found[ticket.pk] = Fits(
                    account_id=ticket.account_id, label=label,
                    before={
                        "queue": str(ticket.queue), "queue key": ticket.queue_id,
                        "owner": str(ticket.owner or ""), "owner key": ticket.owner_id or 0,
                    },
                )  # fmt: skip
        return found

    def carry_out(self, item: MassItem, action: MassAction, by: User) -> str:
        """Hand one ticket over."""
        queue = TicketQueue.objects.filter(pk=action.parameters.get("queue") or 0).first()
        owner = User.objects.filter(pk=action.parameters.get("owner") or 0).first()
        desk.hand_over(Ticket.objects.get(pk=item.object_id), by, queue=queue, owner=owner, note=action.reason)
        return f"handed:{item.pk}"

    @transaction.atomic
    def undo(self, item: MassItem, action: MassAction, by: User) -> None:
        """Give one ticket back to where it was, unless it moved on since."""
        asked = item.action.parameters
        ticket = desk.lock_running(Ticket.objects.get(pk=item.object_id))
        if asked.get("queue") not in (None, ticket.queue_id) or asked.get("owner") not in (None, ticket.owner_id):
            raise Refused("changed_since", f"Ticket {ticket.number} was handed on since; it stays there.")
        ticket.queue = TicketQueue.objects.get(pk=item.before["queue key"])
        ticket.owner = User.objects.filter(pk=item.before["owner key"]).first()
        desk.owe_answer(ticket, ticket.owed_since_at)
        desk.save_ticket(ticket, by, f"handed back: {action.reason}", "queue", "owner", "answer_due_at")
        desk.add_line(ticket, f"{desk.name_of(by)} took the handing over back: {action.reason}", by)
