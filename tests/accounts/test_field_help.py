"""Every field of what people set up has help with an example, and every error says how to mend it (U14, U16)."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.test import RequestFactory
from django.urls import reverse

from accounts.admin.field_help import REQUIRED
from accounts.models import User
from tests.backoffice import staff_client
from tests.factories import make_account, make_contact

pytestmark = pytest.mark.django_db

HELPED = {
    "accounts.account", "accounts.accountstatus", "accounts.accounttype", "accounts.company", "accounts.contact",
    "accounts.fundingsource", "accounts.outreachrules", "accounts.serviceline", "delinquency.exclusion",
    "delinquency.policy", "delinquency.policystep", "delinquency.policyversion", "invoicing.billingdefault",
    "invoicing.billingparameters", "invoicing.moneylimit", "invoicing.subscription", "netenforce.addresslist",
    "netenforce.device", "netenforce.lineplacement", "netenforce.releaselimit",
}  # fmt: skip
# What Django says of itself: it names neither the mistake nor the way out of it.
STOCK = re.compile(r"Enter a (?!valid username)|This field is required|Select a valid|Ensure th|cannot be (null|blank)")
# A yes or no needs no example; what it does is its help, and so it is for lists that are ticked.
PLAIN = (forms.BooleanField, forms.NullBooleanField)


def editable_forms() -> Iterator[tuple[str, Any]]:
    """Return every form in which staff edit rows, also those of related rows."""
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_active=True, is_staff=True)
    for model, desk in admin.site._registry.items():
        if desk.has_change_permission(request) or desk.has_add_permission(request):
            yield model._meta.label_lower, desk.get_form(request, None)
        for inline in desk.get_inline_instances(request, None):
            if inline.has_change_permission(request, None) or inline.has_add_permission(request, None):
                yield inline.model._meta.label_lower, inline.get_formset(request, None).form


def test_every_field_that_is_set_up_has_help_with_an_example() -> None:
    missing, seen = [], set()
    for label, form in editable_forms():
        if label not in HELPED:
            continue
        seen.add(label)
        for name, field in form.base_fields.items():
            words = str(field.help_text)
            shown = not isinstance(field.widget, forms.HiddenInput) and name not in ("id", "DELETE")
            enough = (
                len(words) > 20 if isinstance(field, PLAIN) else re.search(r"such as|\bWith \d", words, re.IGNORECASE)
            )
            if shown and not enough and name not in WITHOUT_EXAMPLE:
                missing.append(f"{label}.{name}: {words!r}")
    assert missing == []
    assert seen == HELPED


# Ticked lists and files, whose help says what a tick does.
WITHOUT_EXAMPLE = {"logo", "courtesies", "honours_exclusions", "countries"}


@pytest.mark.parametrize("typed", ["", "~junk~", "99999999999999999999", "-0.000001"])
def test_no_error_is_left_in_words_that_do_not_say_how_to_mend_it(typed: str) -> None:
    bare = []
    for label, form_class in editable_forms():
        if not label.startswith(("accounts.", "invoicing.", "netenforce.", "delinquency.")):
            continue
        names = [name for name in form_class.base_fields if name not in ("id",)]
        data = {place: typed for name in names for place in (name, f"{name}_0", f"{name}_1")}
        form = form_class(data=data)
        for name, errors in form.errors.items():
            bare += [f"{label}.{name}: {words}" for words in errors if STOCK.search(str(words))]
    assert bare == []


def test_the_pages_that_ask_for_a_reason_say_it_too() -> None:
    account = make_account()
    client = staff_client()
    page = client.post(reverse("admin:accounts_account_change_status", args=[account.pk]), {"reason": "x" * 201})
    words = page.content.decode()
    assert REQUIRED in words
    assert "This is too long: at most 200 characters, and you wrote 201." in words


def test_a_form_that_is_refused_begins_with_its_mistakes_each_linked_to_its_field() -> None:
    account = make_account()
    make_contact(account)
    client = staff_client()
    address = reverse("admin:accounts_account_change", args=[account.pk])
    sent = {
        "name": "", "contacts-TOTAL_FORMS": 1, "contacts-INITIAL_FORMS": 1, "contacts-0-name": "",
        "contacts-0-id": account.contacts.get().pk, "contacts-0-account": account.pk,
    }  # fmt: skip
    for prefix in ("service_lines", "funding_sources", "subscriptions", "billing_parameters", "policy_moves"):
        sent |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
    page = client.post(address, sent).content.decode()
    summary = page[page.index("Nothing is saved yet") :]
    assert f'href="#id_name">Name</a>: {REQUIRED}' in summary
    assert f'href="#id_contacts-0-name">Name</a>: {REQUIRED}' in summary
    assert 'id="id_name"' in summary


def test_a_search_in_a_list_that_finds_nothing_says_how_to_see_all_rows_again() -> None:
    client = staff_client()
    make_account()
    for address in (
        "accounts/account",
        "accounts/contact",
        "invoicing/invoice",
        "invoicing/payment",
        "delinquency/case",
        "delinquency/ticket",
        "netenforce/device",
    ):
        page = client.get(f"/admin/{address}/", {"q": "zzzzqx"}).content.decode()
        assert "Nothing matches" in page, address
        assert "Reset search and filters" in page, address
