"""The list of all screens is made for the pages that show it, and for no other."""

from typing import Any

import pytest
from django.contrib import admin
from django.test import RequestFactory
from unfold.sites import UnfoldAdminSite

from accounts.models import User
from tests.backoffice import staff_client

pytestmark = pytest.mark.django_db


def test_a_list_of_rows_does_not_make_the_list_of_screens(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def noted(*arguments: Any) -> list[Any]:
        made.append(arguments)
        return []

    monkeypatch.setattr(UnfoldAdminSite, "get_app_list", noted)
    assert staff_client().get("/admin/accounts/account/").status_code == 200
    assert made == []


def test_whoever_looks_at_the_list_of_screens_finds_those_they_may_open() -> None:
    request = RequestFactory().get("/admin/")
    request.user = User(is_superuser=True, is_active=True, is_staff=True)
    labels = {app["app_label"] for app in admin.site.get_app_list(request)}
    assert {"accounts", "delinquency", "invoicing", "netenforce"} <= labels
    request.user = User(is_active=True, is_staff=True, username="nobody")
    request.user.pk = 0
    assert not admin.site.get_app_list(request)
