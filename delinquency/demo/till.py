"""What goes on about money these days: a dispute that waits, money given back, a bank's file with a riddle in it."""

import uuid
from datetime import datetime, timedelta
from decimal import Decimal

from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.operations.disputes import dispute_in_portal
from invoicing.models import BankFile, Invoice, Payment
from invoicing.operations import bank_files, refunds

HOUR = timedelta(hours=1)
GIVEN_BACK = Decimal("5.50")
WRONG = "The invoice has “Wi-Fi care” on it. I cancelled that in the spring and have your letter about it."


class Till:
    """Plays what came in about money in the hours up to now."""

    def __init__(self, now: datetime) -> None:
        """Take who owes something and is in no trouble yet, the oldest invoice first; and who works at the till."""
        self.now = now
        self.casey = User.objects.get(username="clerk")
        unpaid = Invoice.objects.filter(
            state=Invoice.State.OPEN, account__standing__delinquent_since__isnull=True, account__tickets__isnull=True
        )
        self.unpaid = list(unpaid.select_related("account").order_by("due_on", "number")[:4])

    def play(self) -> None:
        """Let it all happen, each thing at its time; a small town has less of it."""
        for invoice in self.unpaid[:1]:
            self._disputed(invoice)
        self._given_back()
        self._bank_file(self.unpaid[1:3])

    def _disputed(self, invoice: Invoice) -> None:
        with clock.at(self.now - 7 * HOUR):
            try:
                dispute_in_portal(invoice, WRONG, once=uuid.uuid5(uuid.NAMESPACE_URL, f"demo:{invoice.number}"))
            except Refused:
                return  # its card is being charged at this moment

    def _given_back(self) -> None:
        """Give a little of the newest payment back whose money came over the gateway, or else of any."""
        paid = Payment.objects.filter(reversed_at__isnull=True, amount__gt=GIVEN_BACK).order_by("-received_at", "-pk")
        payment = paid.filter(attempt__isnull=False).first() or paid.first()
        if payment is None:
            return
        with clock.at(self.now - 3 * HOUR):
            refunds.begin(payment=payment, amount=GIVEN_BACK, why="Wi-Fi care did not work for a month", by=self.casey)
            refunds.dispatch_refunds(clock.now())

    def _bank_file(self, invoices: list[Invoice]) -> BankFile:
        """Upload this morning's transfers; of one of them nobody knows who sent it."""
        day = clock.local(self.now, "America/New_York").date()
        rows = [
            f"VB-{day:%Y%m%d}-{place},{invoice.account.number},{day},{invoice.remaining},{invoice.account.name},"
            f"{invoice.number}"
            for place, invoice in enumerate(invoices, 1)
        ]
        rows.append(f"VB-{day:%Y%m%d}-9,,{day},37.20,R. Vale & Daughter,")
        text = "\n".join(["reference,account,received,amount,payer,invoice", *rows])
        with clock.at(self.now - HOUR):
            return bank_files.take_in(
                kind="transfers", name=f"valley-bank-{day}.csv", content=text.encode(), by=self.casey
            )


def quiet_accounts() -> list[Account]:
    """Return the accounts with which nothing is the matter, by number."""
    rows = Account.objects.filter(tickets__isnull=True, standing__delinquent_since__isnull=True)
    return list(rows.exclude(invoices__state=Invoice.State.OPEN).order_by("number"))
