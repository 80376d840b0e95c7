"""Questions about disputes: what runs, what an invoice holds back, and what confirming one would do. Reads only."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db.models import QuerySet, Sum

from accounts.models import Account
from billing_project.kernel import clock
from invoicing.models import Invoice, LedgerEntry
from invoicing.queries import open_invoices

from .glance import holding_back
from .models import Dispute, Standing, StepRun

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Hold:
    """What a dispute of an invoice meets: whether the invoice holds service back, and what else does."""

    holds: bool
    others: tuple[Invoice, ...]  # further invoices that hold service back, and are not disputed
    restricts: bool  # a line is restricted, or the status switched

    @property
    def lifts(self) -> bool:
        """Tell whether freezing it leaves nothing for which service may be held back (I9)."""
        return self.holds and not self.others

    @property
    def words(self) -> str:
        """Say to staff what freezing the invoice does."""
        if not self.holds:
            return (
                "It holds nothing back: the invoice is frozen at once. No payment goes on it by itself, no fee and no"
                " step follows from it, and it does not count as seriously late (A27)."
            )
        if self.lifts:
            back = "its line is opened and its status returns at once" if self.restricts else "its case ends at once"
            return (
                f"The account is held to it: freezing it lifts that. {back.capitalize()}, without a reconnection fee"
                " (I9, A8). If the dispute is rejected, it is delinquent again from the next check."
            )
        numbers = ", ".join(invoice.number for invoice in self.others)
        return (
            f"The invoice is frozen, but the account stays as it is: it is held to {numbers} as well, which nobody"
            " disputes."
        )


def hold_of(invoice: Invoice) -> Hold:
    """Return whether an invoice holds service back, and what else does."""
    standing = Standing.objects.filter(account=invoice.account_id).first()
    holding = holding_back(invoice.account_id, standing)
    others = tuple(
        row for row in open_invoices([invoice.account_id])
        if row.pk in holding and row.pk != invoice.pk and not row.frozen
    )  # fmt: skip
    in_force = StepRun.objects.filter(account=invoice.account_id, in_force=True).exists()
    return Hold(holds=invoice.pk in holding, others=others, restricts=in_force)


def lift_until(account: Account, today: date) -> date:
    """Return the Grace Until with which a line is opened over a dispute: tomorrow, or the one that runs longer."""
    running = Standing.objects.filter(account=account).values_list("grace_until", flat=True).first()
    return max(today + ONE_DAY, running) if running else today + ONE_DAY


def newest_disputes(invoice_ids: Iterable[int]) -> dict[int, Dispute]:
    """Return the newest dispute of each invoice that has one; one query."""
    rows = Dispute.objects.filter(invoice__in=list(invoice_ids)).select_related("ticket", "invoice")
    return {row.invoice_id: row for row in rows.order_by("opened_at", "pk")}


def running_of(account: Account) -> list[Dispute]:
    """Return the disputes of an account that nobody has decided yet, the oldest first."""
    return list(running_rows(account))


def running_rows(account: Account) -> QuerySet[Dispute]:
    """Return the query behind `running_of`."""
    rows = Dispute.objects.filter(account=account, state__in=Dispute.RUNNING).select_related("invoice", "ticket")
    return rows.order_by("opened_at", "pk")


def taken_off(dispute: Dispute) -> Decimal:
    """Return what credit notes have taken off a disputed invoice since the dispute was opened."""
    given = LedgerEntry.objects.filter(
        invoice=dispute.invoice_id, kind=LedgerEntry.Kind.CREDIT_NOTE, recorded_at__gte=dispute.opened_at
    )
    return -(given.aggregate(all=Sum("amount"))["all"] or Decimal("0.00"))


def days_open(dispute: Dispute) -> int:
    """Return for how many of the account's days a dispute has been running, or ran."""
    zone = dispute.account.timezone
    end = clock.local(dispute.decided_at, zone).date() if dispute.decided_at else clock.today(zone)
    return (end - dispute.opened_on).days
