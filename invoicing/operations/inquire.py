"""Ask the gateway what became of a charge or a page, and write it down (R-07, R-08). Nothing here charges.

The gateway is asked with no transaction open; what it says is written under the account's lock, so that any number of
askers, in any order and days late, end in the same books.
"""

from datetime import datetime

from accounts.models import Account
from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, StaleState, Unavailable
from invoicing.gateways.port import ChargeFacts, ChargeReceipt, ChargeTrace, PageState, Pending, Stage
from invoicing.gateways.registry import gateway
from invoicing.models import PaymentAttempt

from . import collect, sources

State = PaymentAttempt.State


def look_up(attempt_id: int, at: datetime) -> str:
    """Ask the gateway what became of one attempt, write it down, and return the attempt's state.

    One that is being sent at this moment is left alone, unless the customer is on a page of the gateway's.
    """
    attempt = PaymentAttempt.objects.select_related("funding_source").get(pk=attempt_id)
    if attempt.page_id and attempt.state in PaymentAttempt.ASKED:
        return _look_at_page(attempt, at)
    if attempt.state not in (State.UNKNOWN, State.PENDING):
        return attempt.state
    source = attempt.funding_source
    trace = ChargeTrace(
        key=attempt.key, provider_id=attempt.provider_id, since=attempt.created_at,
        customer_token=source.customer_token if source else "",
    )  # fmt: skip
    try:
        receipt = gateway().lookup(trace)
    except Rejected as rejected:
        return collect.settle_declined(attempt_id, rejected)
    except Pending as pending:
        return collect.settle_pending(attempt_id, pending, at)
    except (Unavailable, OutcomeUnknown) as unanswered:
        return collect.settle_unknown(attempt_id, str(unanswered), at)
    if receipt is not None:
        return record(attempt_id, receipt, at)
    if attempt.state == State.PENDING:
        return collect.settle_unknown(attempt_id, "The gateway cannot find this charge any more.", at)
    # The gateway never took it. The same key keeps even a late arrival from charging twice.
    return collect.settle_not_happened(attempt_id, "The gateway knows nothing of this charge.", at)


def record(attempt_id: int, receipt: ChargeReceipt, at: datetime) -> str:
    """Write down a charge that was made, or leave it unknown where that is not possible now."""
    try:
        return collect.settle_found(attempt_id, receipt, at)
    except (Refused, StaleState) as refused:
        # The money has moved: whatever kept us from writing it down, the next lookup will do it.
        return collect.settle_unknown(attempt_id, f"It was charged, but is not recorded yet: {refused}", at)


def settle(attempt: PaymentAttempt, facts: ChargeFacts, at: datetime) -> str:
    """Bring an attempt to how its charge stands, and return its state."""
    match facts.stage:
        case Stage.CHARGED:
            method = facts.source.kind if facts.source else "card"
            return record(attempt.pk, ChargeReceipt(facts.provider_id, facts.amount, method), at)
        case Stage.PENDING:
            return collect.settle_pending(attempt.pk, Pending(facts.words, facts.provider_id), at)
        case Stage.DECLINED:
            return collect.settle_declined(attempt.pk, Rejected(facts.words, facts.code))


def close_open_pages(account: Account, at: datetime, *, but: str = "") -> None:
    """Close the pages on which an account could still pay, before it pays another way; not the page of a key.

    A page on which the customer paid at the last moment is settled as paid. Raises Refused if one cannot be closed.
    """
    rows = (
        PaymentAttempt.objects.filter(account=account, state__in=PaymentAttempt.ASKED)
        .exclude(page_id="")
        .exclude(key=but)
    )
    for attempt in rows.order_by("pk"):
        try:
            gateway().close_page(attempt.page_id)
        except (Unavailable, OutcomeUnknown) as error:
            raise Refused("charge_under_way", f"The payment page that is open cannot be closed now. {error}") from None
        look_up(attempt.pk, at)


def leave_page(attempt_id: int, at: datetime) -> str:
    """Close the page that a customer has turned back from, and return the attempt's state; what was paid is paid."""
    attempt = PaymentAttempt.objects.get(pk=attempt_id)
    if attempt.page_id and attempt.state in PaymentAttempt.ASKED:
        try:
            gateway().close_page(attempt.page_id)
        except (Unavailable, OutcomeUnknown):
            return attempt.state  # it ends by itself
    return look_up(attempt_id, at)


def _look_at_page(attempt: PaymentAttempt, at: datetime) -> str:
    """Settle what was paid on a page; on one that is open nothing is final, since another card may be tried there."""
    own = gateway()
    try:
        facts = own.page_facts(attempt.page_id)
        if facts is not None and facts.state is PageState.OPEN:
            if attempt.state == State.SENDING:
                return attempt.state
            own.close_page(attempt.page_id)  # its time is over
            facts = own.page_facts(attempt.page_id)
    except (Unavailable, OutcomeUnknown) as unanswered:
        if attempt.state == State.SENDING:
            return attempt.state
        return collect.settle_unknown(attempt.pk, str(unanswered), at)
    if facts is not None and facts.state is PageState.OPEN:
        return collect.settle_unknown(attempt.pk, "The payment page is still open at the gateway.", at)
    if facts is None or facts.charge is None:
        left = Rejected("The payment page was left without paying.", "page_left")
        return collect.settle_declined(attempt.pk, left)
    if facts.source is not None and facts.charge.stage is not Stage.DECLINED:
        sources.keep_paid_with(attempt.pk, facts.source)
    return settle(attempt, facts.charge, at)
