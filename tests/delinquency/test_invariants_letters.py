"""I6, I7, I12 and I13 on letters and calls: clean after real sending, and seen to be broken when their rows are."""

from datetime import timedelta

import pytest
from django.db import connection

from accounts.models import Notice
from accounts.outreach.dispatch import dispatch_notices
from accounts.outreach.outbox import NoticeRequest, enqueue
from billing_project.kernel import clock
from delinquency.invariants import check_invariants
from tests.factories import instant, make_account, make_contact

pytestmark = pytest.mark.django_db

NINE = instant("2026-01-21 09:00")
CALLS = """
    INSERT INTO accounts_callrecord (account_id, number, at, outcome, note, inbound)
    SELECT id, '+15550100123', timestamptz '2026-01-10 17:00Z' + n * interval '20 hours', '{outcome}', '', {inbound}
    FROM accounts_account, generate_series(1, {count}) n"""

BREAKS: dict[str, tuple[str, str, str]] = {
    "two letters of one step": (
        "I6", "step n for case:1 by sms: 2 letters",
        ("UPDATE accounts_notice SET contact_id = NULL;"
         " UPDATE accounts_notice SET channel = 'sms', to_address = '+15550100123'"),
    ),
    "a letter that counts as not sent": (
        "I6", "is parked", "UPDATE accounts_notice SET state = 'parked', accepted_at = NULL WHERE channel = 'sms'",
    ),
    "a letter at night": ("I7", "05:59:59 in", "UPDATE accounts_notice SET sending_at = '2026-01-21 10:59:59Z'"),
    "a letter at night where the contact is": (
        "I7", "04:00:00 in Pacific/Honolulu", "UPDATE accounts_contact SET timezone = 'Pacific/Honolulu'",
    ),
    "a letter to somebody who said STOP": (
        "I7", "to +15550100123",
        ("INSERT INTO accounts_suppression (channel, address, reason, words, since_at, lifted_why)"
        " VALUES ('sms', '+15550100123', 'opted_out', '', '2026-01-01', '')"),
    ),
    "an eighth call": ("I7", "8 within 7 days", CALLS.format(outcome="no_answer", inbound="false", count=8)),
    "a call after a talk": ("I7", "after the talk of", CALLS.format(outcome="reached", inbound="false", count=2)),
    "a doubt that nobody sees": (
        "I12", "(past_due by sms)",
        ("UPDATE accounts_notice SET state = 'ambiguous';"
        "UPDATE accounts_noticeattempt SET outcome = 'looked_up'"),
    ),
    "a sender that died long ago": (
        "I13", "0 attempts, sending",
        "UPDATE accounts_notice SET state = 'sending', attempts = 0, lease_until_at = '2026-01-21 12:00Z'",
    ),
}  # fmt: skip


def sent() -> None:
    """Send one letter by e-mail and by text at nine."""
    account = make_account()
    make_contact(account)
    with clock.at(NINE):
        enqueue(
            NoticeRequest(
                account_id=account.pk, anchor_key="case:1", step_key="n", template="past_due", why="Past due.",
                channels=("email", "sms"), context={"amount_due": "40.00"},
            )
        )  # fmt: skip
        assert dispatch_notices() == {"accepted": 2}


def found() -> list[tuple[str, str]]:
    broken = check_invariants(NINE + timedelta(hours=6))
    return [(row.invariant, row.where) for row in broken if row.invariant in ("I6", "I7", "I12", "I13")]


def test_letters_that_were_really_sent_break_nothing() -> None:
    sent()
    assert found() == []


@pytest.mark.parametrize("name", BREAKS)
def test_each_break_is_found_and_named(name: str) -> None:
    invariant, where, sql = BREAKS[name]
    sent()
    with connection.cursor() as cursor:
        cursor.execute(sql)
    assert any(row[0] == invariant and where in row[1] for row in found()), found()


def test_seven_calls_their_own_calls_and_a_letter_sent_again_by_a_person_are_fine() -> None:
    sent()
    with connection.cursor() as cursor:
        cursor.execute(CALLS.format(outcome="voicemail", inbound="false", count=7))
        cursor.execute(CALLS.format(outcome="no_answer", inbound="true", count=9))
    assert found() == []


def test_a_suppression_that_came_later_or_was_lifted_before_is_fine() -> None:
    sent()
    with connection.cursor() as cursor:
        for since, lifted in (("2026-01-22", None), ("2026-01-01", "2026-01-20")):
            cursor.execute(
                "INSERT INTO accounts_suppression (channel, address, reason, words, since_at, lifted_at, lifted_why)"
                " VALUES ('sms', '+15550100123', 'opted_out', '', %s, %s, '')",
                [since, lifted],
            )
    assert Notice.objects.count() == 2
    assert found() == []
