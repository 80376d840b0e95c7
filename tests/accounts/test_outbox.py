"""The outbox: one row for a contact and a channel, once, at a decent hour; nothing is sent from here."""

from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, Attention, Notice
from accounts.outreach import rendering
from accounts.outreach.letterbook import LETTERS, VARIABLES
from accounts.outreach.outbox import NoticeRequest, enqueue, enqueue_many
from accounts.queries import notice_states
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.nudge import Nudge
from tests.factories import instant, make_account, make_contact

pytestmark = pytest.mark.django_db


def request(account: Account, **fields: Any) -> NoticeRequest:
    values: dict[str, Any] = {
        "account_id": account.pk, "anchor_key": "case:1", "step_key": "notice-1", "template": "past_due",
        "why": "Invoice VF-1 is past due.", "context": {"amount_due": "40.00"},
        "due_at": instant("2026-01-21 09:00"),
    }  # fmt: skip
    return NoticeRequest(**(values | fields))


def test_asking_twice_writes_one_letter_and_returns_the_same_row() -> None:
    account = make_account()
    make_contact(account)
    [first] = enqueue(request(account))
    [second] = enqueue(request(account, context={"amount_due": "99.00"}))
    assert first.pk == second.pk
    assert "USD 40.00" in second.body
    assert Notice.objects.count() == 1


def test_each_channel_occurrence_step_and_anchor_is_a_letter_of_its_own() -> None:
    account = make_account()
    make_contact(account)
    enqueue(request(account, channels=("email", "sms", "voice")))
    enqueue(request(account, occurrence=2))
    enqueue(request(account, step_key="notice-2"))
    enqueue(request(account, anchor_key="case:2"))
    assert Notice.objects.count() == 6


def test_a_letter_for_the_evening_waits_for_the_morning_of_the_contact() -> None:
    account = make_account()
    make_contact(account, timezone="Pacific/Honolulu")
    [notice] = enqueue(request(account, due_at=instant("2026-01-21 09:00")))
    assert notice.due_at == instant("2026-01-21 08:00", "Pacific/Honolulu")
    assert notice.state == "queued"


def test_a_letter_that_is_not_to_be_sent_is_kept_with_the_reason_and_wakes_nobody(
    nudges: list[Nudge],
) -> None:
    account = make_account()
    make_contact(account)
    [notice] = enqueue(request(account, send=False, not_sent_why="Its day was missed by an outage."))
    assert (notice.state, notice.why) == ("not_sent", "Its day was missed by an outage.")
    assert nudges == []


def test_a_queued_letter_wakes_the_post_room_after_the_commit(
    nudges: list[Nudge], django_capture_on_commit_callbacks: Any
) -> None:
    account = make_account()
    make_contact(account)
    with django_capture_on_commit_callbacks(execute=True):
        enqueue(request(account))
        assert nudges == []
    assert nudges == [("accounts.dispatch_notices", ())]


def test_an_account_without_a_billing_contact_is_put_before_the_clerks_once() -> None:
    account = make_account()
    make_contact(account, is_billing_contact=False)
    assert enqueue(request(account)) == []
    assert enqueue(request(account, step_key="notice-2")) == []
    exception = Attention.objects.get(code="no-billing-contact")
    assert exception.account_id == account.pk
    assert account.number in exception.words


def test_a_contact_without_an_address_gets_a_row_that_says_so_and_an_exception() -> None:
    account = make_account()
    make_contact(account, email="", phone="")
    notices = enqueue(request(account, channels=("email", "sms")))
    assert {(notice.channel, notice.state, notice.why) for notice in notices} == {
        ("email", "not_sent", "The contact has no e-mail address."),
        ("sms", "not_sent", "The contact has no phone number."),
    }
    assert Attention.objects.filter(code="no-billing-contact").count() == 1


def test_one_channel_that_works_is_enough() -> None:
    account = make_account()
    make_contact(account, sms_allowed=False)
    notices = enqueue(request(account, channels=("email", "sms")))
    assert {notice.channel: notice.state for notice in notices} == {"email": "queued", "sms": "not_sent"}
    assert not Attention.objects.exists()


def test_a_contact_of_another_account_is_nobody() -> None:
    account, other = make_account(), make_account()
    stranger = make_contact(other)
    assert enqueue(request(account, contact_id=stranger.pk)) == []
    assert Notice.objects.count() == 0


