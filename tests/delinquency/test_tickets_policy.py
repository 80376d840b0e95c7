"""Tickets that policies open, customers answer, and the post room asks for."""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, InboundAttachment, InboundMessage, Notice, Suppression
from accounts.outreach.suppressions import lift, suppress
from accounts.signals import message_received, unreachable
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.invariants import check_invariants
from delinquency.models import Ticket, TicketComment, TicketQueue
from delinquency.operations import desk
from delinquency.operations.desk_replies import reply
from delinquency.operations.desk_unreachable import tend_desk
from tests.factories import instant, make_account, make_contact, make_staff
from tests.worlds import Story, exchange, sonar

pytestmark = pytest.mark.django_db

TICKET_ALONE = [{"key": "ticket", "action": "ticket", "anchor": "delinquent", "offset_days": 0}]


def late_story(**changes: Any) -> Story:
    story = Story(sonar(**changes), first_bill_on="2026-01-01", sends=True)
    story.days("2026-01-01", "2026-01-21")
    return story


# --- who is told, and what closes and opens it


def test_e2_the_billing_contact_is_told_by_one_letter_that_names_the_ticket() -> None:
    story = late_story()
    ticket = story.account.tickets.get()
    letters = Notice.objects.filter(account=story.account, anchor_key="case:1")
    assert list(letters.values_list("template", flat=True)) == ["delinquent"]
    assert letters.get().context["ticket_number"] == ticket.number


def test_e2_a_ticket_that_no_letter_goes_with_brings_one_of_its_own() -> None:
    story = late_story(steps=TICKET_ALONE)
    letter = Notice.objects.get(account=story.account, anchor_key="case:1")
    assert (letter.template, letter.step_key, letter.to_address) == ("ticket_opened", "ticket", "ann@customer.example")
    assert letter.context["ticket_number"] == story.account.tickets.get().number
    story.days("2026-01-22", "2026-01-25")
    assert Notice.objects.filter(account=story.account, anchor_key="case:1").count() == 1


def test_no_letter_is_written_when_history_is_made() -> None:
    story = Story(sonar(steps=TICKET_ALONE), first_bill_on="2026-01-01", sends=False)
    story.days("2026-01-01", "2026-01-21")
    assert story.account.tickets.count() == 1
    assert not Notice.objects.filter(account=story.account).exists()


def test_a_policys_ticket_is_due_within_the_hours_of_its_queue() -> None:
    TicketQueue.objects.filter(name="Billing").update(timezone="America/New_York")
    ticket = late_story().account.tickets.get()  # 480 minutes from 09:00, open from 08:00 to 18:00
    assert (ticket.queue.name, ticket.answer_due_at) == ("Billing", instant("2026-01-21 17:00"))


def test_a_payment_closes_the_ticket_with_a_note_and_nobody_opens_it_by_hand() -> None:
    story, casey = late_story(), make_staff("casey")
    ticket = story.account.tickets.get()
    with clock.at(instant("2026-01-22 10:00")):
        desk.wait_for_customer(ticket, casey)
    story.pays("2026-01-23 12:00", "100.00")
    story.days("2026-01-23")
    ticket.refresh_from_db()
    assert (ticket.state, ticket.closed_how, ticket.answer_due_at) == ("closed", "payment", None)
    assert ticket.comments.last().text == "Everything the ticket was about is paid."  # type: ignore[union-attr]
    with pytest.raises(Refused, match="is paid"):
        desk.open_again(ticket, "but still", casey)


def test_a23_a_returned_payment_opens_the_same_ticket_again_where_the_episode_resumes() -> None:
    story = late_story(on_reversal="resume")
    ticket = story.account.tickets.get()
    payment = story.pays("2026-01-23 12:00", "100.00")
    story.days("2026-01-23", "2026-01-28")
    ticket.refresh_from_db()
    assert ticket.state == "closed"
    story.bounces("2026-01-29 08:30", payment)
    story.days("2026-01-29")
    ticket.refresh_from_db()
    assert (ticket.state, ticket.closed_how, story.account.tickets.count()) == ("open", "", 1)
    assert ticket.owed_since_at is not None
    assert "Opened again: the payment that closed it was returned." in ticket.comments.values_list("text", flat=True)
    story.pays("2026-01-30 12:00", "100.00")
    story.days("2026-01-30")
    ticket.refresh_from_db()
    assert ticket.state == "closed"
    assert [row for row in check_invariants(instant("2026-01-30 13:00")) if row.invariant in ("I8", "I10")] == []


