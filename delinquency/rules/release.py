"""What ends when money arrives: releases, cures, the way back (A18, A19, S31). Never blocked by a calendar (A6)."""

from datetime import datetime

from .actions import Event, Kind
from .facts import CENT, AccountState, InvoiceState
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
    why = "lifted: a clerk granted more time." if lift else "what was owed for it is paid."
    restored = _release(policy, state, at, events, still_delinquent=still_delinquent, lift=lift, why=why)
    for invoice in cured:
        _cure(invoice, at, events, lift=lift, why=why, episode=episode)
    if clears:
        state.episode, state.delinquent_since = None, None
        state.resumable = not lift
        events.append(
            Event(
                at,
                Kind.ACCOUNT_CURED,
                f"No delinquent invoice is left: {why}",
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
                "The account returns to the status it is due: " + why,
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
                f"Service had been cut; reconnecting costs {policy.reconnection_fee}.",
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
    return all(invoice.remaining < CENT for invoice in state.invoices.values())


def _release(
    policy: Policy,
    state: AccountState,
    at: datetime,
    events: list[Event],
    *,
    still_delinquent: bool,
    lift: bool,
    why: str,
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
        events.append(
            Event(
                at,
                Kind.RELEASED,
                f"The line is released: {why}",
                rule="A8" if lift else "S31",
                episode=state.episode,
                causes=frozenset().union(*(cut.causes for cut in lines)),
                lifted=lift,
            )
        )
    restored = state.switched and not any(cut.action == Do.STATUS_SWITCH for cut in state.cuts)
    if restored:
        state.switched = False
    return restored


def _cure(
    invoice: InvoiceState, at: datetime, events: list[Event], *, lift: bool, why: str, episode: int | None
) -> None:
    invoice.delinquent_on = None
    invoice.may_enter = lift
    if lift:
        invoice.first_delinquent_on = None
    events.append(
        Event(
            at,
            Kind.CURED,
            f"Invoice {invoice.number} is no longer delinquent: {why}",
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
    if any(_is_owed(policy, state.invoices[key]) for key in state.ticket if key in state.invoices):
        return
    state.ticket = None
    events.append(
        Event(at, Kind.TICKET_CLOSED, "Everything the ticket was about is paid.", rule="A32", episode=episode)
    )


def _is_owed(policy: Policy, invoice: InvoiceState) -> bool:
    """Tell whether a ticket's invoice is still unpaid; below the policy's minimum only once it was cured (A18, A32)."""
    return invoice.remaining >= (CENT if invoice.may_enter else policy.threshold)
