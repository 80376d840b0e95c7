"""A card that will have expired when it is next needed is announced ahead: twice, in the morning, and not in vain."""

from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, Contact, FundingSource, Notice, OutreachRules
from accounts.operations import refresh_funding_source, replace_funding_source
from accounts.outreach.dispatch import dispatch_notices
from billing_project.kernel import clock
from invoicing.models import BillingParameters
from invoicing.operations.autopay import set_autopay
from invoicing.operations.expiring import announce_expiring
from tests.factories import bill_by, instant, make_account, make_source

pytestmark = pytest.mark.django_db

EXPIRES = date(2026, 11, 30)


def paying(*, zone: str = "America/New_York", expires_on: date = EXPIRES, **contact: Any) -> Account:
    """Return an account that is billed on the 1st, due that day, whose card expires at the end of November."""
    account = make_account(timezone=zone)
    bill_by(account, "2026-11-01")
    BillingParameters.objects.filter(account=account).update(due_days=0)
    fields = {"name": "Maria", "email": f"maria-{account.pk}@example.com", "is_billing_contact": True}
    Contact.objects.create(account=account, **(fields | contact))
    make_source(account, 1, f"tok_ok-{account.pk}", expires_on=expires_on, brand="Visa", last4="4242")
    return account


def announce(local: str, zone: str = "America/New_York") -> int:
    at = instant(local, zone)
    with clock.at(at):
        return announce_expiring(at)


def letters() -> list[tuple[int, str]]:
    return list(Notice.objects.filter(step_key="card_expiring").order_by("pk").values_list("occurrence", "state"))


def test_it_is_announced_thirty_and_seven_days_before_the_payment_and_once_each() -> None:
    paying()
    assert announce("2026-10-31 10:00") == 0
    assert announce("2026-11-01 08:59") == 0, "not before nine where the customer is"
    assert announce("2026-11-01 09:01") == 1
    assert announce("2026-11-01 10:01") == 0
    assert announce("2026-11-02 09:01") == 0
    assert announce("2026-11-24 09:01") == 1
    assert announce("2026-11-25 09:01") == 0
    assert announce("2026-12-01 09:01") == 0
    assert [number for number, _ in letters()] == [1, 2]


def test_a_card_that_was_added_late_is_announced_once_and_not_twice_on_a_day() -> None:
    paying()
    assert announce("2026-11-28 09:01") == 1
    assert [number for number, _ in letters()] == [2]


def test_the_letter_names_card_and_days_and_leads_to_the_cards() -> None:
    account = paying()
    announce("2026-11-01 09:01")
    body = Notice.objects.get().body
    assert "Visa ending in 4242" in body
    assert "expires on" in body
    assert "/portal/enter/" in body
    assert "to=%2Fportal%2Fcards%2F" in body
    assert str(account.number) in body


def test_a_card_that_has_expired_by_then_is_said_to_have() -> None:
    account = paying(language="es")
    BillingParameters.objects.filter(account=account).update(next_bill_on=date(2026, 12, 15), bill_day=15)
    announce("2026-12-08 09:01")
    assert "caducó el" in Notice.objects.get().body


def test_nine_is_nine_where_the_customer_is() -> None:
    paying(zone="Pacific/Honolulu")
    assert announce("2026-11-01 13:59") == 0
    assert announce("2026-11-01 09:01", "Pacific/Honolulu") == 1


@pytest.mark.parametrize("why", ["by hand", "barred", "closed", "later", "unticked", "unreachable", "not billed"])
def test_nobody_is_bothered_where_it_does_not_matter(why: str) -> None:
    account = paying()
    match why:
        case "by hand":
            set_autopay(account, False, why="asked for by telephone")
        case "barred":
            FundingSource.objects.update(barred_at=clock.now(), barred_why="returned")
        case "closed":
            Account.objects.update(closed_on=date(2026, 10, 1))
        case "later":
            FundingSource.objects.update(expires_on=date(2027, 1, 31))
        case "unticked":
            OutreachRules.objects.create(company=account.company, courtesies=["restored"])
        case "unreachable":
            Contact.objects.update(email="", phone="")
        case "not billed":
            BillingParameters.objects.update(next_bill_on=None)
    assert announce("2026-11-01 09:01") == 0
    assert letters() == []


@pytest.mark.parametrize("what", ["replaced", "renewed", "by hand", "nothing"])
def test_what_was_mended_before_the_letter_goes_keeps_it_back(what: str) -> None:
    account = paying()
    announce("2026-11-01 09:01")
    source = FundingSource.objects.get()
    match what:
        case "replaced":
            replace_funding_source(account, 1, source_token="tok_new", last4="1881", expires_on=date(2029, 1, 31))
        case "renewed":
            refresh_funding_source(source, brand="Visa", last4="4242", expires_on=date(2029, 11, 30))
        case "by hand":
            set_autopay(account, False, why="asked for by telephone")
    with clock.at(instant("2026-11-01 09:02")):
        dispatch_notices()
    assert Notice.objects.get().state == ("accepted" if what == "nothing" else "cancelled")


def test_a_new_card_with_its_own_expiry_is_announced_anew() -> None:
    account = paying()
    announce("2026-11-01 09:01")
    replace_funding_source(account, 1, source_token="tok_new", last4="1881", expires_on=EXPIRES)
    assert announce("2026-11-02 09:01") == 1


def test_the_cost_is_that_of_what_is_due() -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            announce("2026-11-01 09:01")
        return len(seen)

    paying()
    one = queries()
    Notice.objects.all().delete()
    for _ in range(4):
        paying()
    assert queries() == one
