"""The back office's screens of the customers' room, and the doors that are shut in them."""

import re

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from accounts.models import Account, AccountStatus, Attention, Contact
from tests.backoffice import broken_pages, make_everything, screens_of, staff_client
from tests.factories import make_account, make_company, make_contact, make_status

pytestmark = pytest.mark.django_db


def test_every_page_of_every_model_opens() -> None:
    make_everything()
    assert broken_pages(staff_client(), screens_of("accounts")) == []


def test_pages_of_groups_and_of_celery_beat_open() -> None:
    make_everything()
    client = staff_client()
    assert broken_pages(client, screens_of("auth")) == []
    assert broken_pages(client, screens_of("django_celery_beat"), rows_needed=False) == []


def test_no_list_holds_a_link_inside_a_link_nor_a_colour_without_a_word() -> None:
    make_everything()
    client = staff_client()
    wrong = []
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        page = client.get(reverse(f"admin:{name}_changelist")).content.decode()
        if re.search(r'<a href="[^"]*" class="text-font-important[^>]*>\s*<a', page):
            wrong.append(f"{name}: the first column is a link already")
        if "close_small" in page or "check_small" in page:
            wrong.append(f"{name}: yes and no are told by a sign alone")
    assert wrong == []


def test_an_empty_list_says_what_to_do_next() -> None:
    client = staff_client()
    for model in (
        *screens_of("accounts"),
        *screens_of("invoicing"),
        *screens_of("netenforce"),
        *screens_of("delinquency"),
    ):
        if model._default_manager.exists():
            continue
        text = client.get(
            reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        ).content.decode()
        assert "desk-empty" in text, model
        assert "Rows appear here as the program works." not in text, f"{model} has no words of its own"


def test_an_account_added_here_is_opened_by_the_operation_and_takes_its_companys_zone() -> None:
    client, company, status = staff_client(), make_company(), make_status()
    make_account(number="other")
    sent = {
        "number": "0042", "name": "Ann", "company": company.pk, "account_type": 1, "status": status.pk, "timezone": "",
        "contacts-TOTAL_FORMS": 0, "contacts-INITIAL_FORMS": 0,
    }  # fmt: skip
    sent["account_type"] = Account.objects.get(number="other").account_type_id
    for prefix in ("service_lines", "funding_sources", "subscriptions", "billing_parameters"):
        sent |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
    response = client.post(reverse("admin:accounts_account_add"), sent)
    assert response.status_code == 302, response.content.decode()[:2000]
    account = Account.objects.get(number="0042")
    assert account.timezone == "America/New_York"
    assert account.opened_on is not None
    assert account.history.get().history_change_reason == "opened"


def test_the_status_changes_with_a_reason_that_the_history_keeps() -> None:
    client, account = staff_client(), make_account()
    vacation = make_status("Vacation", activates=False)
    address = reverse("admin:accounts_account_change_status", args=[account.pk])
    assert client.get(address).status_code == 200
    response = client.post(address, {"status": vacation.pk, "reason": "away until May"})
    assert response.status_code == 303
    account.refresh_from_db()
    assert account.status == vacation
    assert account.history.first().history_change_reason == "away until May"
    assert account.history.first().history_user.username == "boss"


def test_a_change_without_a_reason_is_asked_for_it() -> None:
    client, account = staff_client(), make_account()
    vacation = make_status("Vacation", activates=False)
    response = client.post(
        reverse("admin:accounts_account_change_status", args=[account.pk]),
        {"status": vacation.pk, "reason": ""},
    )
    assert response.status_code == 200
    assert AccountStatus.objects.get(accounts=account).name == "Active"


def test_the_billing_contact_is_replaced_not_doubled() -> None:
    client, account = staff_client(), make_account()
    old = make_contact(account)
    sent = {
        "account": account.pk,
        "name": "Bob",
        "language": "en",
        "email": "bob@customer.example",
        "make_billing_contact": "on",
    }
    response = client.post(reverse("admin:accounts_contact_add"), sent)
    assert response.status_code == 302, response.content.decode()[:2000]
    assert Contact.objects.get(account=account, is_billing_contact=True).name == "Bob"
    old.refresh_from_db()
    assert not old.is_billing_contact


def test_an_exception_is_resolved_with_a_note_once() -> None:
    client, account = staff_client(), make_everything()
    row = Attention.objects.get(account=account, code="cut-held")
    address = reverse("admin:accounts_attention_resolve", args=[row.pk])
    assert client.post(address, {"reason": "called the customer"}).status_code == 303
    row.refresh_from_db()
    assert (row.resolution, row.resolved_by.username) == ("called the customer", "boss")
    assert "resolved it already" in client.post(address, {"reason": "again"}).content.decode()


def test_the_text_of_a_notice_is_shown_as_written_and_not_as_markup() -> None:
    client = staff_client()
    notice = make_everything().notices.get()
    text = client.get(reverse("admin:accounts_notice_change", args=[notice.pk])).content.decode()
    assert "Hello &lt;b&gt;Ann&lt;/b&gt;" in text


def test_staff_without_rights_change_nothing() -> None:
    account = make_account()
    client = Client()
    from accounts.models import User

    client.force_login(User.objects.create_user("new", password="a long enough password", is_staff=True))
    for name in ("change", "change_status", "record_payment", "grace"):
        assert client.get(reverse(f"admin:accounts_account_{name}", args=[account.pk])).status_code == 403
