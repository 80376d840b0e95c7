"""The customer's ticket in the portal: seen, answered, asked, closed; and nobody else's (A26, SEC-01)."""

import gzip
import uuid
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse

from accounts.access import link_to, page_within
from accounts.models import Account, Notice
from billing_project.kernel import clock
from delinquency.models import Ticket, TicketComment
from delinquency.operations import desk
from delinquency.operations.desk_merge import merge_ticket
from delinquency.operations.desk_replies import Then, reply
from tests.factories import instant, make_account, make_contact, make_staff
from tests.portal import come_in, open_link

pytestmark = pytest.mark.django_db

HOME_BYTES = 14 * 1024


@pytest.fixture(autouse=True)
def monday() -> Iterator[None]:
    """Let it be Monday, ten in the morning in New York."""
    with clock.at(instant("2026-11-23 10:00")):
        yield


@pytest.fixture
def account() -> Account:
    account = make_account(number="1001")
    make_contact(account)
    return account


def customer(account: Account) -> Client:
    """Return a browser that came in by the account's link."""
    client = Client()
    come_in(client, account)
    return client


def page(ticket: Ticket) -> str:
    return reverse("portal-ticket", args=[ticket.number])


def question(text: str = "When does the technician come?", **more: str) -> dict[str, str]:
    return {"subject": "Technician", "text": text, "once": str(uuid.uuid4())} | more


def asked(account: Account, client: Client, **more: str) -> Ticket:
    assert client.post(reverse("portal-ask"), question(**more)).status_code == 303
    return Ticket.objects.get(account=account)


def test_a_question_becomes_a_ticket_in_support_and_its_answer_is_read_in_the_portal(account: Account) -> None:
    client = customer(account)
    ticket = asked(account, client)
    assert (ticket.kind, str(ticket.queue), ticket.state, ticket.customer_at) == (
        "question", "Support", "open", clock.now(),
    )  # fmt: skip
    casey = make_staff("casey", "change_ticket", "work_ticket", first_name="Casey")
    desk.comment_on_ticket(ticket, "Do not tell: the van broke down.", casey)
    reply(ticket, "On Tuesday at nine.", casey, then=Then.WAIT)
    shown = client.get(page(ticket)).content.decode()
    assert "On Tuesday at nine." in shown
    assert "We wait for your answer." in shown
    assert "the van broke down" not in shown, "notes among staff stay among staff"
    assert "moved it" not in shown
    assert "opened it" not in shown
    assert client.post(page(ticket), {"text": "Fine, thank you.", "once": str(uuid.uuid4())}).status_code == 303
    ticket.refresh_from_db()
    assert (ticket.state, ticket.owed_since_at is not None) == ("open", True), "staff see at once that it is their turn"
    line = ticket.comments.get(text="Fine, thank you.")
    assert (line.direction, line.channel) == ("in", "portal")


def test_the_letter_with_an_answer_leads_to_the_ticket(account: Account) -> None:
    ticket = asked(account, customer(account))
    reply(ticket, "On Tuesday.", make_staff("casey"))
    link = Notice.objects.get(step_key="reply").context["pay_url"]
    assert open_link(Client(), link) == page(ticket)


@pytest.mark.parametrize(
    "to", ["//evil.example/portal/", "https://evil.example/", "/portal/../admin/", "/admin/", "/portal\\evil", "", "x"]
)
def test_a_link_leads_nowhere_but_to_the_portal(account: Account, to: str) -> None:
    assert page_within(to) == reverse("portal-home")
    assert link_to(account, to="/portal/tickets/").endswith("?to=%2Fportal%2Ftickets%2F")


def test_another_customers_ticket_does_not_exist(account: Account) -> None:
    ticket = asked(account, customer(account))
    other = customer(make_account())
    for answer in (
        other.get(page(ticket)),
        other.post(page(ticket), question()),
        other.post(reverse("portal-ticket-solved", args=[ticket.number])),
        other.get(reverse("portal-ticket", args=["T-999999"])),
    ):
        assert answer.status_code == 404
    assert Client().get(page(ticket))["Location"] == reverse("portal-link")
    assert TicketComment.objects.filter(direction="in").count() == 1


def test_pressing_twice_writes_once_and_a_strangers_form_writes_nothing(account: Account) -> None:
    client = customer(account)
    form = question()
    first, second = (client.post(reverse("portal-ask"), form) for _ in range(2))
    assert first["Location"] == second["Location"]
    ticket = Ticket.objects.get()
    answer = {"text": "One more thing.", "once": str(uuid.uuid4())}
    for _ in range(2):
        assert client.post(page(ticket), answer).status_code == 303
    assert ticket.comments.filter(direction="in").count() == 2
    other = make_account()
    assert customer(other).post(reverse("portal-ask"), form).status_code == 409
    assert client.post(page(ticket), {"text": "no mark"}).status_code == 409


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("   ", "Please write what you would like to tell us."),
        ("x" * 5001, "Please shorten it to 5000."),
        ("My card is 4242 4242 4242 4242, take it.", "There is a card number in your text."),
    ],
)
def test_what_cannot_be_taken_is_refused_with_what_to_mend(account: Account, text: str, said: str) -> None:
    answer = customer(account).post(reverse("portal-ask"), question(text))
    assert answer.status_code == 409
    assert said in answer.content.decode()
    assert not Ticket.objects.exists()


