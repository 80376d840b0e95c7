"""Lists of more rows than anybody turns pages of: their count, their last page, their dates, and files of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.admin import pages
from accounts.models import Attention
from tests.backoffice import staff_client

pytestmark = pytest.mark.django_db
FIRST = datetime(2025, 11, 1, 12, tzinfo=UTC)
URL = "admin:accounts_attention_changelist"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(pages, "COUNTED_MAX", 100)
    return staff_client()


def _raise(many: int, *, days: int = 1, code: str = "cut-held") -> None:
    Attention.objects.bulk_create(
        Attention(code=code, key=str(number), words=f"Row {number}.", raised_at=FIRST + timedelta(days=number * days))
        for number in range(many)
    )


def test_a_list_that_is_counted_to_its_end_says_its_number_and_no_more(client: Client) -> None:
    _raise(100)
    page = client.get(reverse(URL)).content.decode()
    assert "There are more than" not in page
    assert "100+" not in page
    assert "Row 0." in client.get(reverse(URL), {"p": 2}).content.decode()


def test_a_longer_list_says_so_and_its_last_page_shows_its_last_rows(client: Client) -> None:
    _raise(240)
    page = client.get(reverse(URL)).content.decode()
    assert "100+" in page
    assert "There are more than 100" in page
    assert "Row 239." in page
    assert "Row 140." in client.get(reverse(URL), {"p": 2}).content.decode()
    last: Any = client.get(reverse(URL), {"p": 3})
    rows = [row.words for row in last.context_data["cl"].result_list]
    assert rows == [f"Row {number}." for number in range(49, -1, -1)]
    assert client.get(reverse(URL), {"p": 4}).status_code == 302  # no such page: back to the first


def test_the_rows_are_not_counted_beyond_what_is_shown(client: Client) -> None:
    _raise(240)
    client.get(reverse(URL))
    with CaptureQueriesContext(connection) as asked:
        client.get(reverse(URL))
    counting = [query["sql"] for query in asked if "COUNT(" in query["sql"] and "accounts_attention" in query["sql"]]
    assert counting != []
    assert [sql for sql in counting if "LIMIT 101" not in sql] == []


def test_a_long_list_offers_all_dates_between_its_first_and_its_last(client: Client) -> None:
    _raise(240)
    page = client.get(reverse(URL)).content.decode()
    assert ">2025<" in "".join(page.split())
    assert "raised_at__year=2026" in page
    one_year = client.get(reverse(URL), {"raised_at__year": 2026}).content.decode()
    assert "January 2026" in one_year
    assert "July 2026" not in one_year
    assert "All dates" in one_year


def test_a_long_list_of_one_month_offers_its_days_and_of_one_day_the_way_back(client: Client) -> None:
    _raise(140, days=0)
    page = client.get(reverse(URL)).content.decode()
    assert "raised_at__day=1" in page
    asked = {"raised_at__year": 2025, "raised_at__month": 11, "raised_at__day": 1}
    one_day = client.get(reverse(URL), asked).content.decode()
    assert "November 2025" in one_day
    assert "raised_at__day=2" not in one_day


def test_a_short_list_offers_the_dates_that_have_rows_and_no_others(client: Client) -> None:
    _raise(3, days=400)
    page = client.get(reverse(URL)).content.decode()
    assert all(f"raised_at__year={year}" in page for year in (2025, 2026, 2028))
    assert "raised_at__year=2027" not in page


def test_a_file_of_a_long_list_counts_every_row(client: Client) -> None:
    _raise(240)
    page = client.get(reverse("admin:accounts_attention_export")).content.decode()
    assert "240" in page
    assert "100+" not in page