def test_a_broken_template_parks_its_own_letter_only() -> None:
    account = make_account()
    make_contact(account)
    enqueue_many([request(account), request(account, step_key="x", template="no_such_letter")])
    good, bad = Notice.objects.order_by("pk")
    assert good.state == "queued"
    assert bad.state == "parked"
    assert "no_such_letter" in bad.why
    assert Attention.objects.get(code="notice-template").account_id == account.pk


def test_a_missing_amount_is_an_error_and_not_a_blank() -> None:
    account = make_account()
    make_contact(account)
    [notice] = enqueue(request(account, context={}))
    assert notice.state == "parked"
    assert "amount_due" in notice.why


def test_the_number_of_queries_does_not_grow_with_the_letters(django_assert_num_queries: Any) -> None:
    accounts = [make_account() for _ in range(20)]
    for account in accounts:
        make_contact(account)
    from django.db import connection

    def queries(rows: list[Account], step: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            enqueue_many([request(account, step_key=step) for account in rows])
        return len(captured)

    assert queries(accounts[:1], "a") == queries(accounts, "b")
    assert Notice.objects.count() == 21
    with django_assert_num_queries(1):
        states = notice_states([account.pk for account in accounts])
    assert states[accounts[0].pk, "case:1", "b"] == {"queued"}


@pytest.mark.parametrize("channel", ["email", "sms", "voice"])
@pytest.mark.parametrize("language", ["en", "es"])
def test_every_shipped_letter_reads_well_with_all_variables_and_with_the_fewest(channel: str, language: str) -> None:
    fewest = {
        "account_name": "Rosa Díaz", "account_number": "0042", "company_name": "Valley Fibre",
        "currency": "USD", "contact_name": "Rosa", "amount_due": "40.00",
    }  # fmt: skip
    full = fewest | {
        "company_phone": "+15550100199", "oldest_due_on": "2026-01-16", "oldest_invoice": "VF-000001",
        "next_step": "On Jan 28 we stop the service.", "pay_url": "https://pay.example/x",
        "restore_amount": "40.00",
    }  # fmt: skip
    keys = rendering.known_templates(channel) - {"portal_link"}
    assert keys == {kind.key for kind in LETTERS.values() if channel in kind.channels} - {"portal_link"}
    for key in sorted(keys):
        needed = {name: VARIABLES[name].example_in(language) for name in LETTERS[key].needs}
        for context in (needed | fewest, needed | full):
            letter = rendering.render(channel=channel, template=key, language=language, context=context)
            assert "{" not in letter.subject + letter.body
            assert "Valley Fibre" in letter.body
            assert bool(letter.subject) == (channel == "email")
            assert "\n\n\n" not in letter.body
            assert "  " not in letter.body
            assert " ." not in letter.body


def test_a_variable_for_one_language_wins_over_the_plain_one() -> None:
    context = {
        "account_name": "R", "account_number": "1", "company_name": "V", "currency": "USD",
        "contact_name": "R", "amount_due": "1.00", "next_step": "We call you.",
        "next_step_es": "Le llamamos.",
    }  # fmt: skip
    assert "Le llamamos." in rendering.render(channel="email", template="past_due", language="es", context=context).body
    assert "We call you." in rendering.render(channel="email", template="past_due", language="en", context=context).body


@pytest.mark.parametrize("name", ["../../settings", "past_due.en", "", "PAST_DUE", "a" * 61])
def test_a_template_name_that_could_leave_the_folder_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="impossible"):
        rendering.render(channel="email", template=name, language="en", context={})


def test_only_texts_reach_a_template() -> None:
    with pytest.raises(Refused, match="pass it as text"):
        rendering.render(
            channel="email",
            template="past_due",
            language="en",
            context={"amount_due": object()},  # type: ignore[dict-item]
        )


def test_a_name_with_a_line_break_cannot_add_a_header() -> None:
    account = make_account(name="x")
    company = account.company
    company.name = "Valley\r\nBcc: everyone@example.com"
    company.save()
    make_contact(account)
    [notice] = enqueue(request(account, template="issued"))
    assert "\n" not in notice.subject
    assert "\r" not in notice.subject


def test_without_a_due_time_a_letter_is_due_now() -> None:
    account = make_account()
    make_contact(account)
    with clock.at(instant("2026-01-21 10:00")):
        [notice] = enqueue(request(account, due_at=None))
    assert notice.due_at == instant("2026-01-21 10:00")
