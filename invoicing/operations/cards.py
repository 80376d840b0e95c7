"""The order of an account's stored cards and bank accounts, and taking one away (P10, E7)."""

from collections.abc import Sequence
from hashlib import sha256

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Account, FundingSource
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_rows
from invoicing.models import PaymentAttempt
from invoicing.signals import about_to_remove_source

from . import ledger
from .autopay import autopay_of
from .history import REASON_LENGTH, save_with_reason
from .portal_pay import UNDER_WAY_STATES

# Places are numbered anew by way of numbers that no place has, since the database allows one card in a place.
ASIDE = 1000


def mark_of(cards: Sequence[FundingSource]) -> str:
    """Return a mark of the cards as a page shows them; it changes with their order and with every card."""
    words = ";".join(f"{card.pk}:{card.rank}:{card.source_token}:{card.barred_at}" for card in cards)
    return sha256(words.encode()).hexdigest()[:16]


def cards_of(account: Account) -> list[FundingSource]:
    """Return an account's cards and bank accounts in the order in which they are charged."""
    return list(FundingSource.objects.filter(account=account).order_by("rank"))


@transaction.atomic
def put_first(account: Account, source_id: int, *, seen: str) -> FundingSource:
    """Have a card charged before all others; those before it move one place down.

    Raises StaleState if the cards are not as they were ``seen``, and Refused while one of them is being charged or for
    a card that may not be charged.
    """
    cards = _lock(account, seen)
    chosen = _own(cards, source_id)
    if chosen.barred_at is not None:
        words = _("This card or bank account may not be charged now, so it cannot be the first. Enter it again.")
        raise Refused("source_barred", words)
    _refuse_while_charging(cards)
    _number([chosen, *(card for card in cards if card.pk != chosen.pk)], f"put first by the customer: {chosen}")
    return chosen


@transaction.atomic
def remove_card(account: Account, source_id: int, *, seen: str) -> str:
    """Take a card away and return its name; the ones after it move up. What was paid with it keeps its receipt.

    Raises StaleState if the cards are not as they were ``seen``, and Refused while it is being charged, for the only
    card while automatic payment is on, and where another room needs it to stay.
    """
    cards = _lock(account, seen)
    chosen = _own(cards, source_id)
    _refuse_while_charging([chosen])
    words = why_not_removed(account, cards, chosen)
    if words:
        raise Refused("card_needed", words)
    name, others = str(chosen), [card for card in cards if card.pk != source_id]
    chosen._change_reason = f"removed by the customer: {name}"[:REASON_LENGTH]  # type: ignore[attr-defined]
    chosen._history_date = clock.now()  # type: ignore[attr-defined]
    chosen.delete()
    _number(others, f"moved up, {name} was removed")
    return name


def why_not_removed(account: Account, cards: Sequence[FundingSource], chosen: FundingSource) -> str:
    """Return why a card has to stay, in the customer's language; empty if it may go."""
    usable = [card for card in cards if card.barred_at is None and card.pk != chosen.pk]
    if chosen.barred_at is None and not usable and autopay_of(account):
        return _(
            "This is the only card that automatic payment can charge. Add another one first, or turn automatic"
            " payment off."
        )
    answers = about_to_remove_source.send(sender=FundingSource, account_id=account.pk, left=len(usable))
    return next((str(words) for _receiver, words in answers if words), "")


def _lock(account: Account, seen: str) -> list[FundingSource]:
    ledger.lock_account(account.pk)
    cards = sorted(lock_rows(FundingSource.objects.filter(account=account)), key=lambda card: card.rank)
    if mark_of(cards) != seen:
        raise StaleState(_("Your cards have changed since this page was opened. Please look at them again."))
    return cards


def _own(cards: Sequence[FundingSource], source_id: int) -> FundingSource:
    found = next((card for card in cards if card.pk == source_id), None)
    if found is None:
        raise Refused("no_such_card", _("This card is not stored any more; nothing was changed."))
    return found


def _refuse_while_charging(cards: Sequence[FundingSource]) -> None:
    rows = PaymentAttempt.objects.filter(funding_source__in=cards, state__in=UNDER_WAY_STATES)
    if rows.exists():
        words = _("A payment with this card is under way. Please wait for its outcome, then try again.")
        raise Refused("charge_under_way", words)


def _number(cards: Sequence[FundingSource], why: str) -> None:
    """Give cards the places 1, 2, 3 in this order; those that keep theirs are not touched."""
    moving = [(place, card) for place, card in enumerate(cards, 1) if card.rank != place]
    for place, card in moving:
        FundingSource.objects.filter(pk=card.pk).update(rank=ASIDE + place)
    for place, card in moving:
        card.rank = place
        save_with_reason(card, ["rank"], why, at=clock.now())
