"""The verbs of the customers' room."""

from datetime import date, datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts import queries, signals
from accounts.models import (
    Account,
    AccountStatus,
    AccountType,
    Attention,
    Company,
    Contact,
    ServiceLine,
    User,
)
from accounts.operations import (
    bar_funding_source,
    change_status,
    close_account,
    ensure_basics,
    open_account,
    park_account,
    raise_attention,
    replace_funding_source,
    resolve_attention,
    set_billing_contact,
    unpark_account,
)
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from tests.factories import instant, make_account, make_company, make_contact, make_source, make_status

pytestmark = pytest.mark.django_db


@pytest.fixture
def said() -> Any:
    """Return what status_changed says during a test."""
    calls: list[dict[str, Any]] = []

    def receiver(*, signal: Any, sender: Any, **facts: Any) -> None:
        calls.append(facts)

    signals.status_changed.connect(receiver, weak=False)
    yield calls
    signals.status_changed.disconnect(receiver)


def kind(name: str = "Residential") -> AccountType:
    return AccountType.objects.get_or_create(name=name)[0]


def test_a_status_change_is_saved_with_its_reason_and_announced_once(said: list[dict[str, Any]]) -> None:
    account, clerk = make_account(), User.objects.create_user("clerk")
    delinquent, at = make_status("Delinquent", activates=False), instant("2026-01-28 00:05")
    for _ in range(2):
        change_status(account, delinquent, reason="7 days delinquent", by=clerk, at=at, by_delinquency=True)
    assert said == [
        {
            "account_id": account.pk,
            "before_activates": True,
            "after_activates": False,
            "at": at,
            "by_delinquency": True,
        }
    ]
    stored = Account.objects.get(pk=account.pk)
    assert (stored.status, stored.status_since_at) == (delinquent, at)
    assert account.status == delinquent
    made, changed = account.history.order_by("history_id")
    assert (changed.history_change_reason, changed.history_user) == ("7 days delinquent", clerk)
    assert changed.history_date > made.history_date


def test_a_receiver_that_fails_undoes_the_status_change() -> None:
    account = make_account()

    def fail(**_: Any) -> None:
        raise RuntimeError("no")

    signals.status_changed.connect(fail, weak=False)
    try:
        with pytest.raises(RuntimeError), transaction.atomic():
            change_status(account, make_status("Delinquent", activates=False), reason="x")
    finally:
        signals.status_changed.disconnect(fail)
    assert Account.objects.get(pk=account.pk).status.name == "Active"


def test_a_reason_does_not_stick_to_the_next_save_of_the_same_object() -> None:
    account = make_account()
    with clock.at(instant("2026-01-01 09:00")):
        locked = change_status(account, make_status("Vacation", activates=False), reason="asked for")
    locked.note = "away"
    locked.save()
    newest = locked.history.first()
    assert newest.history_change_reason is None
    assert newest.history_date > instant("2026-01-01 09:00")


def test_an_account_is_opened_in_its_companys_zone_unless_it_has_its_own() -> None:
    company = make_company(name="Island Net", timezone="Pacific/Honolulu")
    with clock.at(instant("2026-02-01 00:30", "UTC")):
        account = open_account(number="0042", name="Rosa", company=company, account_type=kind(), status=make_status())
    assert (account.timezone, account.opened_on) == ("Pacific/Honolulu", date(2026, 1, 31))
    assert account.history.get().history_change_reason == "opened"


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"number": ""}, "number"), ({"number": "a\nb"}, "number"), ({"timezone": "Mars/Base"}, "Mars/Base")],
)
def test_an_impossible_account_is_refused_in_words(fields: dict[str, str], words: str) -> None:
    values = {"number": "1", "name": "Rosa"} | fields
    with pytest.raises(Refused, match=words):
        open_account(**values, company=make_company(), account_type=kind(), status=make_status())  # type: ignore[arg-type]


def test_a_number_that_is_taken_is_refused() -> None:
    make_account(number="7")
    with pytest.raises(Refused, match="number"):
        open_account(number="7", name="R", company=make_company(), account_type=kind(), status=make_status())


def test_closing_needs_a_status_that_does_not_bill_and_happens_once() -> None:
    account, closed = make_account(), []

    def receiver(account_id: int, at: datetime, **_: Any) -> None:
        closed.append((account_id, at))

    signals.account_closed.connect(receiver)
    at = instant("2026-03-01 23:30")
    with pytest.raises(Refused, match="activates billing"):
        close_account(account, status=make_status(), reason="moved", at=at)
    for _ in range(2):
        close_account(account, status=make_status("Inactive", activates=False), reason="moved", at=at)
    assert closed == [(account.pk, at)]
    assert Account.objects.get(pk=account.pk).closed_on == date(2026, 3, 1)


