"""Questions about money, each answered with a constant number of queries for any number of accounts."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db.models import BooleanField, Exists, ExpressionWrapper, Q, QuerySet, Sum

from billing_project.kernel import clock
from billing_project.kernel.together import Reading, in_turn

from .models import Charge, GatewayPoll, Invoice, LedgerEntry, PaymentAttempt
from .rules.allocation import Pot
from .rules.pages import pages_protect

ZERO = Decimal("0.00")
A_DAY = timedelta(days=1)
# How long ago a card may have been charged for nobody to know how that ended, while its gateway is silent.
IN_DOUBT_FOR = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Position:
    """What an account owes and has, now."""

    account_id: int
    balance: Decimal  # the sum of its ledger
    credit: Decimal  # money received that no invoice needed yet
    uninvoiced: Decimal  # charges waiting for the next invoice, credits among them deducted
    open_invoices: tuple[Invoice, ...]  # oldest due first

    @property
    def invoiced(self) -> Decimal:
        """Return what is unpaid on open invoices."""
        return sum((invoice.remaining for invoice in self.open_invoices), ZERO)

    @property
    def disputed(self) -> Decimal:
        """Return what is unpaid on disputed invoices, on which no payment goes (X9)."""
        return sum((invoice.remaining for invoice in self.open_invoices if invoice.frozen), ZERO)

    @property
    def pay_all(self) -> Decimal:
        """Return the amount that settles everything, waiting fees included; what is disputed waits for its decision."""
        return max(self.balance - self.disputed, ZERO)


@dataclass(slots=True)
class CreditPart:
    """What is left of one payment as credit, and the invoice its payer named."""

    payment_id: int
    invoice_id: int | None
    effective_at: datetime
    left: Decimal


@dataclass(slots=True)
class _Sums:
    balance: Decimal = ZERO
    credit: Decimal = ZERO
    uninvoiced: Decimal = ZERO
    open: list[Invoice] = field(default_factory=list)


def account_position(account_id: int) -> Position:
    """Return what one account owes and has."""
    return positions([account_id])[account_id]


def positions(account_ids: Iterable[int]) -> dict[int, Position]:
    """Return what each account owes and has; two queries."""
    return in_turn(positions_reading(account_ids))


def positions_reading(account_ids: Iterable[int]) -> Reading[dict[int, Position]]:
    """Read what each account owes and has; one round."""
    sums: dict[int, _Sums] = {account_id: _Sums() for account_id in account_ids}
    entries = (
        LedgerEntry.objects.filter(account_id__in=list(sums))
        .order_by()
        .values("account_id")
        .annotate(
            balance=Sum("amount"),
            credit=Sum("amount", filter=Q(invoice__isnull=True, charge__isnull=True)),
            uninvoiced=Sum("amount", filter=Q(charge__isnull=False)),
        )
    )
    rows, unpaid = yield entries, _open_invoices(sums)
    for row in rows:
        found = sums[row["account_id"]]
        found.balance = row["balance"]
        found.credit, found.uninvoiced = -(row["credit"] or ZERO), row["uninvoiced"] or ZERO
    for invoice in unpaid:
        sums[invoice.account_id].open.append(invoice)
    return {
        account_id: Position(account_id, found.balance, found.credit + ZERO, found.uninvoiced, tuple(found.open))
        for account_id, found in sums.items()
    }


def open_invoices(account_ids: Iterable[int]) -> list[Invoice]:
    """Return the unpaid invoices of accounts, oldest due first (A21)."""
    return list(_open_invoices(account_ids))


def _open_invoices(account_ids: Iterable[int]) -> "QuerySet[Invoice]":
    rows = Invoice.objects.filter(account_id__among=list(account_ids), state=Invoice.State.OPEN)
    return rows.order_by("due_on", "issued_on", "number")


def pot(invoice: Invoice) -> Pot:
    """Return an invoice as the allocation rule sees it."""
    return Pot(invoice.pk, invoice.issued_on, invoice.due_on, invoice.number, invoice.remaining, invoice.frozen)


def waiting_charges(account_ids: Iterable[int]) -> dict[int, list[Charge]]:
    """Return the charges that wait for the next invoice, by account, oldest first."""
    waiting: dict[int, list[Charge]] = defaultdict(list)
    rows = Charge.objects.filter(account_id__among=list(account_ids), invoice__isnull=True, waived_at__isnull=True)
    for charge in rows.order_by("charged_on", "pk"):
        waiting[charge.account_id].append(charge)
    return dict(waiting)


def credit_parts(account_ids: Iterable[int]) -> dict[int, list[CreditPart]]:
    """Return the credit of accounts payment by payment, in the order it is used: oldest money first."""
    rows = (
        LedgerEntry.objects.filter(account_id__among=list(account_ids), invoice__isnull=True, charge__isnull=True)
        .exclude(payment=None)
        .order_by()
        .values("account_id", "payment_id", "payment__invoice_id", "payment__effective_at", "payment__reference")
        .annotate(left=-Sum("amount"))
        .filter(left__gt=0)
        .order_by("payment__effective_at", "payment__reference")
    )
    parts: dict[int, list[CreditPart]] = defaultdict(list)
    for row in rows:
        parts[row["account_id"]].append(
            CreditPart(row["payment_id"], row["payment__invoice_id"], row["payment__effective_at"], row["left"])
        )
    return dict(parts)


def accounts_with_unsettled(account_ids: Iterable[int]) -> set[int]:
    """Return which accounts have a charge that is unknown or under way: nothing may be cut meanwhile (R-07, I9).

    A payment page that is merely open counts as long as a payment window would last, and as often in a day. While the
    gateway does not answer, those count as well of which nobody can tell whether they have paid.
    """
    return in_turn(unsettled_reading(account_ids))


def unsettled_reading(account_ids: Iterable[int]) -> Reading[set[int]]:
    """Read which accounts have an unsettled charge, as `accounts_with_unsettled` returns them; at most two rounds."""
    blind = GatewayPoll.objects.filter(blind_since_at__isnull=False)
    opened = Q(state=PaymentAttempt.State.SENDING) & ~Q(page_id="")
    rows = (
        PaymentAttempt.objects.filter(account_id__among=set(account_ids))
        .annotate(in_doubt=_is(_in_doubt() & Q(Exists(blind))), looked_at=_is(opened))
        .filter(Q(state__in=PaymentAttempt.ASKED) | Q(in_doubt=True))
    )
    looked_at: set[int] = set()
    in_the_air: set[int] = set()
    (found,) = yield (rows.order_by().values_list("account_id", "in_doubt", "looked_at"),)
    for pk, in_doubt, is_open in found:
        (looked_at if is_open and not in_doubt else in_the_air).add(pk)
    return in_the_air | (yield from _protected_by_pages(looked_at - in_the_air))


def _is(condition: Q) -> "ExpressionWrapper[Q]":
    return ExpressionWrapper(condition, output_field=BooleanField())


def _protected_by_pages(account_ids: set[int]) -> Reading[set[int]]:
    """Return which of the accounts with an open payment page are still protected by it."""
    if not account_ids:
        return set()
    now = clock.now()
    pages = PaymentAttempt.objects.filter(account_id__in=account_ids, created_at__gt=now - A_DAY).exclude(page_id="")
    opened: dict[int, list[datetime]] = defaultdict(list)
    (found,) = yield (pages.order_by("created_at").values_list("account_id", "created_at"),)
    for account_id, opened_at in found:
        opened[account_id].append(opened_at)
    length, most = timedelta(minutes=settings.PAYMENT_WINDOW_MINUTES), max(settings.PAYMENT_WINDOWS_A_DAY, 1)
    return {account_id for account_id, times in opened.items() if pages_protect(times, now, length=length, most=most)}


def accounts_in_doubt() -> set[int]:
    """Return the accounts of which nobody can tell whether they have paid, while the gateway does not answer.

    Those are the ones that it was asked to charge in the last days and did not, as far as we know.
    """
    rows = PaymentAttempt.objects.filter(_in_doubt()).order_by()
    return set(rows.values_list("account_id", flat=True).distinct())


def _in_doubt() -> Q:
    lately = Q(attempts__gt=0, created_at__gte=clock.now() - IN_DOUBT_FOR)
    return lately & ~Q(state=PaymentAttempt.State.DONE)
