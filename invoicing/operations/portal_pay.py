"""A payment that a customer starts in the portal: reserve, call the gateway with no transaction open, settle (R-05)."""

from dataclasses import dataclass
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from accounts.models import Account, FundingSource
from accounts.operations import replace_funding_source
from billing_project.kernel import clock, money
from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, Unavailable
from invoicing.gateways.port import ChargeReceipt, ChargeRequest
from invoicing.gateways.registry import gateway
from invoicing.models import Invoice, PaymentAttempt
from invoicing.queries import account_position
from invoicing.signals import payment_started

from . import collect, ledger

State = PaymentAttempt.State
RANKS_MAX = 5
UNDER_WAY_STATES = (State.CLAIMED, State.SENDING, State.UNKNOWN)
UNDER_WAY = _lazy("A payment of yours is under way. Please wait for its outcome before paying again.")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCard:
    """A card that the gateway's own page has just taken: tokens only."""

    source_token: str
    brand: str
    last4: str
    keep: bool = False


def pay_now(
    account: Account,
    source: FundingSource | NewCard,
    amount: Decimal,
    *,
    key: str,
    invoice: Invoice | None = None,
) -> PaymentAttempt:
    """Charge a source at once, and return the attempt as it ended; the same key again returns the same attempt.

    Money goes to the named invoice, then to the oldest due. Raises Refused for an amount above what is owed, while
    another charge is under way, or for a source that may not be charged.
    """
    known = earlier_press(account, key)
    if known is not None:
        return known
    try:
        attempt, request = _reserve(account, source, money.quantize(amount), key=key, invoice=invoice)
    except Refused:
        # A second press at the same moment: the first one holds the key by now.
        known = earlier_press(account, key)
        if known is not None:
            return known
        raise
    at = clock.now()
    try:
        receipt = gateway().charge(request)
    except Rejected as rejected:
        collect.settle_declined(attempt.pk, rejected)
    except Unavailable as unavailable:
        # Nobody waits at the screen for a retry tonight: it ends here, and the customer may try again.
        collect.settle_declined(attempt.pk, Rejected(str(unavailable), "unavailable"))
    except OutcomeUnknown as unknown:
        collect.settle_unknown(attempt.pk, str(unknown), at)
    else:
        _settle_done(account, attempt, source, receipt)
    attempt.refresh_from_db()
    return attempt


def earlier_press(account: Account, key: str) -> PaymentAttempt | None:
    """Return what became of the same press of the button, if it came before."""
    return PaymentAttempt.objects.filter(key=key, account=account).first()


@transaction.atomic
def _reserve(
    account: Account, source: FundingSource | NewCard, amount: Decimal, *, key: str, invoice: Invoice | None
) -> tuple[PaymentAttempt, ChargeRequest]:
    ledger.lock_account(account.pk)
    position = account_position(account.pk)
    _check(account, source, amount, position.pay_all)
    anchor = invoice or next(iter(position.open_invoices), None) or Invoice.objects.filter(account=account).first()
    if anchor is None:
        raise Refused("nothing_invoiced", _("Nothing has been invoiced yet, so there is nothing to pay."))
    stored = source if isinstance(source, FundingSource) else None
    try:
        with transaction.atomic():
            attempt = PaymentAttempt.objects.create(
                account=account, invoice=anchor, funding_source=stored, key=key, rank=stored.rank if stored else 1,
                amount=amount, state=State.SENDING, attempts=1, lease_until_at=clock.now() + collect.LEASE,
                why="paid in the portal", due_at=clock.now(), created_at=clock.now(),
            )  # fmt: skip
    except IntegrityError as race:
        raise Refused("charge_under_way", str(UNDER_WAY)) from race
    payment_started.send(sender=PaymentAttempt, account_id=account.pk, attempt_id=attempt.pk)
    return attempt, ChargeRequest(
        key=key, amount=amount, currency=account.company.currency,
        customer_token=stored.customer_token if stored else "", source_token=source.source_token,
        description=f"Account {account.number}",
    )  # fmt: skip


def _check(account: Account, source: FundingSource | NewCard, amount: Decimal, most: Decimal) -> None:
    """Refuse, in the customer's own language, what must not be charged."""
    if amount <= 0 or amount > most:
        words = _("Choose an amount from 0.01 to %(most)s; that is all that is owed.")
        raise Refused("bad_amount", words % {"most": money.text(most)})
    stored = source if isinstance(source, FundingSource) else None
    if stored is not None and (stored.account_id != account.pk or stored.barred_at is not None):
        words = _("This card or bank account may not be charged; choose another, or add it anew.")
        raise Refused("source_barred", words)
    if PaymentAttempt.objects.filter(account=account, state__in=UNDER_WAY_STATES).exists():
        raise Refused("charge_under_way", str(UNDER_WAY))


@transaction.atomic
def _settle_done(
    account: Account, attempt: PaymentAttempt, source: FundingSource | NewCard, receipt: ChargeReceipt
) -> None:
    if isinstance(source, NewCard) and source.keep:
        attempt.funding_source = keep_card(account, source)
        attempt.save(update_fields=["funding_source"])
    collect.settle_done(attempt.pk, receipt, clock.now())


def keep_card(account: Account, card: NewCard) -> FundingSource:
    """Store a card: in its own rank if it is known, else in the first free one, else in the last one's place."""
    ranks = {source.source_token: source.rank for source in FundingSource.objects.filter(account=account)}
    free = next((rank for rank in range(1, RANKS_MAX) if rank not in ranks.values()), RANKS_MAX)
    return replace_funding_source(
        account, ranks.get(card.source_token, free), source_token=card.source_token, brand=card.brand, last4=card.last4,
        gateway=gateway().name,
    )  # fmt: skip