def test_a23_where_the_policy_starts_again_a_new_ticket_follows_the_old() -> None:
    story = late_story()
    old = story.account.tickets.get()
    payment = story.pays("2026-01-23 12:00", "100.00")
    story.bounces("2026-01-29 08:30", payment)
    story.days("2026-01-23", "2026-01-29")
    new = story.account.tickets.exclude(pk=old.pk).get()
    assert (new.follows, new.state) == (old, "open")


def test_a_later_episode_about_other_invoices_follows_nothing() -> None:
    story = late_story()
    story.pays("2026-01-23 12:00", "100.00")
    story.days("2026-01-23", "2026-02-21")
    assert list(story.account.tickets.order_by("pk").values_list("follows", flat=True)) == [None, None]


def test_a23_a_ticket_of_one_invoice_opens_again_at_once() -> None:
    story = Story(exchange(), first_bill_on="2026-05-01")
    story.days("2026-05-01", "2026-05-02")
    ticket = story.account.tickets.get()
    payment = story.pays("2026-05-03 12:00", "100.00")
    story.bounces("2026-05-04 08:30", payment)
    story.days("2026-05-03", "2026-05-04")
    ticket.refresh_from_db()
    assert (ticket.state, story.account.tickets.count()) == ("open", 1)


# --- what customers write


@pytest.fixture
def account() -> Account:
    account = make_account(number="1001")
    make_contact(account)
    return account


def receive(
    account: Account | None, text: str = "Hello", at: str = "2026-01-23 10:00", **fields: Any
) -> InboundMessage:
    """Store what came in, and announce it."""
    count = InboundMessage.objects.count()
    values: dict[str, Any] = {
        "provider": "simulated", "provider_id": f"m{count}", "channel": "email", "from_address": "ann@customer.example",
        "text": text, "received_at": instant(at), "state": "filed" if account else "unknown", "account": account,
    }  # fmt: skip
    message = InboundMessage.objects.create(**(values | fields))
    with clock.at(instant(at)):
        message_received.send(sender=InboundMessage, inbound_id=message.pk)
    return message


def test_a_customer_who_writes_first_gets_a_ticket_once(account: Account) -> None:
    message = receive(account, "Is the office open?", subject="Office hours")
    message_received.send(sender=InboundMessage, inbound_id=message.pk)
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.queue.name, ticket.subject) == ("question", "Support", "Office hours")
    line = ticket.comments.get(direction="in")
    assert (line.text, line.channel, line.internal, line.inbound) == ("Is the office open?", "email", False, message)


def test_an_answer_comes_onto_the_ticket_it_answers_and_opens_it_again(account: Account) -> None:
    casey = make_staff("casey")
    with clock.at(instant("2026-01-23 09:00")):
        first = desk.open_ticket(account=account, subject="first")
        second = desk.open_ticket(account=account, subject="second")
        line = reply(first, "Which one?", casey)
        desk.close_ticket_by_hand(first, "answered", casey)
    receive(account, "This one", notice=line.notice)
    first.refresh_from_db()
    assert (first.state, first.comments.filter(direction="in").count()) == ("open", 1)
    assert second.comments.filter(direction="in").count() == 0


def test_an_answer_to_an_old_closed_ticket_is_a_new_matter(account: Account) -> None:
    casey = make_staff("casey")
    with clock.at(instant("2026-01-10 09:00")):
        old = desk.open_ticket(account=account, subject="old")
        line = reply(old, "Done.", casey)
        desk.close_ticket_by_hand(old, "answered", casey)
    receive(account, "Once more", at="2026-01-17 09:01", notice=line.notice)
    assert Ticket.objects.exclude(pk=old.pk).get().comments.filter(text="Once more").exists()


def test_a_message_without_a_thread_comes_onto_the_open_ticket(account: Account) -> None:
    with clock.at(instant("2026-01-23 09:00")):
        ticket = desk.open_ticket(account=account, subject="open")
    receive(account, "By the way", channel="sms")
    assert ticket.comments.get(direction="in").channel == "sms"


