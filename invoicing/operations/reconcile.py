"""Bring our books to how a payment stands at the gateway: paid, given back, disputed (A23, E11, R-08).

What a report says happened is never believed; it is only a reason to look. So reports may come in any order, three
times over and days late, or not at all.
"""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Sum

from accounts.models import Account
from accounts.operations import bar_funding_source, raise_attention, resolve_attention
from billing_project.kernel import money
from invoicing.gateways.port import ChargeFacts, Dispute, Stage
from invoicing.gateways.registry import gateway
from invoicing.models import LedgerEntry, Payment, PaymentAttempt

from . import adjust, inquire, ledger, sources
from .payments import parts_of, record_payment, reverse_payment

UNKNOWN_PAYMENT, REFUND_UNMATCHED = "payment-unknown", "refund-unmatched"
DISPUTE_ASKED, DISPUTE_PARTLY, CHARGEBACK = "dispute-asked", "dispute-partly", "chargeback"


def bring_up_to_date(provider_id: str, at: datetime) -> str:
    """Bring our books to how a payment stands at the gateway now, and say in words what that changed.

    Raises Unavailable if the gateway cannot be asked, StaleState while the account is in use.
    """
    facts = gateway().charge_facts(provider_id)
    if facts is None:
        return "the gateway has no such payment"
    attempt = _attempt_of(facts)
    done = []
    if attempt is not None:
        # On a page a declined card is not the end, and one that was charged may be one to keep: the page is asked.
        state = inquire.look_up(attempt.pk, at) if attempt.page_id else attempt.state
        on_page = bool(attempt.page_id) and facts.stage is Stage.DECLINED
        done.append(state if on_page or state == PaymentAttempt.State.DONE else inquire.settle(attempt, facts, at))
    payment = Payment.objects.filter(reference=facts.provider_id).first()
    if payment is None:
        return "; ".join(done) or _unknown(facts)
    resolve_attention(UNKNOWN_PAYMENT, facts.provider_id, f"recorded as payment {payment.reference}")
    done += [_match_refunds(payment, facts), _match_dispute(payment, facts, at)]
    return "; ".join(words for words in done if words) or "nothing new"


def bring_page_up_to_date(page_id: str, at: datetime) -> str:
    """Settle the payment that was made on a page, or keep the card that was added on it; say what that changed."""
    attempt = PaymentAttempt.objects.filter(page_id=page_id).first()
    if attempt is None:
        return sources.take_added(page_id)
    state = inquire.look_up(attempt.pk, at)
    facts = gateway().page_facts(page_id)
    if facts is None or facts.charge is None:
        return state
    if state == PaymentAttempt.State.DONE and facts.source is not None:
        sources.keep_paid_with(attempt.pk, facts.source)
    return bring_up_to_date(facts.charge.provider_id, at)


def _attempt_of(facts: ChargeFacts) -> PaymentAttempt | None:
    found = PaymentAttempt.objects.filter(key=facts.key).first() if facts.key else None
    return found or PaymentAttempt.objects.filter(provider_id=facts.provider_id).first()


def _unknown(facts: ChargeFacts) -> str:
    """Put a payment before the clerks that we never asked for; whose it is must not be guessed."""
    if facts.stage is not Stage.CHARGED:
        return "not a payment of ours"
    account = _account_of(facts.account_ref)
    whose = f" It is marked as account {account.number}'s." if account else ""
    raise_attention(
        code=UNKNOWN_PAYMENT, key=facts.provider_id, account=account,
        words=f"{facts.amount} {facts.currency} were paid at the gateway as {facts.provider_id}, and no charge of ours"
        f" asked for them.{whose} Find out whose they are, then record the payment with that reference, or give it back"
        " at the gateway.",
    )  # fmt: skip
    return "a payment that we did not ask for: it is with the clerks"


def _account_of(reference: str) -> Account | None:
    try:
        return Account.objects.filter(public_id=UUID(reference)).first()
    except ValueError:
        return None


