"""Disputes: frozen while looked into, told to the customer, decided by staff; nobody gets a line back by a button."""

import uuid
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction

from accounts.models import Notice, ServiceLine, User
from billing_project.kernel.errors import Refused, StaleState
from delinquency.disputed import hold_of
from delinquency.extensions import given_on
from delinquency.invariants import check_invariants
from delinquency.models import Dispute, InvoiceStanding, Standing, StepRun, TicketComment
from delinquency.operations import reassess
from delinquency.operations.disputes import (
    accept_dispute,
    close_settled_dispute,
    confirm_dispute,
    dispute_in_portal,
    open_dispute,
    reject_dispute,
    withdraw_dispute,
)
from invoicing.models import Invoice, LedgerEntry, MoneyLimit
from invoicing.operations.adjust import credit_note, freeze_invoice
from netenforce.models import Hold
from tests.factories import make_staff
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db

TEXT = "There is a router on it that I sent back in May."
FEE = {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 3, "flat": "10.00"}
STORY_KINDS = ("late_fee", "account_delinquent", "restricted", "status_switch", "released", "account_cured")


def late(until: str, **changes: object) -> Story:
    """Return a customer who owes 100.00, due 2026-01-16: a fee on 01-19, delinquent and slowed on 01-21."""
    story = Story(sonar(steps=[*sonar()["steps"], FEE], **changes), first_bill_on="2026-01-01")
    ServiceLine.objects.create(account=story.account, ipv4="100.64.0.7")
    story.days("2026-01-01", until)
    return story


def bill() -> Invoice:
    return Invoice.objects.order_by("issued_on", "pk")[0]


def says(story: Story, local: str, text: str = TEXT, once: uuid.UUID | None = None) -> Dispute:
    """Let the customer dispute the oldest invoice in the portal."""
    with story.now(local):
        return dispute_in_portal(bill(), text, once=once or uuid.uuid4())


@pytest.fixture
def story() -> Story:
    """Return the customer on the day after the due date."""
    return late("2026-01-17")


@pytest.fixture
def slowed() -> Story:
    """Return the customer two days after the line was slowed."""
    return late("2026-01-22")


@pytest.fixture
def sandy(db: None) -> User:
    """Return somebody who decides."""
    decides = make_staff("sandy", first_name="Sandy")
    group = Group.objects.create(name="Deciders")
    MoneyLimit.objects.create(group=group, waive_max=Decimal(1000))
    decides.groups.add(group)
    return decides


@pytest.fixture(autouse=True)
def whole() -> Iterator[None]:
    """Let no dispute break an invariant."""
    yield
    connection.check_constraints()


def test_a_dispute_freezes_the_invoice_at_once_and_nothing_follows_from_it(story: Story) -> None:
    dispute = says(story, "2026-01-18 10:00")
    assert (dispute.state, bill().frozen, dispute.by_customer) == ("open", True, True)
    events = story.days("2026-01-18", "2026-01-31")
    assert not [row for row in events if row[1] in STORY_KINDS]


def test_it_opens_a_ticket_in_billing_with_the_text_and_an_answer_is_owed(story: Story) -> None:
    ticket = says(story, "2026-01-18 10:00").ticket
    ticket.refresh_from_db()
    assert (ticket.kind, str(ticket.queue), ticket.invoices) == ("dispute", "Billing", [bill().pk])
    assert ticket.owed_since_at is not None
    line = TicketComment.objects.get(ticket=ticket, direction="in")
    assert (line.text, line.channel) == (TEXT, "portal")


def test_payments_do_not_go_on_a_disputed_invoice_by_themselves(story: Story) -> None:
    says(story, "2026-01-18 10:00")
    story.pays("2026-01-18 12:00", "100.00")
    assert bill().remaining == Decimal(100)


def test_pressing_twice_is_once(story: Story) -> None:
    once = uuid.uuid4()
    assert says(story, "2026-01-18 10:00", once=once) == says(story, "2026-01-18 10:00", once=once)
    with pytest.raises(Refused) as refused:
        says(story, "2026-01-18 10:01")
    assert refused.value.code == "dispute_runs"


