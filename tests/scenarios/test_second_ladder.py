"""The rows that the ladder of the second article leaves: attempts, calls, tickets, what is held."""

import pytest

from accounts.models import FundingSource, Notice
from delinquency.models import CallTask, Ticket
from invoicing.dispatch import dispatch_charges
from invoicing.models import Charge, PaymentAttempt
from netenforce.models import Hold
from tests.worlds import Story, exchange

pytestmark = pytest.mark.django_db


def april() -> Story:
    """Return a customer whose first invoice is of Friday 2026-05-01, with a card that always declines."""
    story = Story(exchange(), first_bill_on="2026-05-01", sends=True)
    FundingSource.objects.create(
        account=story.account, rank=1, gateway="sandbox", source_token="tok_declined", last4="0002"
    )
    return story


def work(story: Story, day: str) -> None:
    """Let one day pass as on a real morning: sweeps, charges at six, letters at nine."""
    story.days(day)
    for hour in ("06:10", "09:10"):
        with story.now(f"{day} {hour}") as at:
            dispatch_charges(at)
            dispatch_charges(at)
        story.posts(f"{day} {hour}")
    story.days(day)


def test_g17_three_declines_ticket_letter_and_call_then_fee_and_disconnection() -> None:
    story = april()
    for day in range(1, 17):
        work(story, f"2026-05-{day:02d}")
    assert story.story() == [
        ("2026-05-01", "issued"),
        ("2026-05-01", "due"),
        ("2026-05-01", "charge"),
        ("2026-05-01", "charge"),
        ("2026-05-02", "past_due"),
        ("2026-05-02", "charge"),
        ("2026-05-02", "charge"),
        ("2026-05-02", "ticket_opened"),
        ("2026-05-02", "notice"),
        ("2026-05-02", "call_task"),
        ("2026-05-03", "charge"),
        ("2026-05-03", "charge"),
        ("2026-05-06", "late_fee"),
        ("2026-05-06", "delinquent"),
        ("2026-05-06", "account_delinquent"),
        ("2026-05-16", "status_switch"),
        ("2026-05-16", "restricted"),
    ]
    declined = PaymentAttempt.objects.filter(rank=1, state="declined")
    refused = PaymentAttempt.objects.filter(rank=2, state="refused")
    assert (declined.count() + PaymentAttempt.objects.filter(rank=1, state="refused").count(), refused.count()) == (
        3,
        3,
    )
    assert Notice.objects.filter(step_key="notice", state="accepted").count() == 1
    assert Ticket.objects.get().customer_contact is not None
    story.pays("2026-05-20 11:00", "100.00")
    story.days("2026-05-20")
    assert story.status == "Active"
    assert not Hold.objects.filter(lifted_at=None).exists()
    assert Ticket.objects.get().state == "closed"
    assert [(charge.kind, str(charge.amount), charge.invoice) for charge in Charge.objects.all()] == [
        ("late_fee", "10.00", None)
    ]


def test_g17_paid_by_the_end_of_the_fifth_there_is_no_fee_and_the_ticket_is_closed() -> None:
    story = april()
    for day in range(1, 6):
        work(story, f"2026-05-{day:02d}")
    story.pays("2026-05-05 23:59:59", "100.00")
    story.days("2026-05-05", "2026-05-20")
    assert story.story("late_fee", "account_delinquent") == []
    assert Ticket.objects.get().state == "closed"
    assert CallTask.objects.get().outcome == "not_needed"


def test_without_an_accepted_notice_the_disconnection_is_held_and_shown_to_a_clerk() -> None:
    story = april()
    story.account.contacts.update(email="")
    for day in range(1, 18):
        work(story, f"2026-05-{day:02d}")
    assert ("2026-05-16", "held") in story.story()
    assert story.story("restricted", "status_switch") == []
    assert story.account.attention_rows.filter(code="cut-held").exists()
