"""Lists as files: exactly what is looked at, safe in spreadsheets, logged, and never more than one may see."""

import csv
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from openpyxl import load_workbook

from accounts import exports
from accounts.admin.exporting import make_file
from accounts.models import DataExport
from billing_project.kernel import clock, sheets
from tests.backoffice import make_customer, make_everything, make_invoice, make_version
from tests.factories import instant, make_account, make_contact, make_staff, make_status

pytestmark = pytest.mark.django_db
ACCOUNTS = "admin:accounts_account_export"


@pytest.fixture(autouse=True)
def noon(settings: Any, tmp_path: Path) -> Iterator[None]:
    """Let it be noon on 10 March 2026 in New York, and large files lie in a folder of their own."""
    settings.EXPORT_ROOT = tmp_path / "exports"
    with clock.at(instant("2026-03-10 12:00")):
        yield


def browser(*permissions: str, role: str = "", **fields: Any) -> Client:
    client = Client()
    user = make_staff("filer", *permissions, **fields)
    if role:
        user.groups.add(Group.objects.get(name=role))
    client.force_login(user)
    return client


def content(answer: Any) -> bytes:
    assert answer.status_code == 200, answer.status_code
    return b"".join(answer.streaming_content)


def lines(answer: Any) -> list[list[str]]:
    return list(csv.reader(StringIO(content(answer).decode("utf-8-sig"))))


def cells(answer: Any) -> list[tuple[Any, ...]]:
    sheet = load_workbook(BytesIO(content(answer))).active
    assert sheet is not None
    return [tuple(cell.value for cell in row) for row in sheet.iter_rows()]


# --- The file itself -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["=1+1", "+1555", "-2", "@SUM(A1)", "\tx", "\rx", "\0x", "＝1", " =1"])
def test_no_text_is_a_formula_in_either_kind_of_file(text: str) -> None:
    rows = [[text, Decimal("-12.50"), date(2026, 1, 2), datetime(2026, 1, 2, 13, 30), "00012345678901234567", 7]]
    made = b"".join(sheets.csv_pieces(["=head"], rows)).decode("utf-8-sig")
    read = list(csv.reader(StringIO(made, newline="")))
    assert read[0][0].startswith("'=")
    assert read[1][0].startswith("'")
    assert read[1][1:] == ["-12.50", "2026-01-02", "2026-01-02 13:30", "'00012345678901234567", "7"]
    sheet = load_workbook(BytesIO(b"".join(sheets.xlsx_pieces(["=head"], rows)))).active
    assert sheet is not None
    assert str(sheet["A2"].value).startswith("'")
    assert sheet["A2"].data_type == "s"
    assert (sheet["B2"].value, sheet["B2"].data_type) == (-12.5, "n")
    assert sheet["C2"].value == datetime(2026, 1, 2)
    assert sheet["D2"].value == datetime(2026, 1, 2, 13, 30)
    assert (sheet["E2"].value, sheet["F2"].value) == ("00012345678901234567", 7)


def test_a_file_of_a_hundred_thousand_rows_is_made_in_small_pieces() -> None:
    sizes = [len(piece) for piece in sheets.xlsx_pieces(["a", "b"], (["x" * 20, n] for n in range(100_000)))]
    assert len(sizes) > 3
    assert max(sizes) < 1_000_000


def test_signs_that_no_file_may_hold_are_left_out() -> None:
    rows = [["a\x01b\ud800<&>"]]
    sheet = load_workbook(BytesIO(b"".join(sheets.xlsx_pieces(["x"], rows)))).active
    assert sheet is not None
    assert sheet["A2"].value == "a b <&>"
    assert b"a\x01b?<&>" in b"".join(sheets.csv_pieces(["x"], rows))


# --- A list as a file --------------------------------------------------------------------------------------------


def test_every_list_makes_a_file_of_every_column() -> None:
    make_everything()
    client = browser(is_superuser=True)
    broken = []
    for model in admin.site._registry:
        desk = admin.site._registry[model]
        if not hasattr(desk, "export_view"):
            continue
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        page = client.get(reverse(f"{name}_export"))
        if page.status_code != 200:
            broken.append(f"{name}: page {page.status_code}")
            continue
        chosen = [column.name for column in page.context["columns"]]
        found = lines(client.post(reverse(f"{name}_export"), {"kind": "csv", "columns": chosen}))
        shown = client.get(reverse(f"{name}_changelist")).context
        listed = shown["cl"].result_count if "cl" in shown else model._default_manager.count()
        if len(found) != listed + 1:
            broken.append(f"{name}: {len(found) - 1} of {listed} rows")
        if any("</a>" in cell or "</span>" in cell for row in found for cell in row):
            broken.append(f"{name}: marks of the page are in the file")
    assert broken == []


def test_the_file_has_the_filter_search_order_and_columns_of_the_list() -> None:
    gone = make_status("Gone", activates=False)
    for number, status in (("30001", None), ("30002", gone), ("30003", gone), ("40001", gone)):
        make_account(number=number, **({"status": status} if status else {}))
    client = browser(is_superuser=True)
    query = f"?status__id__exact={gone.pk}&q=300&o=-1"
    listed = client.get(reverse("admin:accounts_account_changelist") + query).context["cl"]
    answer = client.post(reverse(ACCOUNTS) + query, {"kind": "csv"})
    found = lines(answer)
    assert [row[0] for row in found[1:]] == [row.number for row in listed.result_list] == ["30003", "30002"]
    assert "accounts-300-status-gone-2026-03-10.csv" in answer["Content-Disposition"]
    log = DataExport.objects.get()
    assert (log.title, log.filter_words, log.rows_done, log.state) == (
        "accounts", "“300”; status: Gone", 2, "handed_over",
    )  # fmt: skip
    assert str(log.asked_by) == "filer"


