"""The desk in the back office: one page per ticket, overviews, many at once, and who may do what."""

from collections.abc import Iterator
from datetime import date

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account, Notice, User
from billing_project.kernel import clock
from delinquency import ticketing
from delinquency.models import CannedReply, Macro, Ticket, TicketQueue, TicketRoute
from delinquency.operations import desk
from delinquency.operations.desk_replies import customer_wrote
from tests.backoffice import make_invoice, queries_for
from tests.factories import instant, make_account, make_contact, make_staff

pytestmark = pytest.mark.django_db

READ = ("view_ticket", "view_account", "view_ticketcomment")
WORK = (*READ, "change_ticket", "work_ticket", "add_ticket", "reply_ticket", "merge_ticket", "grant_grace")


@pytest.fixture(autouse=True)
def monday() -> Iterator[None]:
    TicketQueue.objects.update(timezone="America/New_York")
    with clock.at(instant("2026-11-23 10:00")):
        yield


@pytest.fixture
def casey() -> User:
    return make_staff("casey", *WORK, first_name="Casey")


@pytest.fixture
def account() -> Account:
    account = make_account(number="1001", name="Ann Example")
    make_contact(account)
    make_invoice(account, "A-1", due_on=date(2026, 11, 16))
    return account


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def address(name: str, *args: object) -> str:
    return reverse(f"admin:delinquency_ticket_{name}", args=args)


def page(client: Client, ticket: Ticket) -> str:
    response = client.get(address("change", ticket.pk))
    assert response.status_code == 200
    return response.content.decode()


def compose(client: Client, ticket: Ticket, **sent: object) -> str:
    """Send the box, and return the page it leads to."""
    data = {"kind": "reply", "text": "", "channel": "email", "version": ticket.version, "do": "stay"} | sent
    return client.post(address("change", ticket.pk), data, follow=True).content.decode()


def test_h6_one_press_takes_the_next_ticket_and_shows_it_with_the_account_beside(account: Account, casey: User) -> None:
    ticket = desk.open_ticket(account=account, subject="A question")
    client = client_of(casey)
    home = client.get("/admin/").content.decode()
    assert f'action="{address("next")}"' in home
    shown = client.post(address("next"), follow=True).content.decode()
    assert f"{ticket.number} is yours." in shown
    assert "100.00 USD" in shown, "the account stands beside it"
    again = client.post(address("next"), follow=True).content.decode()
    assert "No ticket in your queues is without an owner" in again
    assert client.get(address("next")).status_code == 200, "looking at it takes nothing"


def test_an_answer_is_sent_from_the_page_and_shows_what_became_of_it(account: Account, casey: User) -> None:
    ticket = desk.open_ticket(account=account, subject="A question")
    customer_wrote(ticket, "When do you <open>?", channel="email")
    ticket.refresh_from_db()
    client = client_of(casey)
    assert "When do you &lt;open&gt;?" in page(client, ticket)
    shown = compose(client, ticket, text="At nine.", do="wait", wait_until="2026-11-30")
    assert "Your answer to ann@customer.example is on its way, and the ticket waits." in shown
    assert "queued, to ann@customer.example" in shown
    ticket.refresh_from_db()
    assert (ticket.state, ticket.waiting_until, ticket.owner) == ("waiting", date(2026, 11, 30), casey)


def test_a_note_stays_with_staff_and_closes_with_its_words(account: Account, casey: User) -> None:
    ticket = desk.open_ticket(account=account, subject="A question")
    client = client_of(casey)
    shown = compose(client, ticket, kind="note", text="Called, all clear.", do="stay")
    assert "noted, for staff only" in shown
    ticket.refresh_from_db()
    assert "Say in the note why" in compose(client, ticket, kind="note", text=" ", do="close")
    compose(client, ticket, kind="note", text="Settled by phone.", do="close")
    ticket.refresh_from_db()
    assert (ticket.state, ticket.closed_why, Notice.objects.count()) == ("closed", "Settled by phone.", 0)


def test_a_canned_reply_is_put_into_the_box_filled_and_not_sent(account: Account, casey: User) -> None:
    ticket = desk.open_ticket(account=account, subject="A question")
    canned = CannedReply.objects.create(
        title="Hours", shortcut="hours", text_en="{{ contact_name }}, {{ ticket_number }}: nine to five."
    )
    shown = compose(client_of(casey), ticket, text="Hello.", canned=canned.pk, do="insert")
    assert f"Hello.\n\nAnn Example, {ticket.number}: nine to five." in shown
    canned.refresh_from_db()
    assert (Notice.objects.count(), canned.used_count) == (0, 1)


