"""Lists ask the database as often for many rows as for few, and not often (DJ11)."""

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Attention
from billing_project.sidebar import SIDEBAR
from tests.backoffice import make_everything, staff_client
from tests.many_rows import copy_everything
from tests.page_words import other_dates

pytestmark = pytest.mark.django_db
CEILING = 20
# What costs more, and why: here every account is played forward, for which all its facts are read, in one go.
DEARER = {"/admin/delinquency/taskrun/tonight/": 30}
# Of these there can be one row that is open, and no more.
ONE_AT_A_TIME = {"/admin/accounts/pause/", "/admin/accounts/auditcheck/", "/admin/delinquency/airbagtrip/"}


class Lists:
    """Every list of the back office, with the queries that it takes at two sizes."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.few: dict[str, int] = {}
        self.many: dict[str, int] = {}
        self.rows: dict[str, tuple[int, int] | None] = {}

    def walk(self, urls: list[str]) -> list[str]:
        """Open every list with many rows and with few, and return those that ask more often for many."""
        more = self._many(urls)
        for url in urls:
            self.few[url], few_rows = self.ask(url)
            self.many[url], many_rows = more[url]
            self.rows[url] = (few_rows, many_rows) if few_rows is not None and many_rows is not None else None
        # The first page of all also fills what is remembered from then on; so whatever seems to grow is asked again.
        again = self._many([url for url in urls if self.many[url] > self.few[url]])
        self.many |= {url: queries for url, (queries, _rows) in again.items()}
        return [f"{url}: {self.few[url]} → {self.many[url]}" for url in urls if self.many[url] > self.few[url]]

    def _many(self, urls: list[str]) -> dict[str, tuple[int, int | None]]:
        with transaction.atomic():
            copy_everything(3)
            found = {url: self.ask(url) for url in urls}
            transaction.set_rollback(True)
        return found

    def ask(self, url: str) -> tuple[int, int | None]:
        """Return how many queries a page takes, and how many rows it lists; None for a page of another kind."""
        with CaptureQueriesContext(connection) as asked:
            response = self.client.get(url, follow=True)
        assert response.status_code == 200, url
        assert other_dates(response) == [], url
        shown = (getattr(response, "context_data", None) or {}).get("cl")
        return len(asked), None if shown is None else shown.result_count


def pages() -> Iterator[str]:
    """Return every list, and every page that the sidebar offers."""
    for model in admin.site._registry:
        yield reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    for group in SIDEBAR:
        yield from (str(item["link"]) for item in group["items"])


def test_every_list_takes_as_many_queries_for_many_rows_as_for_few() -> None:
    make_everything()
    lists = Lists(staff_client())
    urls = sorted(set(pages()))
    assert len(urls) > 100
    assert lists.walk(urls) == []
    # The control: there were rows in each, and four times as many the second time.
    of_rows = {url: count for url, count in lists.rows.items() if count is not None and url not in ONE_AT_A_TIME}
    assert {url: count for url, count in of_rows.items() if not 0 < count[0] < count[1]} == {}
    assert len(of_rows) > 100
    assert {url: count for url, count in lists.many.items() if count > DEARER.get(url, CEILING)} == {}


def test_a_list_that_asks_once_more_for_each_row_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    make_everything()
    client, url = staff_client(), reverse("admin:accounts_attention_changelist")
    monkeypatch.setattr(Attention, "__str__", lambda row: str(row.account.contacts.count()))
    desk = admin.site._registry[Attention]
    monkeypatch.setattr(desk, "list_display", ("__str__", *desk.list_display))
    assert Lists(client).walk([url]) != []