def test_an_answer_to_a_ticket_that_was_paid_opens_a_question_that_follows_it() -> None:
    story = late_story()
    paid, casey = story.account.tickets.get(), make_staff("casey")
    with clock.at(instant("2026-01-22 10:00")):
        line = reply(paid, "Please pay.", casey)
    story.pays("2026-01-23 12:00", "100.00")
    story.days("2026-01-23")
    receive(story.account, "Paid, thanks!", at="2026-01-24 10:00", notice=line.notice)
    paid.refresh_from_db()
    question = Ticket.objects.exclude(pk=paid.pk).get()
    assert (paid.state, question.kind, question.follows) == ("closed", "question", paid)


def test_what_is_nobodys_is_left_to_its_queue(account: Account) -> None:
    receive(None)
    assert not Ticket.objects.exists()


def test_the_files_of_a_letter_are_named_on_the_ticket(account: Account, admin_client: Any) -> None:
    message = receive(account, "See the receipt")
    InboundAttachment.objects.create(
        message=message, name="receipt.pdf", content_type="application/pdf", size=3, content=b"pdf"
    )
    InboundAttachment.objects.create(message=message, name="run.exe", content_type="x", size=3, refused_why="not kept")
    page = admin_client.get(f"/admin/delinquency/ticket/{Ticket.objects.get().pk}/change/").content.decode()
    assert "receipt.pdf" in page
    assert "run.exe: not kept" in page


def test_a_file_on_the_ticket_is_one_press_from_its_download_for_whoever_may_read_messages(
    account: Account, admin_client: Any
) -> None:
    message = receive(account, "See the receipt")
    kept = InboundAttachment.objects.create(
        message=message, name="receipt.pdf", content_type="application/pdf", size=3, content=b"pdf"
    )
    url, page = f"/admin/accounts/inboundmessage/{message.pk}/file/{kept.pk}/", Ticket.objects.get()
    path = f"/admin/delinquency/ticket/{page.pk}/change/"
    assert f'<a class="desk-link" href="{url}" download>receipt.pdf</a>' in admin_client.get(path).content.decode()
    answer = admin_client.get(url)
    assert (answer.content, answer["X-Content-Type-Options"]) == (b"pdf", "nosniff")
    assert answer["Content-Disposition"].startswith("attachment")
    reader = Client()
    reader.force_login(make_staff("reader", "view_ticket"))
    shown = reader.get(path).content.decode()
    assert "receipt.pdf" in shown
    assert url not in shown
    assert reader.get(url).status_code == 403


# --- people who cannot be reached


def tell(account: Account, words: str = "Every address bounced.") -> None:
    unreachable.send(sender=Notice, account_ids=[account.pk], words=words)


def test_who_cannot_be_reached_gets_one_ticket_that_closes_when_they_can(account: Account) -> None:
    ann = account.contacts.get()
    for channel, address in (("email", ann.email), ("sms", ann.phone), ("voice", ann.phone)):
        suppress(channel, address, Suppression.Reason.HARD_BOUNCE, "gone")
    tell(account)
    tell(account)
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.priority, ticket.comments.filter(text="Every address bounced.").count()) == (
        "unreachable", Ticket.Priority.HIGH, 1,
    )  # fmt: skip
    assert tend_desk(clock.now()) == 0
    lift("email", ann.email, "a new mailbox")
    assert tend_desk(clock.now()) == 1
    ticket.refresh_from_db()
    assert (ticket.state, ticket.closed_how) == ("closed", "reached")
    assert ticket.closed_why == "Ann Example can be reached again by e-mail to ann@customer.example."


def test_it_is_said_on_the_ticket_of_the_unpaid_account_which_becomes_urgent() -> None:
    story = late_story()
    tell(story.account)
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.priority) == ("delinquency", Ticket.Priority.HIGH)
    assert TicketComment.objects.filter(ticket=ticket, text="Every address bounced.").exists()


def test_the_sweep_tends_the_desk() -> None:
    story, casey = late_story(), make_staff("casey")
    ticket = story.account.tickets.get()
    with clock.at(instant("2026-01-21 12:00")):
        desk.wait_for_customer(ticket, casey, until_on=datetime(2026, 1, 23).date())
    story.days("2026-01-22")
    ticket.refresh_from_db()
    assert ticket.state == "waiting"
    story.days("2026-01-23")
    ticket.refresh_from_db()
    assert ticket.state == "open"
