"""Faults that a reading of lists, files and forms found, each kept from coming back."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db.models import Q
from django.test import Client
from django.urls import reverse

from accounts.models import DataExport, SavedFilter, User
from delinquency.admin import sweeps_blocked
from delinquency.models import RunRequest
from tests.backoffice import make_customer, make_version, staff_client
from tests.factories import make_account, make_contact

pytestmark = pytest.mark.django_db
FILTERS = "admin:accounts_account_filters"
FILES = (
    "admin:delinquency_taskrun_tonight", "admin:delinquency_event_report_sent", "admin:delinquency_event_report_cuts",
    "admin:delinquency_event_report_unreachable", "admin:invoicing_ledgerentry_adjustments",
)  # fmt: skip


def test_nobody_takes_a_report_out_as_a_file_without_the_right_to_files() -> None:
    reader = User.objects.create_user("reader", is_staff=True)
    rights = Permission.objects.filter(codename__startswith="view_")
    reader.user_permissions.set(rights)
    client = Client()
    client.force_login(reader)
    for name in FILES:
        page = client.get(reverse(name))
        assert page.status_code == 200, name
        assert "As a file" not in page.content.decode(), name
        assert client.get(reverse(name), {"csv": ""}).status_code == 403, name
    reader.user_permissions.add(Permission.objects.get(codename="export_data"))
    for name in FILES:
        assert client.get(reverse(name), {"csv": ""}).status_code == 200, name


def test_a_report_as_a_file_carries_contact_data_only_for_who_may_take_it_out_and_is_noted() -> None:
    account = make_account(number="20001", name="=1+1")
    make_contact(account, email="", phone="+15550100111", sms_allowed=False, voice_allowed=False)
    reader = User.objects.create_user("reader", is_staff=True)
    rights = Q(codename__startswith="view_") | Q(codename="export_data")
    reader.user_permissions.set(Permission.objects.filter(rights))
    client = Client()
    client.force_login(reader)
    page = reverse("admin:delinquency_event_report_unreachable")

    def file() -> str:
        answer: Any = client.get(page, {"csv": ""})
        return b"".join(answer.streaming_content).decode("utf-8-sig")

    without = file()
    assert without.startswith("account,name,why_not_email,why_not_sms,why_not_voice,since,")
    assert "20001,'=1+1," in without
    assert "+15550100111" not in without
    assert "without contact data" in client.get(page).content.decode()
    reader.user_permissions.add(Permission.objects.get(codename="export_contacts"))
    assert "+15550100111" in file()
    cuts: Any = client.get(reverse("admin:delinquency_event_report_cuts"), {"csv": ""})
    assert ",to," in b"".join(cuts.streaming_content).decode()
    noted = DataExport.objects.order_by("pk").values_list("source", "with_contacts", "rows_done", "asked_by__username")
    assert list(noted) == [
        ("report:unreachable", False, 1, "reader"), ("report:unreachable", True, 1, "reader"),
        ("report:cuts", True, 0, "reader"),
    ]  # fmt: skip


def test_a_filter_keeps_a_name_that_the_database_can_keep() -> None:
    assert staff_client().post(reverse(FILTERS), {"do": "keep", "name": "a\0b", "query": "q=1"}).status_code == 303
    assert SavedFilter.objects.get().name == "a b"


def test_no_filter_is_kept_that_its_list_would_not_show() -> None:
    client = staff_client()
    for number in range(13):
        client.post(reverse(FILTERS), {"do": "keep", "name": f"Filter {number}", "query": f"q={number}"})
    assert SavedFilter.objects.count() == 12
    client.post(reverse(FILTERS), {"do": "keep", "name": "Filter 3", "query": "q=new"})
    assert SavedFilter.objects.get(name="Filter 3").query == "q=new"
    page = client.get(reverse(FILTERS)).content.decode()
    assert "A list shows 12 saved filters at most" in page
    assert all(f"Filter {number}" in page for number in range(12))


def test_marks_of_a_form_that_are_nested_without_end_are_no_marks() -> None:
    account = make_account()
    page = reverse("admin:accounts_account_change", args=[account.pk])
    assert staff_client().post(page, {"_as_loaded": "[" * 100_000}).status_code == 200


def test_an_account_whose_line_is_freed_meanwhile_has_no_lines_to_show() -> None:
    account = make_customer("10001", make_version())
    assert sweeps_blocked._rows([account])[0]["lines"] == []


def test_no_card_number_is_kept_as_the_reason_of_a_run() -> None:
    asked = reverse("admin:delinquency_runrequest_ask", args=["check"])
    page = staff_client().post(asked, {"reason": "He said 4111 1111 1111 1111"})
    assert page.status_code == 200
    assert not RunRequest.objects.exists()
    assert "4111 1111" not in json.dumps(page.content.decode())
