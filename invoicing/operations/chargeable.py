"""What is known before a card is charged by itself: may it be asked, and for which invoices (E7, E8, X8).

Each question is asked for any number of accounts with a constant number of queries: once when a day's charges are
queued, and for one account again right before its card is asked.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from django.db.models import Max

from accounts.models import FundingSource
from accounts.queries import funding_sources_by_rank
from billing_project.kernel import clock, money
from invoicing.models import BillingParameters, Invoice, PaymentAttempt
from invoicing.rules import collection

State = PaymentAttempt.State
# The code of an attempt that was not made because another one of the day covers its invoice.
TOGETHER = "together"
# One charge of an account on a day, by a source of a rank.
Day = tuple[int, date, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeAttemptOrder:
    """A charge to queue: which invoice, which source by rank, how much at most; the key makes it once."""

    account_id: int
    invoice_id: int
    rank: int
    key: str
    amount: Decimal
    due_at: datetime
    why: str


@dataclass(slots=True)
class Chargeable:
    """What is known of some accounts; read it with :func:`read`."""

    sources: dict[int, dict[int, FundingSource]]
    by_hand: set[int]
    hard: dict[int, list[collection.HardNo]]
    charged_at: dict[tuple[int, str], datetime]
    whole: dict[int, str] = field(default_factory=dict)  # account -> time zone

    def refusal(self, account_id: int, invoice_id: int, source: FundingSource | None, *, later: bool = False) -> str:
        """Return why a source of an account is not asked for an invoice; empty if it is.

        What is due only ``later`` is not refused for what may have changed by then: a card may be renewed, automatic
        payment may be on again.
        """
        mark = mark_of(source)
        return collection.refusal_without_call(
            has_source=source is not None,
            barred_why=source.barred_why if source is not None and source.barred_at is not None else None,
            earlier_codes=()
            if later
            else collection.codes_against(
                mark, invoice_id, self.hard.get(account_id, ()), charged_at=self.charged_at.get((account_id, mark))
            ),
            by_hand=not later and account_id in self.by_hand,
        )


def mark_of(source: FundingSource | None) -> str:
    """Return a short mark of the very card in a place; another card there, or a renewed one, has another mark."""
    if source is None:
        return ""
    said = f"{source.gateway}|{source.source_token}|{source.last4}|{source.expires_on or ''}"
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def read(account_ids: Iterable[int]) -> Chargeable:
    """Return what is known of accounts before they are charged: sources, terms, and the hard declines of the past."""
    ids = set(account_ids)
    rows = PaymentAttempt.objects.filter(account_id__in=ids)
    hard: dict[int, list[collection.HardNo]] = defaultdict(list)
    declined = rows.filter(state=State.DECLINED, code__in=collection.HARD_DECLINES).select_related("funding_source")
    for row in declined:
        # Before marks were kept, the place of the card stood for the card.
        mark = row.source_mark or mark_of(row.funding_source)
        no = collection.HardNo(mark, row.invoice_id, row.code, row.settled_at or row.created_at)
        hard[row.account_id].append(no)
    charged = rows.filter(state=State.DONE).exclude(source_mark="").order_by()
    terms = BillingParameters.objects.filter(account_id__in=ids)
    whole = terms.filter(autopay_entire_amount_due=True).values_list("account_id", "account__timezone")
    return Chargeable(
        sources=funding_sources_by_rank(ids),
        by_hand=set(terms.filter(autopay=False).values_list("account_id", flat=True)),
        hard=hard,
        charged_at={
            (account_id, mark): at
            for account_id, mark, at in charged.values_list("account_id", "source_mark").annotate(at=Max("settled_at"))
        },
        whole=dict(whole),
    )


def lead_the_day(orders: Sequence[ChargeAttemptOrder], known: Chargeable) -> dict[str, str]:
    """Say, for accounts whose entire amount is charged at once, which orders make the charge of their day (X8).

    The answer names every such order by its key: with an empty text if it makes the charge, and else with the words why
    it does not. One whose invoice is not due yet is left out, and is charged by itself. A charge of the same day that
    was queued before makes the later ones needless; one that was refused does not.
    """
    ours = [order for order in orders if order.account_id in known.whole]
    if not ours:
        return {}
    invoices = Invoice.objects.in_bulk({order.invoice_id for order in ours})
    days: dict[Day, list[ChargeAttemptOrder]] = defaultdict(list)
    for order in ours:
        on = clock.local(order.due_at, known.whole[order.account_id]).date()
        if invoices[order.invoice_id].due_on <= on:
            days[order.account_id, on, order.rank].append(order)
    earlier = _queued_before(days, known)
    answer: dict[str, str] = {}
    for day, members in days.items():
        members.sort(key=lambda order: (invoices[order.invoice_id].due_on, order.invoice_id))
        leader = earlier.get(day)
        if leader is None:
            leader = invoices[members[0].invoice_id].number
            answer[members.pop(0).key] = ""
        for order in members:
            answer[order.key] = (
                f"Everything that is due is charged together on this day, with the charge for invoice {leader}."
            )
    return answer


def _queued_before(days: Iterable[Day], known: Chargeable) -> dict[Day, str]:
    """Return the number of the invoice with which a day's charge was queued before, where it was."""
    rows = PaymentAttempt.objects.filter(account_id__in={account_id for account_id, _, _ in days}, whole=True)
    answer = {}
    for row in rows.exclude(state=State.REFUSED).select_related("invoice"):
        on = clock.local(row.due_at, known.whole[row.account_id]).date()
        answer[row.account_id, on, row.rank] = row.invoice.number
    return answer


def due_together(invoices: Iterable[Invoice], on: date) -> list[Invoice]:
    """Return which of an account's invoices one charge covers: all that are due by a day, oldest first."""
    due = [
        row
        for row in invoices
        if row.state == Invoice.State.OPEN and row.remaining > 0 and not row.frozen and row.due_on <= on
    ]
    return sorted(due, key=lambda row: (row.due_on, row.issued_on, row.number))


def in_words(invoices: Sequence[Invoice]) -> str:
    """Return what a charge covers, such as INV-7 40.00, INV-9 50.00."""
    return ", ".join(f"{row.number} {money.text(row.remaining)}" for row in invoices)


def waits_for(attempt: PaymentAttempt) -> bool:
    """Tell whether a charge that may take the same money is under way: one of them covers everything that is due."""
    others = PaymentAttempt.objects.filter(account=attempt.account_id, state__in=PaymentAttempt.ASKED)
    others = others.exclude(pk=attempt.pk)
    return (others if attempt.whole else others.filter(whole=True)).exists()