def test_parking_is_shown_to_the_clerks_and_clearing_ends_it() -> None:
    account = make_account()
    park_account(account.pk, "Its bill day is impossible.")
    park_account(account.pk, "Another reason.")
    stored = Account.objects.get(pk=account.pk)
    assert stored.parked_at is not None
    assert stored.parked_why == "Its bill day is impossible."
    assert Attention.objects.filter(code="account-parked", resolved_at=None).count() == 1
    unpark_account(account.pk)
    assert Account.objects.get(pk=account.pk).parked_at is None
    assert not Attention.objects.filter(resolved_at=None).exists()


def test_an_exception_is_open_once_and_may_come_again_after_it_was_resolved() -> None:
    for _ in range(2):
        raise_attention(code="cut-held", key="case:1", words="No ticket.")
    assert Attention.objects.count() == 1
    assert resolve_attention("cut-held", "case:1", "opened by hand") == 1
    assert resolve_attention("cut-held", "case:1", "again") == 0
    raise_attention(code="cut-held", key="case:1", words="No ticket, again.")
    assert Attention.objects.count() == 2


def test_a_second_exception_does_not_spoil_the_transaction_around_it() -> None:
    with transaction.atomic():
        raise_attention(code="x", key="y", words="one")
        raise_attention(code="x", key="y", words="two")
        assert Attention.objects.get().words == "one"


def test_there_is_one_billing_contact_at_any_moment() -> None:
    account = make_account()
    old = make_contact(account)
    new = make_contact(account, name="Bob", is_billing_contact=False)
    raise_attention(code="no-billing-contact", key=f"account:{account.pk}", words="x", account=account)
    set_billing_contact(new)
    old.refresh_from_db()
    assert old.is_billing_contact is False
    assert queries.billing_contacts([account.pk]) == {account.pk: new}
    assert not Attention.objects.filter(resolved_at=None).exists()


def test_a_new_card_takes_the_place_of_the_old_one_and_ends_its_bar() -> None:
    account = make_account()
    old = make_source(account, 1, "tok_old")
    bar_funding_source(old, "returned")
    bar_funding_source(old, "again")
    assert old.barred_why == "returned"
    new = replace_funding_source(account, 1, source_token="tok_new", last4="1111")
    assert (new.pk, new.source_token, new.barred_at) == (old.pk, "tok_new", None)
    second = replace_funding_source(account, 2, source_token="tok_two")
    assert queries.funding_sources_by_rank([account.pk]) == {account.pk: {1: new, 2: second}}
    with pytest.raises(Refused, match="another rank"):
        replace_funding_source(account, 2, source_token="tok_new")
    with pytest.raises(Refused, match="Four digits"):
        replace_funding_source(account, 2, source_token="tok_x", last4="12")


def test_the_questions_cost_the_same_for_one_account_and_for_many() -> None:
    accounts = [make_account() for _ in range(10)]
    for number, account in enumerate(accounts):
        make_contact(account)
        make_source(account)
        ServiceLine.objects.create(account=account, ipv4=f"100.64.0.{number}")
    every = [account.pk for account in accounts]
    with CaptureQueriesContext(connection) as captured:
        assert len(queries.billing_contacts(every)) == 10
        assert len(queries.lines_of(every)) == 10
        assert len(queries.funding_sources_by_rank(every)) == 10
        assert queries.notice_states(every) == {}
    assert len(captured) == 4


def test_the_shipped_rows_are_there_after_migrating_and_only_fill_empty_tables() -> None:
    assert dict(AccountStatus.objects.values_list("name", "activates_billing")) == {
        "Active": True, "Delinquent": False, "Inactive": False, "Vacation": False,
    }  # fmt: skip
    assert set(AccountType.objects.values_list("name", "is_business")) == {
        ("Residential", False),
        ("Business", True),
    }
    company = Company.objects.get()
    assert (company.name, company.currency, company.timezone) == ("Demo Internet", "USD", "America/New_York")
    company.name = "Valley Fibre"
    company.save()
    ensure_basics()
    assert Company.objects.get().name == "Valley Fibre"
    assert AccountStatus.objects.count() == 4


def test_the_configuration_of_the_channels_is_checked_at_start(settings: Any) -> None:
    settings.SMS_CHANNEL = "accounts.outreach.nothing.Here"
    with pytest.raises(SystemCheckError, match="SMS_CHANNEL"):
        call_command("check")


def test_contacts_are_kept_apart_by_account() -> None:
    first, second = make_account(), make_account()
    mine, theirs = make_contact(first), make_contact(second)
    assert queries.billing_contacts([first.pk]) == {first.pk: mine}
    assert Contact.objects.get(pk=theirs.pk).account == second