@transaction.atomic
def _match_refunds(payment: Payment, facts: ChargeFacts) -> str:
    """Note what was given back at the gateway and is not noted here, if the payment has that much unused."""
    account = ledger.lock_account(payment.account_id)
    payment.refresh_from_db()
    noted = LedgerEntry.objects.filter(payment=payment, kind=LedgerEntry.Kind.REFUND).aggregate(all=Sum("amount"))
    extra = facts.refunded - (noted["all"] or money.ZERO)
    if extra <= 0 or payment.reversed_at is not None:
        resolve_attention(REFUND_UNMATCHED, facts.provider_id, "the books agree with the gateway")
        return ""
    if parts_of(payment.pk).get(None, money.ZERO) >= extra:
        adjust.refund(payment=payment, amount=extra, why="given back at the gateway")
        return f"{extra} given back"
    raise_attention(
        code=REFUND_UNMATCHED, key=facts.provider_id, account=account,
        words=f"{facts.refunded} of payment {payment.reference} were given back at the gateway, and {extra} of that are"
        " used for invoices here. Give a credit note on what it paid, or reverse the payment.",
    )  # fmt: skip
    return f"{extra} given back at the gateway do not fit the books: it is with the clerks"


@transaction.atomic
def _match_dispute(payment: Payment, facts: ChargeFacts, at: datetime) -> str:
    """Take a disputed payment back, bar its source, and record the money anew if the dispute was won."""
    account = ledger.lock_account(payment.account_id)
    payment.refresh_from_db()
    why = f"disputed: {facts.dispute_words or 'no reason given'}"
    match facts.dispute:
        case Dispute.NONE:
            return ""
        case Dispute.ASKED:
            raise_attention(
                code=DISPUTE_ASKED, key=facts.dispute_id, account=account,
                words=f"The bank asks about payment {payment.reference} ({why}). No money has moved yet: answer at the"
                " gateway, or give it back, before it becomes a dispute.",
            )  # fmt: skip
            return "an inquiry: it is with the clerks"
        case Dispute.TAKEN:
            resolve_attention(DISPUTE_ASKED, facts.dispute_id, "it became a dispute")
            return _take_back(payment, account, facts, why, at)
        case Dispute.WON:
            resolve_attention(DISPUTE_PARTLY, facts.dispute_id, "the dispute was won")
            return _give_again(payment, account, facts, why, at)


def _take_back(payment: Payment, account: Account, facts: ChargeFacts, why: str, at: datetime) -> str:
    if payment.reversed_at is not None:
        return ""
    _bar(payment, why, at)
    if facts.disputed < payment.amount:
        raise_attention(
            code=DISPUTE_PARTLY, key=facts.dispute_id, account=account,
            words=f"{facts.disputed} of payment {payment.reference} over {payment.amount} were taken back ({why})."
            " A payment is reversed whole only: reverse it, and record the rest as a payment of its own.",
        )  # fmt: skip
        return "a part was taken back: it is with the clerks"
    reverse_payment(payment=payment, why=why, at=at, as_=Payment.Reversal.CHARGEBACK)
    raise_attention(
        code=CHARGEBACK, key=facts.dispute_id, account=account,
        words=f"Payment {payment.reference} over {payment.amount} was taken back by the payer's bank ({why}). What it"
        " paid is owed again with its old due dates, and the card is charged no more. Look whether this account is a"
        " risk, and answer the dispute at the gateway if it is wrong.",
    )  # fmt: skip
    return f"reversed, {why}"


def _give_again(payment: Payment, account: Account, facts: ChargeFacts, why: str, at: datetime) -> str:
    """Record the money of a dispute that was won, if it had been taken from our books."""
    _bar(payment, why, at)
    if payment.reversed_at is None or Payment.objects.filter(reference=facts.dispute_id).exists():
        return ""
    amount: Decimal = min(facts.disputed, payment.amount)
    record_payment(
        account=account, reference=facts.dispute_id, amount=amount, received_at=at, method=payment.method,
        funding_source=payment.funding_source,
    )  # fmt: skip
    resolve_attention(CHARGEBACK, facts.dispute_id, "the dispute was won")
    return f"the dispute was won: {amount} recorded anew"


def _bar(payment: Payment, why: str, at: datetime) -> None:
    source = payment.funding_source
    if source is not None and source.barred_at is None:
        bar_funding_source(source, f"payment {payment.reference} was {why}", at=at)