def test_numbers_days_and_times_are_typed() -> None:
    make_customer("30001", make_version())
    client = browser(is_superuser=True)
    found = cells(client.post(reverse("admin:invoicing_invoice_export"), {"kind": "xlsx"}))
    row = dict(zip(found[0], found[1], strict=True))
    assert row["currency"] == "USD"
    assert {type(value) for value in row.values()} & {int, float}
    assert any(isinstance(value, datetime) for value in row.values())
    assert row["number"] == "A-30001"


def test_contact_data_goes_out_only_where_the_role_allows_it() -> None:
    make_contact(make_account(number="30001", address="1 Main St"), email="=ann@customer.example")
    for role, allowed in (("Support", False), ("Billing clerks", True), ("Auditors", True)):
        client = browser(role=role)
        page = client.get(reverse(ACCOUNTS))
        assert (b"contacts-help" in page.content) is allowed, role
        answer = client.post(reverse(ACCOUNTS), {"kind": "csv", "contacts": "1"})
        assert answer.status_code == (200 if allowed else 403), role
        if allowed:
            assert lines(answer)[1][-4:] == ["Ann Example", "'=ann@customer.example", "'+15550100123", "1 Main St"]
            assert DataExport.objects.latest("pk").with_contacts
        people = client.post(reverse("admin:accounts_contact_export"), {"kind": "csv"})
        assert people.status_code == (200 if allowed else 403), role
        Group.objects.get(name=role).user_set.all().delete()


def test_nobody_makes_files_without_the_permission_or_of_lists_one_may_not_see() -> None:
    client = browser("view_account")
    listed = reverse("admin:accounts_account_changelist")
    assert b"Export CSV" not in client.get(listed).content
    assert client.post(reverse(ACCOUNTS), {"kind": "csv"}).status_code == 403
    other = Client()
    other.force_login(make_staff("other", "export_data"))
    assert other.post(reverse(ACCOUNTS), {"kind": "csv"}).status_code == 403
    assert DataExport.objects.count() == 0


def test_secrets_are_no_columns_whoever_asks() -> None:
    client = browser(is_superuser=True)
    for name in ("accounts_user", "netenforce_device", "accounts_fundingsource", "accounts_notice"):
        columns = {one.name for one in client.get(reverse(f"admin:{name}_export")).context["columns"]}
        assert not {name for name in columns if "password" in name or "token" in name or "body" in name}, name


def test_an_unknown_filter_makes_no_file() -> None:
    client = browser(is_superuser=True)
    answer = client.post(reverse(ACCOUNTS) + "?nonsense__exact=1", {"kind": "csv"})
    assert answer.status_code == 303
    assert DataExport.objects.count() == 0


def test_the_number_of_queries_does_not_grow_with_the_rows() -> None:
    version, client = make_version(), browser(is_superuser=True)

    def asked() -> int:
        with CaptureQueriesContext(connection) as found:
            for name in ("accounts_account", "invoicing_invoice", "delinquency_standing", "invoicing_payment"):
                lines(client.post(reverse(f"admin:{name}_export"), {"kind": "csv", "contacts": "1"}))
        return len(found)

    for number in range(30001, 30004):
        make_customer(str(number), version)
    asked()
    few = asked()
    for number in range(30004, 30013):
        make_invoice(make_customer(str(number), version), f"B-{number}")
    assert asked() == few


# --- Large files -------------------------------------------------------------------------------------------------


def test_a_large_list_is_made_by_a_task_and_fetched_by_its_asker_for_a_week(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exports, "DIRECT_MAX", 2)
    for number in range(30001, 30005):
        make_contact(make_account(number=str(number)))
    client = browser(is_superuser=True)
    answer = client.post(reverse(ACCOUNTS) + "?q=3000", {"kind": "xlsx", "contacts": "1"})
    log = DataExport.objects.get()
    assert (answer.status_code, log.state, log.rows_total) == (303, "waiting", 4)
    assert b"being made" in client.get(answer["Location"]).content
    assert make_file(log.pk) == 4
    assert make_file(log.pk) == 0, "it is made once"
    log.refresh_from_db()
    assert (log.state, log.rows_done) == ("ready", 4)
    assert exports.path_of(log).stat().st_mode & 0o077 == 0, "nobody else on the machine reads it"
    fetch = reverse("admin:accounts_dataexport_file", args=[log.pk])
    assert b"Fetch" in client.get(answer["Location"]).content
    assert len(cells(client.get(fetch))) == 5
    other = Client()
    other.force_login(make_staff("other", is_superuser=True))
    assert other.get(fetch).status_code == 403, "only who asked fetches it"
    with clock.at(instant("2026-03-17 12:01")):
        assert exports.delete_old() == 1
    assert not exports.path_of(log).exists()
    assert client.get(fetch).status_code == 303


def test_a_task_makes_no_file_for_somebody_who_may_not_any_more() -> None:
    make_account()
    user = make_staff("reader", "view_account", "export_data")
    log = DataExport.objects.create(
        source="accounts.account", title="accounts", columns=["number"], state="waiting", asked_by=user,
        file_name="a.csv",
    )  # fmt: skip
    user.user_permissions.clear()
    assert make_file(log.pk) == 0
    log.refresh_from_db()
    assert log.state == "failed"
    assert "may not" in log.why


def test_a_download_that_breaks_off_is_noted() -> None:
    log = DataExport.objects.create(source="accounts.account", title="accounts", file_name="a.csv")
    handed = exports.counted(log, iter([b"a", b"b"]), lambda: 1)
    next(handed)
    handed.close()  # type: ignore[attr-defined]
    log.refresh_from_db()
    assert (log.state, log.rows_done) == ("broken_off", 1)
