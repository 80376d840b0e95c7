"""Instants in lists and forms are in the account's time, with UTC on hover; without an account they say UTC (U21)."""

from datetime import UTC, datetime

import pytest
from django.contrib import admin
from django.db.models import DateTimeField
from django.test import RequestFactory
from django.urls import reverse

from accounts.models import NoticeAttempt, User
from delinquency.models import TicketComment
from invoicing.models import LedgerEntry
from tests.backoffice import make_everything, staff_client

pytestmark = pytest.mark.django_db
AT = datetime(2026, 1, 21, 14, 5, tzinfo=UTC)
LOCAL = 'title="2026-01-21 14:05 UTC; America/New_York">2026-01-21 09:05</time>'


def test_no_list_shows_an_instant_without_saying_whose_clock() -> None:
    request = RequestFactory().get("/admin/")
    request.user = User.objects.create_superuser("root")
    bare = [
        f"{desk.opts.label}.{name}"
        for model, desk in admin.site._registry.items()
        for name in desk.get_list_display(request)
        if isinstance(name, str)
        and name in {field.name for field in model._meta.concrete_fields if isinstance(field, DateTimeField)}
    ]
    assert bare == []


def test_a_list_of_rows_that_belong_to_an_account_by_another_row_shows_its_time() -> None:
    make_everything()
    client = staff_client()
    for model in (NoticeAttempt, TicketComment):
        model.objects.update(at=AT)
        page = client.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"))
        assert LOCAL in page.content.decode(), model


def test_a_form_shows_an_instant_in_the_time_of_its_account_also_in_the_tables_of_related_rows() -> None:
    make_everything()
    client = staff_client()
    attempt = NoticeAttempt.objects.select_related("notice").first()
    assert attempt is not None
    NoticeAttempt.objects.filter(pk=attempt.pk).update(at=AT)
    assert LOCAL in client.get(reverse("admin:accounts_notice_change", args=[attempt.notice_id])).content.decode()
    entry = LedgerEntry.objects.first()
    assert entry is not None
    page = client.get(reverse("admin:invoicing_ledgerentry_change", args=[entry.pk])).content.decode()
    assert f"{entry.recorded_at:%Y-%m-%d %H:%M} UTC; America/New_York" in page


def test_an_instant_of_nobodys_account_says_that_it_is_utc() -> None:
    boss = staff_client()
    User.objects.filter(username="boss").update(last_login=AT)
    page = boss.get(reverse("admin:accounts_user_changelist")).content.decode()
    assert "2026-01-21 14:05</time> UTC" in page
