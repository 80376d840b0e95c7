"""What ends when money arrives: releases, cures, the way back (A18, A19, S31). Never blocked by a calendar (A6)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .actions import Event, Kind
from .facts import CENT, AccountState, InvoiceState, Key
from .policy import Do, Policy


def settle(policy: Policy, state: AccountState, at: datetime, events: list[Event], *, lift: bool = False) -> None:
    """Release and cure whatever the state of the money allows, in the order of contract section 4.

    With `lift` a clerk ends the episode though nothing was paid (A8): no reconnection fee, and its invoices may
    become delinquent again.
    """
    if state.episode is None and not state.cuts and state.ticket is None:
        return
    delinquent = state.delinquent()
    cured = [invoice for invoice in delinquent if lift or invoice.remaining < policy.threshold]
    episode = state.episode
    clears = episode is not None and len(cured) == len(delinquent) and (lift or _balance_clears(policy, state))
    still_delinquent = episode is not None and not clears
    facts = {"lifted": lift, "delinquent": still_delinquent}
    restored = _release(policy, state, at, events, facts, still_delinquent=still_delinquent, lift=lift)
    for invoice in cured:
        _cure(policy, invoice, at, events, lift=lift, episode=episode)
    if clears:
        state.episode, state.delinquent_since = None, None
        state.resumable = not lift
        events.append(
            Event(
                at,
                Kind.ACCOUNT_CURED,
                {"lifted": lift, "cured": {i.number: i.remaining for i in cured}, "least": policy.threshold},
                rule="A8" if lift else "A18",
                episode=episode,
                lifted=lift,
            )
        )
    elif cured:
        left = [i.delinquent_on for i in state.delinquent() if i.delinquent_on]
        state.delinquent_since = min(left, default=state.delinquent_since)
    if restored:
        events.append(
            Event(
                at,
                Kind.STATUS_RESTORED,
                facts | {"switches_left": 0},
                rule="A19",
                episode=episode,
                lifted=lift,
            )
        )
    if clears and not lift and state.reached_cut and policy.reconnection_fee > 0 and state.fee_for_episode != episode:
        state.fee_for_episode = episode
        events.append(
            Event(
                at,
                Kind.RECONNECTION_FEE,
                {"reached_cut": state.reached_cut, "fee": policy.reconnection_fee},
                rule="A35",
                amount=policy.reconnection_fee,
                episode=episode,
            )
        )
    if not lift:
        _close_ticket(policy, state, at, events, still_delinquent=still_delinquent, episode=episode)


def _balance_clears(policy: Policy, state: AccountState) -> bool:
    if not policy.full_balance_clears:
        return True
    # A disputed invoice takes no money, so it must not keep service back either (X9).
    return all(invoice.frozen or invoice.remaining < CENT for invoice in state.invoices.values())


def _release(
    policy: Policy,
    state: AccountState,
    at: datetime,
    events: list[Event],
    facts: Mapping[str, Any],
    *,
    still_delinquent: bool,
    lift: bool,
) -> bool:
    """Release the cuts with no unpaid invoice left in their cause; tell whether the status returns too."""
    if still_delinquent or not state.cuts:
        return False
    unpaid = {key for key, invoice in state.invoices.items() if invoice.remaining >= policy.threshold}
    going = [cut for cut in state.cuts if lift or not cut.causes & unpaid]
    if not going:
        return False
    state.cuts = [cut for cut in state.cuts if cut not in going]
    state.released_cuts.extend(going)
    lines = [cut for cut in going if cut.action == Do.RESTRICT]
    if lines and not any(cut.action == Do.RESTRICT for cut in state.cuts):
        causes = frozenset[Key]().union(*(cut.causes for cut in lines))
        held = [state.invoices[key] for key in causes if key in state.invoices]
        events.append(
            Event(
                at,
                Kind.RELEASED,
                {**facts, "invoices": {i.number: i.remaining for i in held}, "least": policy.threshold},
                rule="A8" if lift else "S31",
                episode=state.episode,
                causes=causes,
                lifted=lift,
            )
        )
    restored = state.switched and not any(cut.action == Do.STATUS_SWITCH for cut in state.cuts)
    if restored:
        state.switched = False
    return restored


def _cure(
    policy: Policy, invoice: InvoiceState, at: datetime, events: list[Event], *, lift: bool, episode: int | None
) -> None:
    invoice.delinquent_on = None
    invoice.may_enter = lift
    if lift:
        invoice.first_delinquent_on = None
    events.append(
        Event(
            at,
            Kind.CURED,
            {"lifted": lift, "unpaid": invoice.remaining, "least": policy.threshold},
            rule="A8" if lift else "A18",
            invoice=invoice.key,
            number=invoice.number,
            episode=episode,
            lifted=lift,
        )
    )


def _close_ticket(
    policy: Policy,
    state: AccountState,
    at: datetime,
    events: list[Event],
    *,
    still_delinquent: bool,
    episode: int | None,
) -> None:
    if state.ticket is None or still_delinquent:
        return
    about = [state.invoices[key] for key in state.ticket if key in state.invoices]
    if any(_is_owed(policy, invoice) for invoice in about):
        return
    state.ticket, state.ticket_paid = None, state.ticket
    facts = {"invoices": {i.number: i.remaining for i in about}, "least": max(policy.threshold, CENT)}
    events.append(Event(at, Kind.TICKET_CLOSED, facts, rule="A32", episode=episode))


def reopen_ticket(policy: Policy, state: AccountState, at: datetime, events: list[Event]) -> None:
    """Open the ticket again that a payment closed which is returned, unless the policy will open a new one (A23)."""
    if state.ticket is not None or state.ticket_paid is None:
        return
    anew = any(step.action is Do.TICKET and not step.per_invoice for step in policy.steps)
    about = [state.invoices[key] for key in state.ticket_paid if key in state.invoices]
    if (anew and not policy.resumes) or not any(_is_owed(policy, invoice) for invoice in about):
        return
    state.ticket, state.ticket_paid = state.ticket_paid, None
    facts = {"invoices": {i.number: i.remaining for i in about}}
    events.append(Event(at, Kind.TICKET_REOPENED, facts, rule="A23", episode=state.episode))


def _is_owed(policy: Policy, invoice: InvoiceState) -> bool:
    """Tell whether a ticket's invoice is still unpaid; below the policy's minimum only once it was cured (A18, A32)."""
    return invoice.remaining >= (CENT if invoice.may_enter else policy.threshold)