def test_what_was_written_is_kept_when_a_colleague_was_faster(account: Account, casey: User) -> None:
    ticket = desk.open_ticket(account=account, subject="A question")
    desk.comment_on_ticket(ticket, "I told her by phone.", make_staff("sandy", first_name="Sandy"))
    client = client_of(casey)
    shown = compose(client, ticket, text="My long answer.")
    assert "has changed since you opened it" in shown
    assert "Sandy: I told her by phone." in shown
    assert "My long answer.</textarea>" in shown
    ticket.refresh_from_db()
    assert f'name="version" value="{ticket.version}"' in shown
    assert "is on its way" in compose(client, ticket, text="My long answer.")


def test_the_page_says_who_else_has_it_open_and_what_they_write(account: Account, casey: User) -> None:
    ticket = desk.open_ticket(account=account, subject="A question")
    sandy = make_staff("sandy", *WORK, first_name="Sandy")
    client_of(sandy).post(address("ping", ticket.pk), {"draft": "Dear Ann, <b>"})
    shown = page(client_of(casey), ticket)
    assert "Sandy has had this open since 10:00 and is writing: “Dear Ann, &lt;b&gt;”." in shown
    told = client_of(sandy).get(address("ping", ticket.pk)).json()
    assert told["others"] == ["Casey has had this open since 10:00"]


def test_a_channel_that_cannot_be_used_says_why(account: Account, casey: User) -> None:
    ticket = desk.open_ticket(account=account, subject="A question")
    account.contacts.update(sms_allowed=False)
    shown = page(client_of(casey), ticket)
    assert "e-mail to ann@customer.example" in shown
    assert "SMS: The contact does not allow sms." in shown


def test_h12_two_clicks_hand_a_case_to_billing_with_its_context(account: Account, casey: User) -> None:
    ticket = desk.open_ticket(account=account, subject="A question")
    macro = Macro.objects.get(name="Hand over to billing")
    client, where = client_of(casey), address("macro", ticket.pk, macro.pk)
    assert where in page(client, ticket)
    assert "Will hand it over to Billing" in client.get(where).content.decode()
    assert "Done: hand it over to Billing" in client.post(where, follow=True).content.decode()
    ticket.refresh_from_db()
    assert ticket.queue.name == "Billing"
    assert ticket.comments.filter(text__contains="Owes 100.00 USD").exists()


def test_a_macro_is_tried_on_many_and_each_says_what_came_of_it(account: Account, casey: User) -> None:
    other = make_account(number="1002")
    reached, lost = (desk.open_ticket(account=row, subject=f"of {row.number}") for row in (account, other))
    macro, client = Macro.objects.get(name="Paid by bank, waiting"), client_of(casey)
    sent = {"action": f"macro_{macro.pk}", "_selected_action": [reached.pk, lost.pk]}
    tried = client.post(address("changelist"), sent).content.decode()
    assert f"{reached.number}: answer by e-mail to ann@customer.example" in tried
    assert f"{lost.number}: refused: Account 1002 has no billing contact" in tried
    done = client.post(address("changelist"), sent | {"confirmed": "1"}, follow=True).content.decode()
    assert "1 done." in done
    assert "has no billing contact" in done
    assert Notice.objects.count() == 1


@pytest.mark.parametrize(
    ("action", "sent", "field", "value"),
    [
        ("take_chosen", {}, "owner__username", "casey"),
        ("priority_chosen", {"priority": "4"}, "priority", 4),
        ("close_chosen", {"reason": "spring cleaning"}, "closed_why", "spring cleaning"),
    ],
)
def test_many_tickets_are_worked_on_at_once(
    account: Account, casey: User, action: str, sent: dict[str, str], field: str, value: object
) -> None:
    tickets = [desk.open_ticket(account=account, subject=f"question {n}") for n in range(3)]
    chosen = {"action": action, "_selected_action": [row.pk for row in tickets[:2]], **sent}
    client = client_of(casey)
    assert "2 rows" in client.post(address("changelist"), chosen).content.decode()
    client.post(address("changelist"), chosen | {"confirmed": "1"})
    assert list(Ticket.objects.filter(**{field: value}).order_by("pk")) == tickets[:2]


def test_overviews_count_what_they_list_and_say_so_when_empty(account: Account, casey: User) -> None:
    with clock.at(instant("2026-11-19 10:00")):
        desk.open_ticket(account=account, subject="very late")
    mine = desk.open_ticket(account=account, subject="mine alone", owner=casey)
    desk.wait_for_customer(mine, casey)
    client, now = client_of(casey), clock.now()
    counts = ticketing.counts(casey, now)
    assert counts == {"mine": 1, "unowned": 1, "late": 1, "waiting": 1, "open": 2, "closed": 0}
    for view in ticketing.OVERVIEWS:
        shown = client.get(address("changelist"), {"view": view.key}).content.decode()
        assert ("very late" in shown) == (view.key in ("unowned", "late", "open")), view.key
        assert (view.empty in shown) == (view.key == "closed"), view.key
    assert "late by" in client.get(address("changelist"), {"view": "late"}).content.decode()


