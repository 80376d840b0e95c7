"""A payment that a customer starts in the portal: reserve, call the gateway with no transaction open, settle (R-05).

With a stored source the gateway is called at once. With a new card the customer goes to a page of the gateway's; the
attempt is reserved before, and stays open until the page has ended.
"""

from dataclasses import dataclass
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from accounts.models import Account, FundingSource
from billing_project.kernel import clock, money
from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, Unavailable
from invoicing.gateways.port import ChargeReceipt, ChargeRequest, PageRequest, Pending, SourceFacts
from invoicing.gateways.registry import gateway
from invoicing.models import Invoice, PaymentAttempt
from invoicing.queries import account_position
from invoicing.signals import payment_page_opened, payment_started

from . import collect, inquire, ledger, shadow, sources

State = PaymentAttempt.State
UNDER_WAY_STATES = (State.CLAIMED, *PaymentAttempt.ASKED)
UNDER_WAY = _lazy("A payment of yours is under way. Please wait for its outcome before paying again.")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCard:
    """A card that the gateway's own page has just taken: tokens only."""

    source_token: str
    brand: str
    last4: str
    keep: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OnPage:
    """Whatever card the customer will enter on the gateway's own page; ``keep`` asks for it to be stored."""

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

    Money goes to the named invoice, then to the oldest due. A payment page that is still open is closed first. Raises
    Refused for an amount above what is owed, while another charge is under way, or for a source that may not be
    charged.
    """
    known = earlier_press(account, key)
    if known is not None:
        return known
    inquire.close_open_pages(account, clock.now(), but=key)
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
    except Pending as pending:
        collect.settle_pending(attempt.pk, pending, at)
    except OutcomeUnknown as unknown:
        collect.settle_unknown(attempt.pk, str(unknown), at)
    else:
        _settle_done(attempt, source, receipt)
    attempt.refresh_from_db()
    return attempt


def pay_on_page(
    account: Account,
    amount: Decimal,
    *,
    key: str,
    way: sources.Way,
    keep: bool = False,
    invoice: Invoice | None = None,
    named: bool = True,
) -> PaymentAttempt:
    """Open a page of the gateway's for a payment and return its attempt; ``page_url`` is where the customer goes.

    Unless ``named`` the page says nothing of whose account it is, and knows no stored card: anybody may see it.

    ``way.return_url`` and ``leave_url`` may say ``{attempt}``. The same key again returns the same attempt. Where no
    page can be made the attempt ends as declined, since nothing can be charged by it. Raises Refused as pay_now does.
    """
    known = earlier_press(account, key)
    if known is not None:
        return known
    inquire.close_open_pages(account, clock.now(), but=key)
    try:
        attempt, request = _reserve(account, OnPage(keep=keep), money.quantize(amount), key=key, invoice=invoice)
    except Refused:
        known = earlier_press(account, key)
        if known is not None:
            return known
        raise
    asked = PageRequest(
        key=key, account_ref=request.account_ref, currency=request.currency,
        description=request.description if named else _("Internet service"),
        return_url=way.return_url.format(attempt=attempt.pk), leave_url=way.leave_url.format(attempt=attempt.pk),
        customer_token=sources.customer_token(account) if named else "", amount=attempt.amount, keep=keep,
        language=way.language,
    )  # fmt: skip
    try:
        page = gateway().page_to_pay(asked)
    except (Rejected, Unavailable, OutcomeUnknown) as error:
        # Even if a page was made, nobody knows its address, so nobody can pay on it.
        collect.settle_declined(attempt.pk, Rejected(str(error), "unavailable"))
    else:
        # As long as the page may be paid on the attempt is being sent; after that it is looked up.
        PaymentAttempt.objects.filter(pk=attempt.pk, state=State.SENDING).update(
            page_id=page.page_id, page_url=page.url, lease_until_at=page.open_until + collect.LEASE
        )
        # Robust: whatever becomes of the line meanwhile, paying must work.
        payment_page_opened.send_robust(
            sender=PaymentAttempt, account_id=account.pk, attempt_id=attempt.pk, open_until=page.open_until
        )
    attempt.refresh_from_db()
    return attempt


def earlier_press(account: Account, key: str) -> PaymentAttempt | None:
    """Return what became of the same press of the button, if it came before."""
    return PaymentAttempt.objects.filter(key=key, account=account).first()


@transaction.atomic
def _reserve(
    account: Account, source: FundingSource | NewCard | OnPage, amount: Decimal, *, key: str, invoice: Invoice | None
) -> tuple[PaymentAttempt, ChargeRequest]:
    shadow.refuse_in_shadow(_("Nothing can be paid here yet; please pay where you have paid so far."))
    ledger.lock_account(account.pk)
    position = account_position(account.pk)
    _check(account, source, amount, position.pay_all)
    _check_named(account, invoice)
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
        customer_token=stored.customer_token if stored else "",
        source_token="" if isinstance(source, OnPage) else source.source_token,
        description=f"Account {account.number}", account_ref=str(account.public_id), invoices=anchor.number,
    )  # fmt: skip


def _check(account: Account, source: FundingSource | NewCard | OnPage, amount: Decimal, most: Decimal) -> None:
    """Refuse, in the customer's own language, what must not be charged."""
    if amount <= 0 or amount > most:
        words = _("Choose an amount from 0.01 to %(most)s; that is all that is owed.")
        raise Refused("bad_amount", words % {"most": money.text(most)})
    stored = source if isinstance(source, FundingSource) else None
    if stored is not None and not FundingSource.objects.filter(pk=stored.pk, source_token=stored.source_token).exists():
        raise Refused("source_gone", _("This card is not stored any more. Please choose another one, or a new card."))
    if stored is not None and (stored.account_id != account.pk or stored.barred_at is not None):
        words = _("This card or bank account may not be charged; choose another, or add it anew.")
        raise Refused("source_barred", words)
    if PaymentAttempt.objects.filter(account=account, state__in=UNDER_WAY_STATES).exists():
        raise Refused("charge_under_way", str(UNDER_WAY))


def _check_named(account: Account, invoice: Invoice | None) -> None:
    """Refuse an invoice that is another account's, paid by now, or disputed: its money would go elsewhere."""
    if invoice is None:
        return
    now = Invoice.objects.filter(pk=invoice.pk, account=account).first()
    if now is None or now.state != Invoice.State.OPEN:
        raise Refused("invoice_paid", _("This invoice is not open any more; there is nothing to pay on it."))
    if now.frozen:
        words = _("This invoice is disputed. Nothing has to be paid on it until that is settled.")
        raise Refused("invoice_disputed", words)


@transaction.atomic
def _settle_done(attempt: PaymentAttempt, source: FundingSource | NewCard, receipt: ChargeReceipt) -> None:
    if isinstance(source, NewCard) and source.keep:
        sources.keep_paid_with(
            attempt.pk, SourceFacts(token=source.source_token, brand=source.brand, last4=source.last4)
        )
    collect.settle_done(attempt.pk, receipt, clock.now())
