"""import_accounts: what comes with an account, what an update changes, and what it leaves alone."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.models import Account, AccountStatus, Attention, Contact, ServiceLine
from accounts.operations import change_status
from billing_project.kernel import clock
from delinquency.imports import accounts, devices
from delinquency.models import Standing
from invoicing.models import BillingParameters, Subscription
from invoicing.sweep import bill
from netenforce.models import EnforcementTask, LinePlacement
from netenforce.operations import place_hold
from tests.csv_files import ACCOUNT, DEVICE, Files, local, mistakes

pytestmark = pytest.mark.django_db


@pytest.fixture
def write(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_an_account_comes_with_contact_terms_line_charge_and_standing(write: Files) -> None:
    devices.import_devices(write("devices", DEVICE))
    row = ACCOUNT | {
        "ipv4": "100.64.0.7/32", "radius_username": "ann", "monthly_charge": "86.80", "device": "north",
        "address": "1 Hill Road\nValley", "bill_day": "31", "phone": "(555) 010-0123",
    }  # fmt: skip

    accounts.import_accounts(write("accounts", row))

    account = Account.objects.select_related("status", "account_type").get()
    assert (account.number, account.name, account.status.name) == ("0017", "Ann Example", "Active")
    assert account.account_type.name == "Residential"
    contact = Contact.objects.get(account=account, is_billing_contact=True)
    assert (contact.email, contact.phone) == ("ann@customer.example", "+15550100123")
    terms = BillingParameters.objects.get(account=account)
    assert (terms.bill_day, terms.due_days, terms.next_bill_on) == (31, 15, date(2026, 2, 1))
    line = ServiceLine.objects.get(account=account)
    assert (line.ipv4, line.radius_username) == ("100.64.0.7", "ann")
    assert LinePlacement.objects.get(line=line).device.name == "north"
    subscription = Subscription.objects.select_related("item").get(account=account)
    assert (subscription.item.name, subscription.price) == ("Monthly charge", Decimal("86.80"))
    standing = Standing.objects.select_related("policy_version__policy").get(account=account)
    assert standing.policy_version.policy.name == "Sonar example"
    assert standing.next_look_at is not None
    assert account.history.count() == contact.history.count() == terms.history.count() == 1


def test_a_row_that_differs_updates_only_that_account(write: Files) -> None:
    other = ACCOUNT | {"number": "0018", "email": "bob@customer.example"}
    accounts.import_accounts(write("accounts", ACCOUNT | {"monthly_charge": "40.00"}, other))

    changed = ACCOUNT | {
        "name": "Ann Other",
        "email": "",
        "phone": "",
        "status": "Vacation",
        "monthly_charge": "0",
    }
    found = accounts.import_accounts(write("accounts", changed, other))

    assert (found.created, found.updated, found.unchanged) == (0, 1, 1)
    account = Account.objects.select_related("status").get(number="0017")
    assert (account.name, account.status.name) == ("Ann Other", "Vacation")
    assert Contact.objects.get(account=account).email == ""
    assert Subscription.objects.get(account=account).ends_on == clock.today("America/New_York")


def test_the_same_file_later_does_not_undo_what_the_program_did(write: Files) -> None:
    path = write("accounts", ACCOUNT)
    accounts.import_accounts(path)
    account = Account.objects.get()
    change_status(account, AccountStatus.objects.get(name="Delinquent"), reason="switched", by_delinquency=True)
    BillingParameters.objects.filter(account=account).update(next_bill_on=date(2026, 3, 1))

    found = accounts.import_accounts(path)

    assert found.unchanged == 1
    assert Account.objects.select_related("status").get().status.name == "Delinquent"
    assert BillingParameters.objects.get().next_bill_on == date(2026, 3, 1)
    found = accounts.import_accounts(write("accounts", ACCOUNT | {"next_bill_on": "2026-04-01"}))
    assert found.updated == 1
    assert BillingParameters.objects.get().next_bill_on == date(2026, 4, 1)


def test_a_blank_zone_is_the_companys(write: Files) -> None:
    accounts.import_accounts(write("accounts", ACCOUNT | {"timezone": ""}))
    assert Account.objects.select_related("company").get().timezone == "America/New_York"


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"number": ""}, "number"),
        ({"number": "x" * 65}, "number"),
        ({"number": " 17"}, "number"),
        ({"name": ""}, "name"),
        ({"billing_default": "Gold"}, "billing_default"),
        ({"bill_day": "0"}, "bill_day"),
        ({"bill_day": "1.5"}, "bill_day"),
        ({"next_bill_on": "02/03/04"}, "next_bill_on"),
        ({"next_bill_on": "20260201"}, "next_bill_on"),
        ({"contact_name": " "}, "contact_name"),
        ({"email": "ann"}, "email"),
        ({"phone": "12345"}, "phone"),
        ({"ipv4": "100.64.0.0/8"}, "ipv4"),
        ({"ipv4": "2001:db8::1"}, "ipv4"),
        ({"ipv4": "100.64.0.999"}, "ipv4"),
        ({"monthly_charge": "-1"}, "monthly_charge"),
        ({"monthly_charge": "1,50"}, "monthly_charge"),
        ({"device": "south"}, "device"),
    ],
)
def test_a_cell_that_cannot_be_is_named(write: Files, cells: dict[str, str], column: str) -> None:
    found = accounts.import_accounts(write("accounts", ACCOUNT | cells))
    assert (2, column) in mistakes(found)
    assert not Account.objects.exists()


def test_numbers_and_addresses_are_taken_once(write: Files) -> None:
    accounts.import_accounts(write("accounts", ACCOUNT | {"ipv4": "100.64.0.7"}))
    rows = [
        ACCOUNT | {"number": "0018", "ipv4": "100.64.0.7/32"},
        ACCOUNT | {"number": "0019", "ipv4": "100.64.0.8"},
        ACCOUNT | {"number": "0020", "ipv4": "100.64.0.8"},
        ACCOUNT | {"number": "0019", "ipv4": ""},
    ]

    found = accounts.import_accounts(write("accounts", *rows))

    assert mistakes(found) == [(2, "ipv4"), (4, "ipv4"), (5, "number")]
    assert "account 0017" in found.problems[0].message
    assert "line 3" in found.problems[1].message


def test_a_bill_date_that_was_billed_already_cannot_be_asked_for_again(write: Files) -> None:
    row = ACCOUNT | {"monthly_charge": "40.00"}
    accounts.import_accounts(write("accounts", row))
    assert [invoice.issued_on for invoice in bill(local("2026-02-01 00:05")).issued] == [date(2026, 2, 1)]
    for day, expected in (("2026-01-15", [(2, "next_bill_on")]), ("2026-02-15", [])):
        assert mistakes(accounts.import_accounts(write("accounts", row | {"next_bill_on": day}))) == expected
    assert BillingParameters.objects.get().next_bill_on == date(2026, 2, 15)


def test_addresses_that_overlap_with_another_line_are_refused(write: Files) -> None:
    accounts.import_accounts(write("accounts", ACCOUNT | {"ipv4": "100.64.0.6"}))
    around = ACCOUNT | {"number": "0018", "ipv4": "100.64.0.4/30"}
    inside = ACCOUNT | {"number": "0019", "ipv4": "100.64.0.5"}
    apart = ACCOUNT | {"number": "0020", "ipv4": "100.64.0.8"}
    found = accounts.import_accounts(write("accounts", around, inside, apart))
    assert mistakes(found) == [(2, "ipv4"), (3, "ipv4")]
    assert Account.objects.count() == 1


def test_the_database_itself_keeps_lines_apart(write: Files) -> None:
    accounts.import_accounts(write("accounts", ACCOUNT | {"ipv4": "100.64.0.6"}))
    line = ServiceLine(account=Account.objects.get(), ipv4="100.64.0.4/30")
    with pytest.raises(ValidationError, match="overlaps"):
        line.full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        line.save()


def test_a_line_that_should_be_slowed_is_ordered_so_when_it_gets_a_device(write: Files) -> None:
    devices.import_devices(write("devices", DEVICE))
    accounts.import_accounts(write("accounts", ACCOUNT | {"ipv4": "100.64.0.6"}))
    place_hold(
        account_id=Account.objects.get().pk,
        cause="non_payment",
        cause_key="case:1/slow",
        level="throttle",
        why="unpaid",
    )
    assert not EnforcementTask.objects.exists()
    accounts.import_accounts(write("accounts", ACCOUNT | {"ipv4": "100.64.0.6", "device": "north"}))
    assert EnforcementTask.objects.get().level == "throttle"
    assert not Attention.objects.filter(code="line-without-device", resolved_at=None).exists()