def test_what_a_customer_wrote_is_marked_until_its_owner_has_read_it(account: Account, casey: User) -> None:
    ticket = desk.open_ticket(account=account, subject="A question", owner=casey)
    customer_wrote(ticket, "Hello?", channel="email")
    client = client_of(casey)
    assert "new message" in client.get(address("changelist")).content.decode()
    with clock.at(instant("2026-11-23 10:01")):
        page(client, ticket)
    assert "new message" not in client.get(address("changelist")).content.decode()


def test_the_list_asks_the_same_number_of_questions_however_long_it_is(account: Account, casey: User) -> None:
    client = client_of(casey)
    desk.open_ticket(account=account, subject="first", owner=casey)
    few = queries_for(client, address("changelist"))
    for number in range(8):
        desk.open_ticket(account=make_account(number=f"20{number}"), subject="more", owner=casey)
    assert queries_for(client, address("changelist")) == few


def test_a_ticket_is_opened_by_hand_from_the_account(account: Account, casey: User) -> None:
    client = client_of(casey)
    assert 'value="1001"' in client.get(address("add"), {"account": "1001"}).content.decode()
    sent = {
        "account": "1001",
        "kind": "dispute",
        "subject": "Wrong router",
        "text": "sent back",
        "priority": "3",
        "mine": "on",
    }
    client.post(address("add"), sent)
    ticket = Ticket.objects.get()
    assert (ticket.queue.name, ticket.owner, ticket.opened_by, ticket.priority) == ("Billing", casey, casey, 3)
    wrong = client.post(address("add"), sent | {"account": "9"}).content.decode()
    assert "There is no account 9" in wrong


def test_who_only_reads_finds_no_buttons_and_no_door(account: Account) -> None:
    ticket = desk.open_ticket(account=account, subject="A question")
    client = client_of(make_staff("audrey", *READ))
    shown = page(client, ticket)
    assert "You may read tickets, and not work on them." in shown
    assert "<textarea" not in shown
    macro = Macro.objects.first()
    assert macro is not None
    doors = ["take", "hand_over", "note", "priority", "wait", "close", "reopen", "merge", "unmerge", "ping", "promise"]
    for name in doors:
        assert client.post(address(name, ticket.pk)).status_code == 403, name
    for where in (address("next"), address("macro", ticket.pk, macro.pk), address("change", ticket.pk), address("add")):
        assert client.post(where, {"do": "stay"}).status_code == 403, where
    assert not ticket.views.exists(), "a reader is not on it"


def test_who_may_not_write_to_customers_leaves_a_note(account: Account) -> None:
    ticket = desk.open_ticket(account=account, subject="A question")
    client = client_of(make_staff("nick", *READ, "change_ticket", "work_ticket"))
    assert "Reply to the customer" not in page(client, ticket)
    assert "Noted." in compose(client, ticket, kind="note", text="Seen.")
    compose(client, ticket, kind="reply", text="Hello")
    assert Notice.objects.count() == 0


def test_a_queue_takes_the_kinds_that_are_ticked_from_another(casey: User) -> None:
    boss = User.objects.create_user("boss", is_staff=True, is_superuser=True)
    billing = TicketQueue.objects.get(name="Billing")
    sent = {
        "name": "Billing", "purpose": "", "position": 1, "kinds": ["delinquency", "question"], "timezone": "UTC",
        "first_response_minutes": 60, "next_response_minutes": 60, "default_priority": 2,
        "hours-TOTAL_FORMS": 1, "hours-INITIAL_FORMS": 0, "hours-0-weekday": 6, "hours-0-opens": "12:00",
        "hours-0-closes": "11:00",
    }  # fmt: skip
    where = reverse("admin:delinquency_ticketqueue_change", args=[billing.pk])
    assert "It must close later than it opens." in client_of(boss).post(where, sent).content.decode()
    assert client_of(boss).post(where, sent | {"hours-0-closes": "13:00"}).status_code == 302
    assert TicketRoute.objects.get(kind="question").queue == billing
    assert ticketing.queue_for("question") == billing


def test_a_canned_reply_is_refused_with_the_name_of_the_unknown_variable() -> None:
    boss = User.objects.create_user("boss", is_staff=True, is_superuser=True)
    sent = {"title": "New", "shortcut": "new", "text_en": "Hi {{ first_name }}", "text_es": ""}
    where = reverse("admin:delinquency_cannedreply_add")
    shown = client_of(boss).post(where, sent).content.decode()
    assert "There is no variable first_name." in shown
    assert client_of(boss).post(where, sent | {"text_en": "Hi {{ contact_name }}"}).status_code == 302