def test_ten_messages_a_day_are_taken_and_the_eleventh_says_to_call(account: Account) -> None:
    client = customer(account)
    ticket = asked(account, client)
    codes = [client.post(page(ticket), question(f"Message {n}")).status_code for n in range(10)]
    assert codes == [303] * 9 + [409]
    with clock.at(instant("2026-11-24 10:01")):
        client = customer(account)
        assert client.post(page(ticket), question("The next day")).status_code == 303


def test_the_customer_closes_a_question_and_opens_it_again_by_writing(account: Account) -> None:
    client = customer(account)
    ticket = asked(account, client)
    solved = reverse("portal-ticket-solved", args=[ticket.number])
    assert [client.post(solved).status_code for _ in range(2)] == [303, 303]
    ticket.refresh_from_db()
    assert (ticket.state, ticket.closed_why) == ("closed", "the customer says that it is solved.")
    assert "Closed on Nov. 23, 2026." in client.get(page(ticket)).content.decode()
    assert client.post(page(ticket), question("It is not solved.")).status_code == 303
    ticket.refresh_from_db()
    assert ticket.state == "open"
    client.post(solved)
    with clock.at(instant("2026-12-01 10:01")):
        client = customer(account)
        assert "Your answer" not in client.get(page(ticket)).content.decode()
        assert client.post(page(ticket), question()).status_code == 409, "an old matter is asked anew"


def test_a_ticket_over_unpaid_invoices_takes_answers_but_is_closed_by_paying_only(account: Account) -> None:
    made = desk.open_ticket(account=account, subject="100.00 USD unpaid: Customer 1001", kind="dispute")
    Ticket.objects.filter(pk=made.pk).update(kind="delinquency")
    client = customer(account)
    shown = client.get(page(made)).content.decode()
    assert "Unpaid invoices" in shown
    assert "This is solved" not in shown
    assert client.post(reverse("portal-ticket-solved", args=[made.number])).status_code == 409
    assert client.post(page(made), question("I pay on Friday.")).status_code == 303


def test_a_ticket_that_only_staff_know_is_not_shown_until_somebody_wrote(account: Account) -> None:
    made = desk.open_ticket(account=account, subject="Cannot be reached", kind="unreachable")
    client = customer(account)
    assert client.get(page(made)).status_code == 404
    assert made.number not in client.get(reverse("portal-tickets")).content.decode()


def test_a_merged_ticket_leads_to_the_one_it_went_into(account: Account) -> None:
    client = customer(account)
    first = asked(account, client)
    client.post(reverse("portal-ask"), question("And another"))
    second = Ticket.objects.exclude(pk=first.pk).get()
    merge_ticket(second, first, make_staff("casey"))
    assert f"Ticket {first.number}" in client.get(page(second)).content.decode()


def test_the_list_shows_open_tickets_first_in_the_customers_language(account: Account) -> None:
    account.contacts.update(language="es")
    client = customer(account)
    empty = client.get(reverse("portal-tickets")).content.decode()
    assert "Todavía no nos ha preguntado nada." in empty
    ticket = asked(account, client)
    client.post(reverse("portal-ticket-solved", args=[ticket.number]))
    client.post(reverse("portal-ask"), question(subject="Segunda"))
    shown = client.get(reverse("portal-tickets")).content.decode()
    assert shown.index("la tenemos nosotros") < shown.index("cerrada")
    assert "Segunda" in client.get(reverse("portal-home")).content.decode(), "the first page names what is open"


def test_a_long_conversation_stays_within_the_weight_of_a_page(account: Account) -> None:
    client = customer(account)
    ticket = asked(account, client)
    casey = make_staff("casey")
    for number in range(12):
        reply(ticket, f"Answer {number}. " + "We look into it and write again. " * 12, casey)
    body = client.get(page(ticket)).content
    assert len(gzip.compress(body)) <= HOME_BYTES
    assert b"<script" not in body


def test_what_a_customer_writes_is_only_text(account: Account) -> None:
    client = customer(account)
    ticket = asked(account, client, text="<script>alert(1)</script> {{ settings.SECRET_KEY }}\x00")
    shown = client.get(page(ticket)).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ settings.SECRET_KEY }}" in shown