def test_a_mark_of_another_accounts_form_opens_nothing(story: Story) -> None:
    once = uuid.uuid4()
    says(story, "2026-01-18 10:00", once=once)
    other = Story(story.policy, number="1002")
    invoice = other.owes("X-1", "2026-01-10", due_on="2026-01-30")
    with pytest.raises(Refused), other.now("2026-01-18 10:00"):
        dispute_in_portal(invoice, TEXT, once=once)
    assert Dispute.objects.count() == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("wrong", "too_short"),
        ("  \n ", "too_short"),
        ("x" * 2001, "too_long"),
        ("My card 4242 4242 4242 4242 was charged", "card_number"),
    ],
)
def test_a_text_that_cannot_be_kept_is_refused_kindly(story: Story, text: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        says(story, "2026-01-18 10:00", text)
    assert refused.value.code == code
    assert not bill().frozen


def test_a_paid_invoice_is_not_disputed_here(story: Story) -> None:
    story.pays("2026-01-18 09:00", "100.00")
    with pytest.raises(Refused) as refused:
        says(story, "2026-01-18 10:00")
    assert refused.value.code == "not_unpaid"


def test_a_customer_disputes_an_invoice_once_and_staff_may_again(story: Story, sandy: User) -> None:
    first = says(story, "2026-01-18 10:00")
    with story.now("2026-01-18 11:00"):
        reject_dispute(first, "The router never came back.", sandy)
    with pytest.raises(Refused) as refused:
        says(story, "2026-01-18 12:00")
    assert refused.value.code == "dispute_once"
    with story.now("2026-01-18 13:00"):
        assert open_dispute(bill(), "They found the receipt.", sandy).state == "open"


def test_a_rejected_dispute_lets_the_invoice_go_on_with_its_own_due_date_at_the_next_check(
    story: Story, sandy: User
) -> None:
    dispute = says(story, "2026-01-18 10:00")
    story.days("2026-01-18", "2026-01-24")
    with story.now("2026-01-24 23:30"):
        reject_dispute(dispute, "The router never came back.", sandy)
        assert reassess(story.account.pk) == [], "nothing bites at night"
    invoice = bill()
    assert (invoice.frozen, invoice.due_on, invoice.remaining) == (False, date(2026, 1, 16), Decimal(100))
    events = [row for row in story.days("2026-01-24", "2026-01-25") if row[1] in STORY_KINDS]
    assert events == [
        ("2026-01-25", "late_fee"), ("2026-01-25", "account_delinquent"), ("2026-01-25", "restricted"),
    ]  # fmt: skip
    assert story.story("status_switch") == []


def test_a_decision_is_told_by_letter_and_closes_the_ticket(story: Story, sandy: User) -> None:
    dispute = says(story, "2026-01-18 10:00")
    with story.now("2026-01-18 11:00"):
        done, told = reject_dispute(dispute, "The router never came back.", sandy)
    assert told
    text = Notice.objects.get(step_key="reply").context["reply_text"]
    assert text == (
        "We have looked into your dispute of invoice VF-000001: the invoice is right. 100.00 USD of it are to be paid;"
        " its due date is Friday 16 January.\n\nThe router never came back."
    ).replace("VF-000001", bill().number)
    done.ticket.refresh_from_db()
    assert done.ticket.state == "closed"


def test_who_cannot_be_written_to_reads_the_decision_in_the_portal(story: Story, sandy: User) -> None:
    dispute = says(story, "2026-01-18 10:00")
    story.account.contacts.update(email="", phone="")
    with story.now("2026-01-18 11:00"):
        done, told = reject_dispute(dispute, "The router never came back.", sandy)
    assert not told
    assert done.ticket.comments.filter(internal=False, text__contains="never came back").exists()


def test_a_decision_speaks_the_customers_language(story: Story, sandy: User) -> None:
    story.account.contacts.update(language="es")
    dispute = says(story, "2026-01-18 10:00")
    with story.now("2026-01-18 11:00"):
        accept_dispute(dispute, "El router llegó el 4 de mayo.", sandy, amount=Decimal("40.00"))
    text = Notice.objects.get(step_key="reply").context["reply_text"]
    assert text.startswith("Usted tiene razón sobre la factura"), text
    assert "40,00 USD" in text
    assert "60,00 USD" in text


def test_an_accepted_dispute_takes_the_amount_off_and_the_rest_is_owed_as_before(story: Story, sandy: User) -> None:
    dispute = says(story, "2026-01-18 10:00")
    with story.now("2026-01-20 10:00"):
        done, _ = accept_dispute(dispute, "The router came back.", sandy, amount=Decimal("40.00"))
    invoice = bill()
    assert (done.credited, invoice.remaining, invoice.frozen) == (Decimal(40), Decimal(60), False)
    assert LedgerEntry.objects.get(kind="credit_note").amount == Decimal(-40)
    assert ("2026-01-21", "account_delinquent") in story.days("2026-01-20", "2026-01-21")


def test_accepting_the_whole_ends_everything(slowed: Story, sandy: User) -> None:
    dispute = says(slowed, "2026-01-22 10:00")
    with slowed.now("2026-01-22 11:00"):
        accept_dispute(dispute, "The router came back.", sandy)
    assert bill().state == "paid"
    assert not Hold.objects.filter(lifted_at__isnull=True).exists()
    assert ("2026-01-22", "account_cured") in slowed.story("account_cured")


@pytest.mark.parametrize("amount", ["-1.00", "0.00", "100.01"])
def test_no_more_is_taken_off_than_is_unpaid(story: Story, sandy: User, amount: str) -> None:
    dispute = says(story, "2026-01-18 10:00")
    with pytest.raises(Refused) as refused, story.now("2026-01-20 10:00"):
        accept_dispute(dispute, "The router came back.", sandy, amount=Decimal(amount))
    assert refused.value.code == "bad_amount"
    assert bill().frozen


def test_accepting_nothing_is_refused_with_what_to_press_instead(story: Story, sandy: User) -> None:
    dispute = says(story, "2026-01-18 10:00")
    with pytest.raises(Refused, match="press “Close, taken off already”"), story.now("2026-01-20 10:00"):
        accept_dispute(dispute, "The router came back.", sandy, amount=Decimal(0))


def test_what_a_second_person_took_off_before_closes_the_dispute_and_nothing_more_is_taken_off(
    story: Story, sandy: User
) -> None:
    dispute = says(story, "2026-01-18 10:00")
    with story.now("2026-01-19 10:00"):
        with pytest.raises(Refused, match="No credit note has been given") as refused:
            close_settled_dispute(dispute, "The router came back.", sandy)
        assert refused.value.code == "nothing_taken_off"
        credit_note(invoice=bill(), amount=Decimal("40.00"), reason="approved", by=sandy, code="dispute_upheld")
    with story.now("2026-01-20 10:00"):
        done, told = close_settled_dispute(dispute, "The router came back.", sandy)
    assert (done.state, done.credited, told) == ("upheld", Decimal(40), True)
    assert (bill().remaining, bill().frozen) == (Decimal(60), False)
    assert LedgerEntry.objects.filter(kind="credit_note").count() == 1
    text = Notice.objects.get(step_key="reply").context["reply_text"]
    assert "40.00 USD are taken off it. 60.00 USD of it are still to be paid." in text
    assert "dispute was accepted" in InvoiceStanding.objects.get(invoice=bill()).not_counted_why


def test_an_invoice_that_holds_service_back_is_only_asked_about_and_nothing_is_lifted(slowed: Story) -> None:
    dispute = says(slowed, "2026-01-22 10:00")
    assert (dispute.state, bill().frozen) == ("asked", False)
    assert Hold.objects.filter(lifted_at__isnull=True).exists()
    slowed.days("2026-01-22", "2026-01-24")
    assert slowed.story("released") == []


def test_freezing_alone_never_opens_a_line(slowed: Story) -> None:
    """What the rules do today: a frozen invoice keeps what it holds back; only the confirmation opens the line."""
    with slowed.now("2026-01-22 10:00"):
        freeze_invoice(invoice=bill(), frozen=True)
        reassess(slowed.account.pk)
    slowed.days("2026-01-22", "2026-01-24")
    assert slowed.story("released") == []
    assert Hold.objects.filter(lifted_at__isnull=True).exists()


def test_confirming_opens_the_line_knowingly_and_breaks_no_invariant(slowed: Story, sandy: User) -> None:
    dispute = says(slowed, "2026-01-22 10:00")
    with slowed.now("2026-01-22 11:00"):
        assert hold_of(bill()).lifts
        assert "its line is opened" in hold_of(bill()).words.lower()
        done, told = confirm_dispute(dispute, sandy)
        assert (done.state, bill().frozen, told) == ("open", True, True)
        assert not Hold.objects.filter(lifted_at__isnull=True).exists()
        assert [row for row in check_invariants() if row.invariant == "I9"] == []
    assert slowed.story("account_cured") == [("2026-01-22", "account_cured")]
    assert slowed.story("reconnection_fee") == []
    assert given_on(slowed.account, date(2026, 1, 23)) == (), "it does not count as an extension"
    assert not [row for row in slowed.days("2026-01-22", "2026-02-10") if row[1] in STORY_KINDS]


def test_after_a_rejection_the_line_is_held_again_from_the_next_check(slowed: Story, sandy: User) -> None:
    dispute = says(slowed, "2026-01-22 10:00")
    with slowed.now("2026-01-22 11:00"):
        confirm_dispute(dispute, sandy)
    slowed.days("2026-01-22", "2026-01-25")
    with slowed.now("2026-01-25 22:00"):
        reject_dispute(dispute, "The router never came back.", sandy)
        assert not Hold.objects.filter(lifted_at__isnull=True).exists()
    assert ("2026-01-26", "account_delinquent") in slowed.days("2026-01-25", "2026-01-26")
    assert Hold.objects.filter(lifted_at__isnull=True).exists()


def test_a_line_that_another_invoice_holds_stays_held(slowed: Story, sandy: User) -> None:
    other = slowed.owes("X-1", "2026-01-02", due_on="2026-01-05")
    slowed.days("2026-01-23", "2026-01-24")
    assert InvoiceStanding.objects.get(invoice=other).delinquent_on is not None
    dispute = Dispute.objects.get(pk=says(slowed, "2026-01-24 10:00").pk)
    with slowed.now("2026-01-24 11:00"):
        hold = hold_of(dispute.invoice)
        assert (hold.lifts, [row.number for row in hold.others]) == (False, ["X-1"])
        confirm_dispute(dispute, sandy)
        assert [row for row in check_invariants() if row.invariant == "I9"] == []
    assert Hold.objects.filter(lifted_at__isnull=True).exists()
    assert StepRun.objects.filter(in_force=True, action="restrict").exists()


def test_it_does_not_count_as_seriously_late_while_frozen_nor_after_it_was_accepted(story: Story, sandy: User) -> None:
    dispute = says(story, "2026-01-18 10:00")
    story.days("2026-01-18", "2026-02-05")
    assert InvoiceStanding.objects.get(invoice=bill()).seriously_late_on is None
    with story.now("2026-02-05 12:00"):
        accept_dispute(dispute, "The router came back.", sandy, amount=Decimal("1.00"))
    story.days("2026-02-05", "2026-02-08")
    row = InvoiceStanding.objects.get(invoice=bill())
    assert (row.seriously_late_on, row.not_counted_why) == (
        None, "the dispute was accepted: The router came back. (sandy)",
    )  # fmt: skip


def test_withdrawing_lets_the_invoice_go_on_and_twice_is_once(story: Story) -> None:
    dispute = says(story, "2026-01-18 10:00")
    with story.now("2026-01-18 11:00"):
        withdraw_dispute(dispute)
        withdraw_dispute(dispute)
    dispute.ticket.refresh_from_db()
    assert (bill().frozen, dispute.ticket.state) == (False, "closed")
    assert Dispute.objects.get().history.count() == 2


def test_a_decision_is_final(story: Story, sandy: User) -> None:
    dispute = says(story, "2026-01-18 10:00")
    with story.now("2026-01-18 11:00"):
        reject_dispute(dispute, "No.", sandy)
        with pytest.raises(StaleState):
            accept_dispute(dispute, "Yes.", sandy)
        with pytest.raises(StaleState):
            withdraw_dispute(dispute)


def test_a_decision_needs_a_reason(story: Story, sandy: User) -> None:
    dispute = says(story, "2026-01-18 10:00")
    with pytest.raises(Refused) as refused, story.now("2026-01-18 11:00"):
        reject_dispute(dispute, "  ", sandy)
    assert refused.value.code == "reason_missing"


def test_staff_open_one_for_a_caller_with_card_numbers_masked(story: Story, sandy: User) -> None:
    with story.now("2026-01-18 10:00"):
        dispute = open_dispute(bill(), "Paid with 4242 4242 4242 4242 at the desk", sandy)
    assert (dispute.state, dispute.opened_by, dispute.by_customer) == ("open", sandy, False)
    assert "4242 4242 4242" not in dispute.text
    assert dispute.ticket.comments.filter(direction="note", internal=True).exists()


def test_the_database_keeps_one_running_dispute_for_an_invoice(story: Story) -> None:
    dispute = says(story, "2026-01-18 10:00")
    dispute.pk, dispute.once, dispute.by_customer = None, None, False
    dispute.ticket = story.account.tickets.model.objects.create(
        account=story.account, number="T-X", subject="x", opened_on=date(2026, 1, 18), queue=dispute.ticket.queue,
        kind="question",
    )  # fmt: skip
    with pytest.raises(IntegrityError, match="dispute_runs_once"), transaction.atomic():
        dispute.save(force_insert=True)


def test_the_check_finds_a_dispute_that_freezes_nothing(story: Story) -> None:
    says(story, "2026-01-18 10:00")
    Invoice.objects.update(frozen=False)
    with story.now("2026-01-18 10:00"):
        found = [row.where for row in check_invariants() if row.invariant == "I9"]
    assert found == [f"account 1001, invoice {bill().number}, disputed since 2026-01-18"]


def test_a_dispute_of_an_account_under_no_policy_freezes_all_the_same(story: Story) -> None:
    Standing.objects.all().delete()
    assert says(story, "2026-01-18 10:00").state == "open"
