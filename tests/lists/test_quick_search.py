"""Searching a list finds what the admin's own search finds, by the indexes of what its rows belong to."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from accounts.admin import searching
from accounts.models import Contact, InboundMessage, Notice
from delinquency.models import MoveBatch, Standing, Ticket, TicketComment
from invoicing.models import BankFile, Invoice, LedgerEntry
from tests.backoffice import make_customer, make_everything, make_version

pytestmark = pytest.mark.django_db
TYPED = (
    "10001", "20002", "customer", "customer 10001", '"customer 10001"', "10001 nothing", "A-10001", "ann", "T-1",
    "unpaid", "opened", "case:1", "no such word", "%", "_", "\\",
)  # fmt: skip


def _both(model: type[Any], typed: str) -> tuple[set[Any], set[Any]]:
    desk, request = admin.site._registry[model], RequestFactory().get("/")
    ours, twice = desk.get_search_results(request, model._default_manager.all(), typed)
    assert not twice
    theirs, _twice = ModelAdmin.get_search_results(desk, request, model._default_manager.all(), typed)
    keys = [row.pk for row in ours]
    assert len(keys) == len(set(keys))
    return set(keys), {row.pk for row in theirs}


def test_a_list_finds_what_the_admin_itself_finds() -> None:
    make_everything()
    make_customer("20002", make_version())
    found = 0
    for model in (Contact, Invoice, Notice, Standing, Ticket, TicketComment, MoveBatch, InboundMessage):
        for typed in TYPED:
            ours, theirs = _both(model, typed)
            assert ours == theirs, (model, typed)
            found += bool(ours)
    assert found > 30  # the control: words that are found, and words that are not


def test_many_found_rows_are_found_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "RELATED_MAX", 1)
    monkeypatch.setattr(searching, "COUNTED_MAX", 1)
    version = make_version()
    for number in range(30001, 30006):
        make_customer(str(number), version)
    for model in (Invoice, Standing):
        ours, theirs = _both(model, "customer")
        assert ours == theirs
        assert len(ours) == 5


def test_an_entry_of_the_ledger_is_found_by_beginnings_and_whole_keys() -> None:
    make_everything()
    desk, request = admin.site._registry[LedgerEntry], RequestFactory().get("/")

    def found(typed: str) -> int:
        return desk.get_search_results(request, LedgerEntry.objects.all(), typed)[0].count()

    key = LedgerEntry.objects.filter(payment__isnull=False)[0].key
    assert found(key) == 1
    assert found(key[:-1]) == 0
    assert found("a-100") == LedgerEntry.objects.filter(invoice__number="A-10001").count() > 0
    assert found("-10001") == 0


def test_a_field_that_is_no_text_is_left_to_the_admin() -> None:
    make_everything()
    assert searching._Path.read(BankFile, "rows__cells__reference") is None
    desk, request = admin.site._registry[BankFile], RequestFactory().get("/")
    assert desk.get_search_results(request, BankFile.objects.all(), "january")[0].exists()


def test_a_quotation_mark_alone_is_looked_for_like_any_other_word() -> None:
    make_everything()
    desk, request = admin.site._registry[Standing], RequestFactory().get("/")
    for typed in ("'", '"'):
        assert not desk.get_search_results(request, Standing.objects.all(), typed)[0].exists()


def test_the_rows_that_are_found_are_known_by_their_keys_from_then_on() -> None:
    make_everything()
    desk, request = admin.site._registry[Standing], RequestFactory().get("/")
    rows, _twice = desk.get_search_results(request, Standing.objects.all(), "10001")
    with CaptureQueriesContext(connection) as asked:
        assert rows.count() == 1
    assert "LIKE" not in asked[0]["sql"]
