"""The twenty-four stories of clerks and support on the stock admin, each by the shortest chain of its screens.

A walk gets the account of `make_everything` and does what the product's test of that story ends with, in rows. Rows
that no screen can write and effects that no screen has (a device asked, a letter rendered) end it: it says how far it
got. It returns the clicks of repetitions it did not walk.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from accounts.models import Account, CallRecord, Contact, Notice, NoticeTemplateVersion, ServiceLine, Suppression
from billing_project.kernel import clock
from delinquency.models import (
    AccountHold,
    AirbagTrip,
    CallTask,
    CannedReply,
    Case,
    Dispute,
    Event,
    GraceGrant,
    Promise,
    Standing,
    TaskRun,
    Ticket,
    TicketComment,
)  # fmt: skip
from invoicing.models import Charge, Invoice, LedgerEntry, Payment, PaymentAttempt, SandboxCharge
from netenforce.models import EnforcementTask, Hold, LineState, PaymentWindow
from tests.browser.stock import Stock
from tests.browser.stories import Story

NOON = "2026-01-21 12:00:00"
WHO = "10001"


@dataclass(frozen=True, slots=True)
class Walk:
    """One story: how it goes, and what no stock screen can do of it (then it does not count)."""

    do: Callable[[Stock, Account, Story], int | None]
    cannot: str = ""
    note: str = ""


def settle(stock: Stock, reference: str) -> None:
    """Set the invoice to paid, record the payment, and book it."""
    stock.open(Invoice)
    stock.search(WHO)
    stock.row(f"A-{WHO}")
    stock.write(remaining="0.00", state="paid")
    stock.save()
    stock.add(Payment)
    stock.write(account=WHO, reference=reference, received_at=NOON, amount="60.00", effective_at=NOON)
    stock.save()
    stock.add(LedgerEntry)
    stock.write(account=WHO, kind="payment", amount="-60.00", payment=reference, key=reference, effective_at=NOON)
    stock.save()


def k1(stock: Stock, _account: Account, _story: Story) -> None:
    TaskRun.objects.update(state="failed", count=0, error="Edge 1 does not answer")
    for model, query in ((Account, "parked_at__isnull=False"), (Notice, "state__exact=ambiguous")):
        stock.open(model)
        stock.narrow(query)
    stock.open(TaskRun)
    stock.narrow("state__exact=missed")
    stock.narrow("state__exact=failed")
    stock.row()


def k2(stock: Stock, _account: Account, _story: Story) -> None:
    stock.open(Standing)


def k3(stock: Stock, _account: Account, _story: Story) -> None:
    stock.open(AirbagTrip)
    stock.row()


def k4(stock: Stock, _account: Account, _story: Story) -> None:
    settle(stock, "CHEQUE-7")


def k5(stock: Stock, _account: Account, _story: Story) -> None:
    stock.add(GraceGrant)
    stock.write(account=WHO, until_on="2026-02-10", reason="Bank")
    stock.save()
    stock.open(Standing)
    stock.search(WHO)
    stock.row(WHO)
    stock.write(grace_until="2026-02-10")
    stock.save()


def k6(stock: Stock, _account: Account, _story: Story) -> None:
    stock.open(Charge)
    stock.search(WHO)
    stock.row("Late fee")
    stock.write(waived_at=NOON, waived_why="Our mistake")
    stock.save()
    stock.add(LedgerEntry)
    stock.write(account=WHO, kind="charge waived", amount="-10.00", charge="Late fee", key="waive-1", effective_at=NOON)
    stock.write(reason="Our mistake", reason_code="our mistake")
    stock.save()


def k7(stock: Stock, account: Account, _story: Story) -> None:
    case = Case.objects.get(account=account)
    Event.objects.create(
        account=account, sequence=2, on=date(2026, 1, 19), local_at="2026-01-19T09:00:00", kind="late_fee",
        why="100.00 was unpaid 3 days after it was due.", rule="A13", case=case, amount=Decimal(10),
    )  # fmt: skip
    stock.open(Event)
    stock.search(WHO)
    stock.narrow("kind=late_fee")
    stock.row()


def k8(stock: Stock, _account: Account, story: Story) -> int:
    stock.open(Account)
    stock.search("Mill Road")
    stock.add(AccountHold)
    before = story.clicks
    for day in ("2026-02-10", "2026-02-11", "2026-02-12"):  # the same account on three days: one hold may run at once
        AccountHold.objects.update(ended_at=clock.now(), ended_why="Up again")
        stock.write(account=WHO, until_on=day, reason="Storm, lines down")
        stock.save("_addanother")
    return (story.clicks - before) * 57 // 3


def k9(stock: Stock, _account: Account, story: Story) -> int:
    settle(stock, "T-1")
    return story.clicks * 3


def k10(stock: Stock, account: Account, _story: Story) -> None:
    SandboxCharge.objects.create(key="lost", source_token="tok_ok", amount=60, currency="USD", outcome="charged")
    PaymentAttempt.objects.create(
        account=account, invoice=Invoice.objects.get(), key="lost", amount=60, state="unknown", unclear_at=clock.now()
    )
    stock.open(PaymentAttempt)
    stock.narrow("state__exact=unknown")
    stock.row()
    stock.open(SandboxCharge)
    stock.search("lost")
    settle(stock, "lost-1")
    stock.open(PaymentAttempt)
    stock.narrow("state__exact=unknown")
    stock.row()
    stock.write(state="done", payment="lost-1", settled_at=NOON)
    stock.save()


def k11(stock: Stock, _account: Account, _story: Story) -> None:
    stock.add(NoticeTemplateVersion)
    stock.write(
        template="delinquent", number="2", subject="Please pay", body="Thank you for being with us.", note="Own"
    )
    stock.save()


def k12(stock: Stock, _account: Account, _story: Story) -> None:
    stock.open(Invoice)
    stock.narrow("state__exact=open")


def why_and_what(stock: Stock) -> None:
    """See why the line is slow, and what is owed."""
    stock.open(Hold)
    stock.search(WHO)
    stock.row()
    stock.open(Invoice)
    stock.search(WHO)


def h1(stock: Stock, _account: Account, _story: Story) -> None:
    stock.open(Contact)
    stock.search("5550100123")
    why_and_what(stock)


def h2(stock: Stock, account: Account, _story: Story) -> None:
    stock.open(ServiceLine)
    stock.search(account.service_lines.get().ipv4 or "")
    why_and_what(stock)


def h3(stock: Stock, _account: Account, _story: Story) -> None:
    stock.open(Contact)
    stock.search(WHO)


def h4(stock: Stock, _account: Account, _story: Story) -> None:
    for model in (PaymentAttempt, LineState):
        stock.open(model)
        stock.search(WHO if model is PaymentAttempt else "100.64.40.1")


def order_open(stock: Stock, account: Account) -> None:
    """Order the line to be opened on its device."""
    stock.add(EnforcementTask)
    stock.write(line=str(account.service_lines.get()), device="Edge 1", level="open", restores=True, generation="2")
    stock.write(why="Storm")
    stock.save()


def h5(stock: Stock, account: Account, _story: Story) -> None:
    PaymentWindow.objects.all().delete()
    EnforcementTask.objects.all().delete()
    stock.add(PaymentWindow)
    stock.write(account=WHO, kind="release", key="release:1", why="Storm", closes_at="2099-01-01 12:00:00")
    stock.save()
    stock.open(LineState)
    stock.search(account.service_lines.get().ipv4 or "")
    stock.row()
    stock.write(desired_level="open", generation="2")
    stock.save()
    order_open(stock, account)


def h6(stock: Stock, _account: Account, _story: Story) -> None:
    stock.open(Ticket)
    stock.narrow("state__exact=open")
    stock.row("T-1")
    stock.write(owner="boss")
    stock.save("_continue")
    stock.beside("account")


def h7(stock: Stock, account: Account, _story: Story) -> None:
    Promise.objects.all().delete()
    contact = str(account.contacts.get())
    stock.open(Ticket)
    stock.row("T-1")
    stock.open(CannedReply)
    stock.row()
    stock.add(Notice)
    stock.write(account=WHO, contact=contact, anchor_key="ticket:1", step_key="r", channel="email", template="reply")
    stock.write(to_address="ann@customer.example", body="Thank you. We wait until Friday.")
    stock.save()
    stock.add(TicketComment)
    stock.write(ticket="T-1", text="Thank you. We wait until Friday.", direction="out", internal=False)
    stock.save()
    stock.add(GraceGrant)
    stock.write(account=WHO, until_on="2026-02-10", reason="Promised")
    stock.save()
    stock.add(Promise)
    stock.write(account=WHO, pay_by_on="2026-02-09", owed="60.00", made_on="2026-02-02", invoices="[1]")
    stock.write(grant=str(GraceGrant.objects.latest("pk").pk))
    stock.save()
    stock.open(Ticket)
    stock.row("T-1")
    stock.write(state="waiting", waiting_until="2026-02-09")
    stock.save()


def h8(stock: Stock, _account: Account, _story: Story) -> None:
    stock.open(Contact)
    stock.search(WHO)
    stock.open(CallRecord)
    stock.search(WHO)
    stock.add(CallRecord)
    stock.write(account=WHO, number="+15550100123", outcome="voicemail")
    stock.save()
    stock.open(CallTask)
    stock.row()
    stock.write(outcome="voicemail", outcome_at=NOON)
    stock.save()


def h9(stock: Stock, _account: Account, _story: Story) -> None:
    Suppression.objects.all().delete()
    stock.open(Contact)
    stock.search(WHO)
    stock.add(Suppression)
    stock.write(channel="SMS", address="+15550100123", reason="by_hand")
    stock.save()


def h10(stock: Stock, account: Account, _story: Story) -> None:
    EnforcementTask.objects.all().delete()
    LineState.objects.update(desired_level="open", observed_level="throttle")
    stock.open(LineState)
    stock.narrow("desired_level__exact=open")
    stock.narrow("observed_level__exact=throttle")
    order_open(stock, account)


def h11(stock: Stock, _account: Account, _story: Story) -> None:
    Dispute.objects.all().delete()
    stock.add(Ticket)
    stock.write(account=WHO, number="T-2", subject="Router went back", kind="dispute", queue="Billing")
    stock.write(opened_on="2026-01-21")
    stock.save()
    stock.add(Dispute)
    stock.write(account=WHO, invoice=f"A-{WHO}", ticket="T-2", text="Router went back", state="open")
    stock.write(opened_on="2026-01-21", confirmed_at=NOON)
    stock.save()
    stock.open(Invoice)
    stock.search(WHO)
    stock.row(f"A-{WHO}")
    stock.write(frozen=True)
    stock.save()


def h12(stock: Stock, _account: Account, _story: Story) -> None:
    stock.open(Ticket)
    stock.narrow("state__exact=open")
    stock.row("T-1")
    stock.write(queue="Billing")
    stock.save()
    stock.open(Invoice)
    stock.search(WHO)
    stock.add(TicketComment)
    stock.write(ticket="T-1", text="Owes 60.00 USD since 16 January.", direction="note", internal=True)
    stock.save()


WALKS = {
    "K1": Walk(k1),
    "K2": Walk(k2, cannot="Says who is due, not what would be done."),
    "K3": Walk(k3, cannot="A trip is shown; nothing of it can be decided."),
    "K4": Walk(k4),
    "K5": Walk(k5, note="The next step is not shown."),
    "K6": Walk(k6),
    "K7": Walk(k7),
    "K8": Walk(k8, note="3 of 60 forms walked, 57 counted."),
    "K9": Walk(k9, note="1 of 4 rows walked, 3 counted."),
    "K10": Walk(k10, note="Only the sandbox's answer is among the models."),
    "K11": Walk(k11, cannot="A draft is saved; nothing shows it for an account, nothing publishes it."),
    "K12": Walk(k12, cannot="Open invoices are listed; not by age, and no file comes out."),
    "H1": Walk(h1),
    "H2": Walk(h2),
    "H3": Walk(h3, cannot="The number is found; no screen makes a link."),
    "H4": Walk(h4, cannot="What was known is shown; no screen asks a device."),
    "H5": Walk(h5, note="No limit is kept."),
    "H6": Walk(h6),
    "H7": Walk(h7),
    "H8": Walk(h8, note="Nothing blocks an eighth call."),
    "H9": Walk(h9),
    "H10": Walk(h10),
    "H11": Walk(h11),
    "H12": Walk(h12),
}
