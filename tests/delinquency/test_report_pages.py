"""The reports' pages: who may see them, what they say, that each figure leads to its rows, and what they cost."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from accounts.models import DataExport
from billing_project.kernel import clock
from delinquency.reports.registry import REPORTS
from tests.backoffice import make_customer, make_everything, make_version, queries_for, staff_client
from tests.factories import instant, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    """Let it be noon on 10 April 2026 in New York."""
    with clock.at(instant("2026-04-10 12:00")):
        yield


def page(key: str, query: str = "") -> str:
    return reverse(f"admin:delinquency_reportsubscription_{key}") + query


def test_every_report_opens_says_what_it_means_and_each_figure_leads_to_its_rows() -> None:
    make_everything()
    client = staff_client()
    figures = 0
    for key in REPORTS:
        shown = client.get(page(key, "?from=2026-01-01&to=2026-04-10"))
        assert shown.status_code == 200, key
        assert "What the figures mean" in shown.content.decode()
        links = {cell["url"] for row in shown.context["rows"] for cell in row["cells"] if "part=" in cell["url"]}
        for url in links:
            part = client.get(page(key, url))
            assert part.status_code == 200, url
            assert part.context["page"].paginator.count > 0, f"{key}{url}: a figure without rows"
            figures += 1
    assert figures > 12


def test_every_report_says_so_when_there_is_nothing() -> None:
    client = staff_client()
    for key in REPORTS:
        assert b"Nothing to report" in client.get(page(key)).content, key
    assert client.get(page("reports")).status_code == 200


@pytest.mark.parametrize("query", ["?on=nonsense", "?on=2999-01-01", "?from=2026-02-02&to=2026-01-01", "?company=9"])
def test_nonsense_in_the_address_is_said_and_shows_the_usual(query: str) -> None:
    client = staff_client()
    key = "ageing" if "on=" in query else "revenue"
    assert b'role="alert"' in client.get(page(key, query)).content
    assert client.get(page(key, "?part=nonsense")).status_code == 404
    assert client.get(page(key, "?part=issued:xx&part=late_1")).status_code == 404


def test_who_may_read_the_ledger_may_read_reports_and_contact_data_needs_its_own_right() -> None:
    make_everything()
    late = "?on=2026-04-10&part=over_60"
    for name, reads, takes, contacts in (
        ("Auditors", 200, 200, 200), ("Billing clerks", 200, 200, 200), ("Support", 200, 200, 403), ("", 403, 403, 403),
    ):  # fmt: skip
        user = make_staff(f"one-{name}")
        if name:
            user.groups.add(Group.objects.get(name=name))
        client = Client()
        client.force_login(user)
        assert client.get(page("ageing")).status_code == reads, name
        assert client.post(page("ageing", late), {"kind": "csv"}).status_code == takes, name
        assert client.post(page("ageing", late), {"kind": "csv", "contacts": "1"}).status_code == contacts, name


def test_ageing_over_sixty_days_goes_out_with_contact_data_in_three_clicks() -> None:
    """K12: the sidebar's Ageing, the button with the sum, the file."""
    make_everything()
    client = staff_client()
    first = client.get(page("ageing")).content.decode()
    assert "Over 60 days late: 60.00 USD" in first
    listed = client.get(page("ageing", "?on=2026-04-10&part=over_60"))
    assert "Export XLSX with contact data" in listed.content.decode()
    answer: Any = client.post(page("ageing", "?on=2026-04-10&part=over_60"), {"kind": "xlsx", "contacts": "1"})
    sheet = load_workbook(BytesIO(b"".join(answer.streaming_content))).active
    assert sheet is not None
    rows = [tuple(cell.value for cell in row) for row in sheet.iter_rows()]
    found = dict(zip(rows[0], rows[1], strict=True))
    assert (found["account"], found["61–90 days late"], found["e-mail"]) == ("10001", 60, "10001@customer.example")
    assert str(found["oldest unpaid due on"])[:10] == "2026-01-16"
    log = DataExport.objects.get(source="report:ageing")
    assert (log.rows_done, log.with_contacts, log.state) == (1, True, "handed_over")


def test_the_number_of_queries_does_not_grow_with_the_rows() -> None:
    version, client = make_version(), staff_client()
    urls = [page(key) for key in REPORTS] + [page("ageing", "?part=late"), page("revenue", "?days=365&part=net")]
    for number in range(10001, 10004):
        make_customer(str(number), version, delinquent=True)
    few = [queries_for(client, url) for url in urls]
    for number in range(10004, 10013):
        make_customer(str(number), version, delinquent=True)
    assert [queries_for(client, url) for url in urls] == few


def test_the_sidebar_marks_the_entry_of_the_page_and_no_other() -> None:
    client = staff_client()
    for name, title in (
        ("admin:delinquency_reportsubscription_ageing", "Ageing"),
        ("admin:delinquency_reportsubscription_changelist", "Reports by e-mail"),
        ("admin:accounts_account_changelist", "Accounts"),
        ("admin:index", "Home"),
    ):
        groups = client.get(reverse(name)).context["sidebar_navigation"]
        marked = [str(entry["title"]) for group in groups for entry in group["items"] if entry["active"]]
        assert marked == [title]
