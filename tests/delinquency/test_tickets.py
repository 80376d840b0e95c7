"""Tickets by hand: whose they are, what is owed to the customer and by when, what is written, macros, merging."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from accounts.models import Account, Notice, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from delinquency import ticketing
from delinquency.models import CannedReply, Exclusion, Macro, MacroAction, Promise, Ticket, TicketQueue
from delinquency.operations import desk
from delinquency.operations.desk_macros import run_macro, try_macro
from delinquency.operations.desk_merge import merge_ticket, undo_merge
from delinquency.operations.desk_next import take_next
from delinquency.operations.desk_replies import Then, customer_wrote, reply, usual_way, ways_to
from delinquency.operations.desk_shipped import ensure_desk
from delinquency.operations.desk_texts import check_text, filled
from tests.backoffice import make_invoice
from tests.factories import allow_grace, instant, make_account, make_contact, make_staff
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db

MONDAY = "2026-11-23 10:00"
ALL = (
    "change_ticket",
    "work_ticket",
    "add_ticket",
    "reply_ticket",
    "merge_ticket",
    "grant_grace",
    "decide_flag",
    "move_accounts",
)


@pytest.fixture(autouse=True)
def monday() -> Iterator[None]:
    """Let it be Monday, ten in the morning in New York, with the desk there."""
    TicketQueue.objects.update(timezone="America/New_York")
    with clock.at(instant(MONDAY)):
        yield


@pytest.fixture
def casey() -> User:
    return allow_grace(make_staff("casey", *ALL, first_name="Casey", last_name="Clerk"))


@pytest.fixture
def sandy() -> User:
    return make_staff("sandy", *ALL, first_name="Sandy")


@pytest.fixture
def account() -> Account:
    account = make_account(number="1001")
    make_contact(account)
    return account


def make_ticket(account: Account, subject: str = "A question", **fields: object) -> Ticket:
    return desk.open_ticket(account=account, subject=subject, **fields)  # type: ignore[arg-type]


def said(ticket: Ticket) -> list[str]:
    return list(ticket.comments.values_list("text", flat=True))


def due(ticket: Ticket) -> str:
    ticket.refresh_from_db()
    return clock.local(ticket.answer_due_at, "America/New_York").strftime("%a %H:%M") if ticket.answer_due_at else ""


# --- deadlines


def test_a_new_ticket_is_due_within_its_queues_business_hours(account: Account) -> None:
    ticket = make_ticket(account)  # Support: 240 minutes, 08:00 to 18:00
    assert (ticket.queue.name, due(ticket)) == ("Support", "Mon 14:00")
    with clock.at(instant("2026-11-23 17:00")):
        assert due(make_ticket(account)) == "Tue 11:00"


def test_a_day_the_operator_excludes_does_not_count_against_a_deadline(account: Account) -> None:
    Exclusion.objects.create(name="Founding day", month=11, day=24)
    with clock.at(instant("2026-11-23 17:00")):
        assert due(make_ticket(account)) == "Wed 11:00"


def test_no_answer_is_due_while_the_customer_has_it_and_one_is_again_when_they_write(
    account: Account, casey: User
) -> None:
    ticket = make_ticket(account)
    reply(ticket, "Which invoice do you mean?", casey, then=Then.WAIT)
    assert (due(ticket), ticket.state) == ("", "waiting")
    with clock.at(instant("2026-11-24 09:00")):
        customer_wrote(ticket, "The last one.", channel="email")
    assert (due(ticket), ticket.state) == ("Tue 13:00", "open")
    with clock.at(instant("2026-11-24 12:00")):
        customer_wrote(ticket, "Hello?", channel="email")
    assert due(ticket) == "Tue 13:00", "whoever writes twice waits since the first time"


def test_a_ticket_that_waits_until_a_day_opens_again_on_it(account: Account, casey: User) -> None:
    ticket = make_ticket(account)
    desk.wait_for_customer(ticket, casey, until_on=date(2026, 11, 25))
    assert desk.wake_waiting(instant("2026-11-24 23:59")) == 0
    assert desk.wake_waiting(instant("2026-11-25 00:00")) == 1
    ticket.refresh_from_db()
    assert (ticket.state, ticket.waiting_until) == ("open", None)
    with pytest.raises(Refused, match="not after today"):
        desk.wait_for_customer(ticket, casey, until_on=date(2026, 11, 23))


# --- whose it is


def test_the_next_ticket_is_the_late_one_then_the_urgent_one_then_the_one_due_first(
    account: Account, casey: User
) -> None:
    with clock.at(instant("2026-11-20 09:00")):
        late = make_ticket(account, "late")
    later = make_ticket(account, "due later")
    with clock.at(instant("2026-11-23 09:00")):
        sooner = make_ticket(account, "due sooner")
    urgent = make_ticket(account, "urgent", priority=Ticket.Priority.URGENT)
    assert [take_next(casey) for _ in range(4)] == [late, urgent, sooner, later]
    with pytest.raises(Refused, match="without an owner"):
        take_next(casey)


def test_nobody_takes_the_next_ticket_of_a_queue_they_do_not_work_in(
    account: Account, casey: User, sandy: User
) -> None:
    ticket = make_ticket(account)
    ticket.queue.members.set([sandy])
    with pytest.raises(Refused):
        take_next(casey)
    assert take_next(sandy) == ticket
    assert said(ticket)[-1] == "Sandy took it as the next."


def test_a_ticket_that_a_colleague_has_is_not_taken_away(account: Account, casey: User, sandy: User) -> None:
    ticket = make_ticket(account)
    desk.take_ticket(ticket, casey)
    with pytest.raises(StaleState, match="ask them to hand it over"):
        desk.take_ticket(ticket, sandy)


def test_handing_over_says_who_from_where_why_and_attaches_how_the_account_stands(
    account: Account, casey: User
) -> None:
    make_invoice(account, "A-1", due_on=date(2026, 11, 16))
    ticket = make_ticket(account)
    customer_wrote(ticket, "I was charged twice!", channel="email")
    desk.hand_over(ticket, casey, queue=TicketQueue.objects.get(name="Billing"), note="double charge")
    ticket.refresh_from_db()
    assert (ticket.queue.name, ticket.owner) == ("Billing", None)
    moved, context = said(ticket)[-2:]
    assert moved == "Casey Clerk moved it from Support to Billing: double charge"
    assert "Owes 100.00 USD; oldest unpaid A-1, due 2026-11-16, 7 days late." in context
    assert "Customer last wrote: “I was charged twice!”" in context
    with pytest.raises(Refused, match="there already"):
        desk.hand_over(ticket, casey, queue=ticket.queue)


def test_every_change_keeps_who_made_it_and_counts_the_version(account: Account, casey: User) -> None:
    ticket = make_ticket(account)
    desk.set_priority(ticket, Ticket.Priority.HIGH, casey)
    desk.set_priority(ticket, Ticket.Priority.HIGH, casey)
    ticket.refresh_from_db()
    newest = ticket.history.first()
    assert (newest.history_user, newest.priority, newest.version, ticket.version) == (casey, 3, 2, 2)
    assert said(ticket).count("Casey Clerk set the priority to high.") == 1


# --- letters


def test_an_answer_goes_through_the_outbox_and_makes_the_ticket_mine(account: Account, casey: User) -> None:
    ticket = make_ticket(account, "Router")
    line = reply(ticket, "It is {{ on }} its way.", casey)
    ticket.refresh_from_db()
    notice = Notice.objects.get()
    assert (ticket.owner, line.notice, line.internal) == (casey, notice, False)
    assert (notice.anchor_key, notice.step_key, notice.to_address) == (
        f"ticket:{ticket.pk}", "reply", "ann@customer.example",
    )  # fmt: skip
    assert ticket.number in notice.subject
    assert "It is {{ on }} its way." in notice.body, "what staff write is no template"
    reply(ticket, "It came.", casey)
    assert list(Notice.objects.order_by("pk").values_list("occurrence", flat=True)) == [1, 2]


def test_an_answer_at_night_waits_for_the_morning_unless_the_customer_wrote_within_the_hour(
    account: Account, casey: User
) -> None:
    ticket = make_ticket(account)
    with clock.at(instant("2026-11-23 22:00")):
        reply(ticket, "Good evening.", casey)
    assert Notice.objects.get().due_at == instant("2026-11-24 08:00")
    with clock.at(instant("2026-11-23 22:10")):
        customer_wrote(ticket, "I am still up.", channel="email")
    with clock.at(instant("2026-11-23 22:30")):
        reply(ticket, "So are we.", casey)
    assert Notice.objects.latest("pk").due_at == instant("2026-11-23 22:30")


def test_an_answer_goes_the_way_the_customer_last_wrote_and_says_which_way_is_closed(
    account: Account, casey: User
) -> None:
    ticket, ann = make_ticket(account), account.contacts.get()
    customer_wrote(ticket, "Call me", contact=ann, channel="sms")
    assert reply(ticket, "Gladly.", casey).channel == "sms"
    ann.sms_allowed = False
    ann.save()
    ticket.refresh_from_db()
    way = usual_way(ticket, ways_to(ann))
    assert way is not None
    assert way.words == "e-mail to ann@customer.example"
    with pytest.raises(Refused, match="The contact does not allow sms"):
        reply(ticket, "Gladly.", casey, channel="sms")


def test_what_cannot_be_sent_leaves_nothing_behind(account: Account, casey: User) -> None:
    ticket, ann = make_ticket(account), account.contacts.get()
    ann.email_allowed = ann.sms_allowed = False
    ann.save()
    before = said(ticket)
    for text in ("Hello", "   ", "x" * 5001):
        with pytest.raises(Refused):
            reply(ticket, text, casey, then=Then.CLOSE)
    ticket.refresh_from_db()
    assert (said(ticket), ticket.state, ticket.owner, Notice.objects.count()) == (before, "open", None, 0)


def test_nobody_overwrites_what_they_have_not_seen(account: Account, casey: User, sandy: User) -> None:
    ticket = make_ticket(account)
    seen = ticket.version
    desk.comment_on_ticket(ticket, "I am calling them now.", sandy)
    with pytest.raises(StaleState, match="changed since you opened it"):
        reply(ticket, "Hello", casey, seen=seen)
    ticket.refresh_from_db()
    assert [row.text for row in desk.changes_since(ticket, seen, casey)] == ["I am calling them now."]
    assert reply(ticket, "Hello", sandy, seen=seen).pk, "one's own lines are no news"


# --- canned replies and macros


@pytest.mark.parametrize("text", ["{{ pasword }}", "{% if x %}a{% endif %}", "{{ amount_due", "{{ currency | nope }}"])
def test_a_canned_reply_with_a_variable_that_nobody_fills_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        check_text(text)


def test_the_shipped_canned_replies_are_filled_in_the_customers_language(account: Account, casey: User) -> None:
    make_invoice(account, "A-1", due_on=date(2026, 11, 16))
    ticket = make_ticket(account)
    for canned in CannedReply.objects.all():
        check_text(canned.text_en)
        check_text(canned.text_es)
    thanks = CannedReply.objects.get(shortcut="promise-thanks")
    assert "by 2026-11-27" in filled(thanks, ticket, casey, date(2026, 11, 27))
    account.contacts.update(language="es")
    assert "Gracias" in filled(thanks, Ticket.objects.get(pk=ticket.pk), casey)


def make_late(number: str = "1001") -> Ticket:
    """Return the open ticket of an account that a policy has made delinquent."""
    story = Story(sonar(), first_bill_on="2026-11-01", number=number)
    story.days("2026-11-01", "2026-11-22")
    return Ticket.objects.get(account=story.account)


def test_h7_one_macro_answers_notes_the_promise_and_waits(casey: User) -> None:
    ticket = make_late()
    macro = Macro.objects.get(name="Promises to pay Friday")
    trial = try_macro(macro, ticket, casey)
    assert (Promise.objects.count(), Notice.objects.filter(anchor_key__startswith="ticket").count()) == (0, 0)
    assert trial.refused == ""
    assert trial.words[0] == "note a promise to pay 100.00 by Fri 27 Nov"
    assert trial.words[1].startswith("answer by e-mail to ann@customer.example: “Thank you")
    assert run_macro(macro, ticket, casey) == trial.words
    ticket.refresh_from_db()
    assert (ticket.state, ticket.waiting_until) == ("waiting", date(2026, 11, 28))
    assert Promise.objects.get().pay_by_on == date(2026, 11, 27)
    assert "by 2026-11-27" in Notice.objects.get(anchor_key=f"ticket:{ticket.pk}").body


def test_a_macro_does_all_or_nothing_and_says_why_not(casey: User) -> None:
    ticket = make_late()
    Ticket.objects.get(pk=ticket.pk).account.contacts.update(email_allowed=False, sms_allowed=False)
    macro = Macro.objects.get(name="Promises to pay Friday")
    assert "cannot be answered" in try_macro(macro, ticket, casey).refused
    with pytest.raises(Refused):
        run_macro(macro, ticket, casey)
    assert Promise.objects.count() == 0, "the promise before it is taken back too"


def test_a_macro_does_nothing_that_its_user_may_not_do(account: Account) -> None:
    guest = make_staff("guest", "change_ticket", "work_ticket")
    macro = Macro.objects.get(name="Promises to pay Friday")
    with pytest.raises(Refused, match="may not do"):
        run_macro(macro, make_ticket(account), guest)
    assert try_macro(Macro.objects.get(name="Hand over to billing"), make_ticket(account), guest).refused == ""


def test_every_action_of_a_macro_does_what_it_says(account: Account, casey: User) -> None:
    ticket, macro = make_ticket(account), Macro.objects.create(name="Everything")
    billing = TicketQueue.objects.get(name="Billing")
    for position, values in enumerate(
        (
            {"does": "note", "text": "Seen."}, {"does": "priority", "priority": 4}, {"does": "queue", "queue": billing},
            {"does": "take"}, {"does": "wait", "days": 3}, {"does": "open"}, {"does": "close", "text": "All done."},
        )
    ):  # fmt: skip
        MacroAction.objects.create(macro=macro, position=position, **values)
    assert len(run_macro(macro, ticket, casey)) == 7
    ticket.refresh_from_db()
    assert (ticket.state, ticket.priority, ticket.queue, ticket.owner) == ("closed", 4, billing, casey)
    assert ticket.closed_why == "All done."


def test_what_ships_is_made_once_and_not_again_when_staff_have_removed_it() -> None:
    Macro.objects.all().delete()
    ensure_desk()
    assert (Macro.objects.count(), TicketQueue.objects.count()) == (0, 2)


# --- merging


def test_a_merged_ticket_gives_its_lines_in_order_and_can_be_had_back(account: Account, casey: User) -> None:
    first, second = make_ticket(account, "first"), make_ticket(account, "second")
    with clock.at(instant("2026-11-23 10:05")):
        customer_wrote(second, "me again", channel="email")
    with clock.at(instant("2026-11-23 10:06")):
        merge_ticket(second, first, casey)
    second.refresh_from_db()
    assert (second.state, second.merged_into, second.closed_why) == ("closed", first, f"merged into {first.number}")
    assert "me again" in said(first)
    assert [row.at for row in first.comments.all()] == sorted(row.at for row in first.comments.all())
    with clock.at(instant("2026-11-23 10:15")):
        undo_merge(second, casey)
    second.refresh_from_db()
    assert (second.state, second.merged_into, "me again" in said(second), "me again" in said(first)) == (
        "open", None, True, False,
    )  # fmt: skip


@pytest.mark.parametrize(("minutes", "adds"), [(11, False), (5, True)])
def test_a_merge_is_not_taken_back_later_or_when_something_was_added(
    account: Account, casey: User, minutes: int, adds: bool
) -> None:
    first, second = make_ticket(account, "first"), make_ticket(account, "second")
    merge_ticket(second, first, casey)
    with clock.at(instant(MONDAY) + timedelta(minutes=minutes)):
        if adds:
            desk.comment_on_ticket(first, "more", casey)
        with pytest.raises(Refused):
            undo_merge(second, casey)


def test_tickets_of_two_accounts_and_a_policys_ticket_are_not_merged(account: Account, casey: User) -> None:
    late = make_late("2002")
    mine, theirs = make_ticket(account), make_ticket(late.account)
    for source, target, words in (
        (mine, theirs, "another account"), (mine, mine, "into itself"), (late, theirs, "to the account's policy"),
    ):  # fmt: skip
        with pytest.raises(Refused, match=words):
            merge_ticket(source, target, casey)
    assert merge_ticket(theirs, late, casey) == late


# --- who else is on it


def test_others_see_who_has_it_open_for_two_minutes(account: Account, casey: User, sandy: User) -> None:
    ticket = make_ticket(account)
    ticketing.note_presence(ticket, sandy, "Dear Ann,")
    now = clock.now()
    assert [view.draft for view in ticketing.others_on(ticket, casey, now + timedelta(seconds=119))] == ["Dear Ann,"]
    assert ticketing.others_on(ticket, sandy, now) == []
    assert ticketing.others_on(ticket, casey, now + timedelta(seconds=120)) == []
    with clock.at(now + timedelta(minutes=5)):
        ticketing.note_presence(ticket, sandy)
    view = ticket.views.get()
    assert (view.since_at, view.draft) == (now + timedelta(minutes=5), ""), "that was another visit"
