"""Two people on one form: neither overwrites the other unseen (U20)."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.admin.conflicts import ago
from accounts.models import Account, AccountType, Contact, OutreachRules, User
from billing_project.kernel import clock
from tests.factories import make_account, make_company, make_contact

pytestmark = pytest.mark.django_db


def browser(username: str, first: str, last: str) -> Client:
    """Return a browser in which a superuser of that name is logged in."""
    user = User.objects.create_user(
        username, password="x", is_staff=True, is_superuser=True, first_name=first, last_name=last
    )
    client = Client()
    client.force_login(user)
    return client


def filled(client: Client, row: Any) -> tuple[str, dict[str, str]]:
    """Open a change form, and return its address and its fields as a browser would send them."""
    address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    page = client.get(address, {"edit": "1"}).content.decode()
    form = page[page.index(f'id="{row._meta.model_name}_form"') :]
    return address, fields_of(form)


def fields_of(form: str) -> dict[str, str]:
    """Return the names and values of the fields in a form."""
    found: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, kind = re.search(r'name="([^"]+)"', tag), re.search(r'type="([^"]+)"', tag)
        if not name or (kind and kind[1] in ("submit", "file")):
            continue
        if kind and kind[1] in ("checkbox", "radio") and " checked" not in tag:
            continue
        value = re.search(r'value="([^"]*)"', tag)
        found[name[1]] = unescape(value[1]) if value else ("on" if kind and kind[1] == "checkbox" else "")
    for name, body in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', body)
        found[name] = unescape(chosen[1]) if chosen else ""
    for name, body in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', form, re.DOTALL):
        found[name] = unescape(body).removeprefix("\n")
    return {name: value for name, value in found.items() if "__prefix__" not in name}


def test_the_second_of_two_clerks_sees_what_the_first_changed_and_overwrites_nothing() -> None:
    account = make_account(number="10023", name="Lopez Bakery", note="")
    maria, omar = browser("maria", "Maria", "Lopez"), browser("omar", "Omar", "Said")
    address, hers = filled(maria, account)
    _, his = filled(omar, account)
    assert maria.post(address, hers | {"name": "Lopez & Sons", "note": "Moved"}).status_code == 302
    answer = omar.post(address, his | {"name": "Lopez Bread", "address": "1 Main Street"})
    assert answer.status_code == 409
    page = unescape(answer.content.decode())
    assert re.search(r"Maria Lopez changed this \d+ s ago", page)
    assert "Changed by both: yours stands in the form." in page
    assert "Only you changed it: yours stands in the form." in page
    account.refresh_from_db()
    assert (account.name, account.note, account.address) == ("Lopez & Sons", "Moved", "")
    again = fields_of(page[page.index('id="account_form"') :])
    assert (again["name"], again["note"], again["address"]) == ("Lopez Bread", "Moved", "1 Main Street")
    assert omar.post(address, again).status_code == 302
    account.refresh_from_db()
    assert (account.name, account.note, account.address) == ("Lopez Bread", "Moved", "1 Main Street")


def test_inline_rows_are_compared_too_and_what_was_typed_in_them_is_carried_over() -> None:
    account = make_account(number="10023")
    ann = make_contact(account, name="Ann", email="ann@customer.example", phone="+15550100123")
    maria, omar = browser("maria", "Maria", "Lopez"), browser("omar", "", "")
    address, hers = filled(maria, account)
    _, his = filled(omar, account)
    assert maria.post(address, hers | {"contacts-0-phone": "+15550100777"}).status_code == 302
    added = {
        "contacts-TOTAL_FORMS": "2", "contacts-1-name": "Bo", "contacts-1-language": "en", "contacts-1-email": "",
        "contacts-1-phone": "", "contacts-1-account": str(account.pk), "contacts-1-id": "",
    }  # fmt: skip
    answer = omar.post(address, his | {"contacts-0-email": "ann2@customer.example"} | added)
    assert answer.status_code == 409
    ann.refresh_from_db()
    assert (ann.phone, ann.email) == ("+15550100777", "ann@customer.example")
    page = unescape(answer.content.decode())
    again = fields_of(page[page.index('id="account_form"') :])
    assert again["contacts-0-phone"] == "+15550100777"
    assert again["contacts-0-email"] == "ann2@customer.example"
    assert again["contacts-1-name"] == "Bo"
    assert omar.post(address, again).status_code == 302
    ann.refresh_from_db()
    assert (ann.phone, ann.email) == ("+15550100777", "ann2@customer.example")
    assert Contact.objects.filter(account=account).count() == 2


def test_a_form_of_settings_is_kept_from_overwriting_and_mistakes_come_first() -> None:
    rules = OutreachRules.objects.create(company=make_company())
    maria, omar = browser("maria", "Maria", "Lopez"), browser("omar", "", "")
    address, hers = filled(maria, rules)
    _, his = filled(omar, rules)
    assert maria.post(address, hers | {"quiet_days": "8"}).status_code == 302
    wrong = omar.post(address, his | {"quiet_days": "many"})
    assert wrong.status_code == 200
    assert "changed this" not in wrong.content.decode()
    mended = fields_of(wrong.content.decode()[wrong.content.decode().index('id="outreachrules_form"') :])
    answer = omar.post(address, mended | {"quiet_days": "9"})
    assert answer.status_code == 409
    assert "Maria Lopez changed this" in answer.content.decode()
    rules.refresh_from_db()
    assert rules.quiet_days == 8


def test_what_only_the_program_changed_elsewhere_in_the_row_is_no_conflict() -> None:
    account = make_account(number="10023")
    maria = browser("maria", "Maria", "Lopez")
    address, hers = filled(maria, account)
    Account.objects.update(parked_why="a sweep was here")
    assert maria.post(address, hers | {"note": "Moved"}).status_code == 302
    account.refresh_from_db()
    assert (account.note, account.parked_why) == ("Moved", "a sweep was here")


def test_who_may_only_look_is_told_so_whatever_the_form_says() -> None:
    kind = AccountType.objects.create(name="Farm")
    maria = browser("maria", "Maria", "Lopez")
    address, hers = filled(maria, kind)
    reader = User.objects.create_user("reader", is_staff=True)
    client = Client()
    client.force_login(reader)
    AccountType.objects.filter(pk=kind.pk).update(name="Farms")
    assert client.post(address, hers | {"name": "Mine"}).status_code == 403
    kind.refresh_from_db()
    assert kind.name == "Farms"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s ago"), (59, "59 s ago"), (60, "1 min ago"), (3600, "1 h ago"), (86400, "on 2026-01-20 at 17:00 UTC")],
)
def test_how_long_ago_is_said_as_people_say_it(seconds: int, words: str) -> None:
    moment = datetime(2026, 1, 20, 17, tzinfo=UTC)
    with clock.at(moment + timedelta(seconds=seconds)):
        assert ago(moment) == words


@pytest.mark.parametrize("mark", ["", "{", "[]", '{"fields": 7}', '{"fields": {"name": 1}, "contacts": 3}', "\x00"])
def test_a_broken_mark_breaks_nothing(mark: str) -> None:
    kind = AccountType.objects.create(name="Farm")
    address, hers = filled(maria := browser("maria", "", ""), kind)
    assert maria.post(address, hers | {"_as_loaded": mark}).status_code in (302, 409)
