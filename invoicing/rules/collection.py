"""Which funding source next: primary, then secondary, then stop (E7, E8, R-07). Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

# The bank wants the payer to be there (3-D Secure): asked without them again it says the same again, but the payer can
# pay with this very card by hand.
NEEDS_PAYER = "authentication_required"

# Reasons after which the same card cannot succeed for the same invoice, in our own words; adapters translate
# their vendor's into these. Every other reason (no funds today) may be tried again on another day.
HARD_DECLINES = frozenset({
    "closed_account", "expired_card", "fraudulent", "invalid_source", "lost_card", "not_permitted", "pickup_card",
    "revoked", "stolen_card", "wrong_gateway", NEEDS_PAYER,
})  # fmt: skip

# Those of them that are about the card itself, not about one charge: it is asked for no other invoice either, until it
# is entered anew or its bank renews it. An expired card is among them: banks renew most cards without a word, and then
# the gateway takes them past their date. So the date alone refuses nothing, but a bank that says "expired" is believed.
DEAD_CARD = frozenset({
    "closed_account", "expired_card", "invalid_source", "lost_card", "pickup_card", "revoked", "stolen_card",
})  # fmt: skip

BY_HAND = "The customer pays by hand: automatic payment is off."

PRIMARY, SECONDARY = 1, 2

# How long after it became unclear a charge is first looked up; after these every full day.
LOOKUPS = (timedelta(minutes=5), timedelta(hours=1))

_UNSETTLED = frozenset({"queued", "claimed", "sending", "unknown", "pending"})
# The source gave its final answer, or could not be asked at all: the next one may be tried.
_FINALLY_NO = frozenset({"declined", "refused"})


class Next(StrEnum):
    """What an attempt of some rank has to do now."""

    GO = "go"
    WAIT = "wait"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, and why."""

    next: Next
    why: str = ""


def may_try(rank: int, earlier_states: Collection[str]) -> Verdict:
    """Say whether a source of this rank may be charged, given how the sources before it ended in this round.

    ``earlier_states`` are the states of the latest attempt of each lower rank for the same invoice. Unknown
    never falls through: as long as the primary may have been charged, the secondary waits. A primary that was
    never reached gave no answer, so the round ends with it.
    """
    if rank <= PRIMARY:
        return Verdict(Next.GO)
    if any(state in _UNSETTLED for state in earlier_states):
        return Verdict(Next.WAIT, "the source before it has not given its final answer")
    if any(state == "done" for state in earlier_states):
        return Verdict(Next.STOP, "the source before it was charged")
    if any(state not in _FINALLY_NO for state in earlier_states):
        return Verdict(Next.STOP, "the source before it could not be reached, which is no refusal")
    return Verdict(Next.GO)


@dataclass(frozen=True, slots=True)
class HardNo:
    """A decline for good: of which card, for which invoice, why, and when."""

    card: str
    invoice_id: int
    code: str
    at: datetime


def codes_against(
    card: str, invoice_id: int, hard: Iterable[HardNo], *, charged_at: datetime | None = None
) -> tuple[str, ...]:
    """Return the codes for which a card is not asked for an invoice; ``charged_at`` is when it was last good.

    A hard decline of this invoice stands whatever came after it. One of another invoice stands if it was about the card
    itself, and nothing was charged to the card since.
    """
    return tuple(
        no.code
        for no in hard
        if no.card == card
        and no.code in HARD_DECLINES
        and (
            no.invoice_id == invoice_id or (no.code in DEAD_CARD and (charged_at is None or charged_at < no.at))
        )
    )  # fmt: skip


def refusal_without_call(
    *, has_source: bool, barred_why: str | None, earlier_codes: Collection[str], by_hand: bool = False
) -> str:
    """Return why a source is not even asked, or an empty string. Such a day counts as declined (E8).

    ``barred_why`` is None for a source in good standing; ``earlier_codes`` are the reasons that stand against it, see
    :func:`codes_against`; ``by_hand`` says that the customer has turned automatic payment off.
    """
    if by_hand:
        return BY_HAND
    if not has_source:
        return "The account has no funding source of this rank."
    if barred_why is not None:
        return f"The funding source is barred until it is re-verified: {barred_why or 'a payment was returned'}"
    hard = sorted(HARD_DECLINES.intersection(earlier_codes))
    if hard:
        words = f"The funding source was declined for good before ({hard[0]}), so it is not asked again"
        return f"{words}, unless the card is entered anew or renewed by its bank."
    return ""


def next_lookup(unclear_since: datetime, at: datetime) -> datetime:
    """Return when a charge that nobody can tell about is looked up next: 5 min and 1 h after, then every day."""
    for wait in LOOKUPS:
        if unclear_since + wait > at:
            return unclear_since + wait
    days = (at - unclear_since) // timedelta(days=1)
    return unclear_since + timedelta(days=days + 1)
