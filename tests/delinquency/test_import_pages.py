"""Imports in the back office: columns chosen and remembered, each wrong row named, imported once or not at all."""

import io
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from openpyxl import Workbook

from accounts.models import Account, User
from billing_project.kernel import clock
from delinquency.imports import desk, files
from delinquency.models import GraceGrant, ImportFile, ImportMapping
from delinquency.roles import ensure_roles
from invoicing.models import Invoice, Payment
from netenforce.models import Hold
from tests.backoffice import queries_for, staff_client
from tests.csv_files import ACCOUNT, INVOICE

pytestmark = pytest.mark.django_db

THEIRS = "Client No;Full name;State;Mail;Total;Invoice date;Due\n"
ACCOUNTS = ",".join(ACCOUNT) + "\n" + ",".join(ACCOUNT.values()) + "\n"
Upload = Callable[..., ImportFile]


@pytest.fixture
def client() -> Client:
    return staff_client()


@pytest.fixture
def upload(client: Client) -> Upload:
    def upload(text: str | bytes, kind: str = "accounts", source: str = "ours", name: str = "a.csv") -> ImportFile:
        content = text.encode() if isinstance(text, str) else text
        answer = client.post(
            reverse("admin:delinquency_importfile_upload"),
            {"kind": kind, "source": source, "file": SimpleUploadedFile(name, content)},
        )
        assert answer.status_code == 303, answer.content.decode()
        return ImportFile.objects.latest("pk")

    return upload


def check(client: Client, file: ImportFile, **chosen: Any) -> ImportFile:
    """Press “Check the file” with the columns as they are offered, and some changed."""
    url = reverse("admin:delinquency_importfile_columns", args=[file.pk])
    form = client.get(url).context["form"]
    data = {name: value for name in form.fields if (value := form[name].value()) not in (None, False)}
    answer = client.post(url, {"check": "1", **data, **chosen})
    assert answer.status_code == 303, answer.context["form"].errors
    file.refresh_from_db()
    return file


def apply(client: Client, file: ImportFile) -> str:
    """Press “Import”, and return the page that follows."""
    url = reverse("admin:delinquency_importfile_change", args=[file.pk])
    answer = client.post(url, {"apply": "1"}, follow=True)
    file.refresh_from_db()
    return answer.content.decode()


def test_a_file_is_checked_then_imported_and_the_same_file_changes_nothing(client: Client, upload: Upload) -> None:
    file = check(client, upload(ACCOUNTS))
    assert (file.state, file.created, file.wrong) == ("checked", 1, 0)
    assert not Account.objects.exists()
    page = client.get(reverse("admin:delinquency_importfile_change", args=[file.pk])).content.decode()
    assert "Import 1 row" in page
    assert "Ann Example" in page

    assert "Imported by boss" in apply(client, file)
    assert Account.objects.get().number == "0017"

    again = check(client, upload(ACCOUNTS))
    page = client.get(reverse("admin:delinquency_importfile_change", args=[again.pk])).content.decode()
    assert "Nothing to change" in page
    assert "This very file was imported on" in page
    apply(client, again)
    assert again.state == "checked"
    assert Account.objects.count() == 1


def test_columns_of_other_names_are_chosen_once_and_remembered(client: Client, upload: Upload) -> None:
    text = "Client No;Full name;Condition;Mail\n0017;Ann Example;On;ann@customer.example\n"
    file = upload(text, source="old system")
    assert file.delimiter == ";"
    chosen = {
        "number-c0": "Client No", "status-c0": "Condition", "status-words": "On = Active", "email-c0": "Mail",
        "billing_default-fixed": "Sonar example", "bill_day-fixed": "1", "contact_name-c0": "Full name",
        "name-c0": "Full name",
    }  # fmt: skip
    file = check(client, file, **chosen)
    assert (file.created, file.wrong) == (1, 0), list(file.problems.values_list("line", "message"))
    apply(client, file)
    assert Account.objects.get().status.name == "Active"

    second = upload(text.replace("0017", "0018"), source="old system")
    assert check(client, second).created == 1
    assert ImportMapping.objects.get().source == "old system"
    assert second.mapping == file.mapping


def test_a_row_with_a_mistake_stops_the_whole_file_and_is_named(client: Client, upload: Upload) -> None:
    rows = [ACCOUNT, ACCOUNT | {"number": "0018", "status": "Gone"}, ACCOUNT | {"number": "0019", "email": "=1+1"}]
    file = check(client, upload(",".join(ACCOUNT) + "\n" + "\n".join(",".join(row.values()) for row in rows)))

    assert (file.rows_total, file.created, file.wrong) == (3, 1, 2)
    assert list(file.problems.values_list("line", "column", "value")) == [(3, "status", "Gone"), (4, "email", "=1+1")]
    page = apply(client, file)
    assert "mend them in the file" in page
    assert "Choose the columns" not in page
    assert not Account.objects.exists()

    answer = client.get(reverse("admin:delinquency_importfile_failed", args=[file.pk]))
    wrong = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert wrong[0] == ",".join([*ACCOUNT, "line", "what is wrong"])
    assert len(wrong) == 3
    assert ',3,"status is no account status; use Active' in wrong[1]
    assert ",'=1+1," in wrong[2]

    mended = check(client, upload("\n".join([wrong[0], wrong[1].replace("Gone", "Active")])))
    assert (mended.created, mended.wrong, mended.preview[0][1]["phone"]) == (1, 0, "+15550100123")


def test_a_date_that_can_be_two_days_is_refused_until_the_order_is_chosen(client: Client, upload: Upload) -> None:
    apply(client, check(client, upload(ACCOUNTS)))
    text = 'number,account,issued_on,due_on,amount,description\n7,0017,02/03/2026,17/03/2026,"1.234,50",March\n'
    file = check(client, upload(text, "invoices"))
    assert [(one.column, one.message) for one in file.problems.all()] == [
        ("issued_on", "can be 3 February 2026 or 2 March 2026; choose the order of day, month and year for this file.")
    ]

    file = check(client, file, date_order="dmy")
    assert (file.created, file.wrong) == (1, 0)
    apply(client, file)
    invoice = Invoice.objects.get()
    assert (invoice.issued_on.isoformat(), invoice.amount) == ("2026-03-02", Decimal("1234.50"))


def test_a_workbook_is_read_as_text_and_its_formulas_are_refused(client: Client, upload: Upload) -> None:
    apply(client, check(client, upload(ACCOUNTS)))
    book = Workbook()
    sheet = book.active
    sheet.append(list(INVOICE))
    sheet.append(["0001", "0017", clock.today("UTC"), clock.today("UTC"), 86.8, "January"])
    sheet.append(["0002", "0017", "2026-01-01", "2026-01-16", "=1+1", "February"])
    out = io.BytesIO()
    book.save(out)
    file = check(client, upload(out.getvalue(), "invoices", name="a.xlsx"))
    assert [(one.line, one.message) for one in file.problems.all()] == [
        (3, "has a formula in cell E3; copy it and paste its value.")
    ]
    assert file.created == 1
    assert file.preview[0][1]["amount"] == "86.8"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\xd0\xcf\x11\xe0xx", "old Excel file"),
        (b"PK\x03\x04torn", "torn"),
        (b"number,number\n1,2\n", "more than once"),
        (b"number,name\n", "no row"),
    ],
)
def test_a_file_of_no_use_is_refused_in_words(client: Client, content: bytes, words: str) -> None:
    answer = client.post(
        reverse("admin:delinquency_importfile_upload"),
        {"kind": "accounts", "source": "ours", "file": SimpleUploadedFile("a.csv", content)},
    )
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert not ImportFile.objects.exists()


def test_a_workbook_that_unpacks_to_more_than_it_looks_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    book = Workbook()
    out = io.BytesIO()
    book.save(out)
    files.check_upload(out.getvalue())
    monkeypatch.setattr(files, "UNPACKED_BYTES_MAX", 100)
    with pytest.raises(files.Refused, match="far larger unpacked"):
        files.check_upload(out.getvalue())


def test_a_file_in_another_encoding_is_read_once_that_is_chosen(client: Client, upload: Upload) -> None:
    file = upload(ACCOUNTS.replace("Ann Example", "Zoë Exämple").encode("cp1252"))
    assert file.encoding == ""
    url = reverse("admin:delinquency_importfile_columns", args=[file.pk])
    assert "not UTF-8" in client.get(url).content.decode()
    client.post(url, {"read_as": "1", "encoding": "cp1252", "delimiter": ","})
    file.refresh_from_db()
    apply(client, check(client, file))
    assert Account.objects.get().name == "Zoë Exämple"


def test_a_large_file_waits_for_a_worker_and_is_taken_up_once(
    client: Client, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "AT_ONCE_BYTES", 1)
    file = check(client, upload(ACCOUNTS))
    assert file.state == "checking"
    page = client.get(reverse("admin:delinquency_importfile_change", args=[file.pk]))
    assert "Being checked" in page.content.decode()
    assert page.headers["Refresh"].startswith("3")
    assert desk.work_on_all() == 1
    apply(client, file)
    assert file.state == "applying"
    assert not Account.objects.exists()
    assert (desk.work_on(file.pk), desk.work_on(file.pk)) == ("applied", "")
    assert Account.objects.count() == 1


def test_what_was_checked_is_imported_and_nothing_else(client: Client, upload: Upload) -> None:
    file = check(client, upload(ACCOUNTS))
    ImportFile.objects.filter(pk=file.pk).update(content=ACCOUNTS.replace("0017", "0099").encode(), sha256="f" * 64)
    assert "not the one that was checked" in apply(client, file)
    assert file.state == "failed"
    assert not Account.objects.exists()


def test_contents_are_deleted_after_thirty_days_and_what_came_of_them_is_kept(client: Client, upload: Upload) -> None:
    file, waiting = check(client, upload(ACCOUNTS)), upload(ACCOUNTS.replace("0017", "0018"))
    apply(client, file)
    with clock.at(clock.now() + timedelta(days=31)):
        desk.work_on_all()
    file.refresh_from_db()
    waiting.refresh_from_db()
    assert (file.content, file.created, file.state, waiting.state) == (None, 1, "applied", "dropped")
    assert client.get(reverse("admin:delinquency_importfile_change", args=[file.pk])).status_code == 200


def test_holds_give_more_time_and_restrict_until_a_day(client: Client, upload: Upload) -> None:
    two = ACCOUNTS + ",".join((ACCOUNT | {"number": "0018"}).values()) + "\n"
    apply(client, check(client, upload(two)))
    day = (clock.today("America/New_York") + timedelta(days=9)).isoformat()
    text = f"account,until,reason,kind,level\n0017,{day},Storm,,\n0018,{day},Spam,abuse,throttle\n"
    file = check(client, upload(text, "holds"))
    assert (file.created, file.wrong) == (2, 0), list(file.problems.values_list("message", flat=True))
    assert not GraceGrant.objects.exists()
    apply(client, file)
    assert GraceGrant.objects.get().until_on.isoformat() == day
    assert (Hold.objects.get().cause, Hold.objects.get().level) == ("abuse", "throttle")
    again = check(client, upload(text, "holds"))
    assert (again.created, again.unchanged) == (0, 2)
    past = check(client, upload("account,until,reason\n0017,2020-01-01,Late\n", "holds"))
    assert "is not after today" in past.problems.get().message


def test_clerks_import_payments_managers_everything_auditors_nothing(client: Client, upload: Upload) -> None:
    ensure_roles()
    apply(client, check(client, upload(ACCOUNTS)))
    file = upload("reference,account,received,amount\nP-1,0017,2026-01-24,40\n", "payments")
    accounts = upload(ACCOUNTS.replace("0017", "0018"))
    upload_url = reverse("admin:delinquency_importfile_upload")
    found = {}
    for role in ("Billing managers", "Billing clerks", "Support", "Auditors"):
        user = User.objects.create_user(role, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        someone = Client()
        someone.force_login(user)
        page = someone.get(upload_url)
        kinds = [value for value, _ in page.context["form"].fields["kind"].choices] if page.status_code == 200 else []
        pages = [
            someone.get(reverse(f"admin:delinquency_importfile_{name}", args=[one.pk])).status_code
            for one in (file, accounts) for name in ("columns", "failed", "change")
        ]  # fmt: skip
        posted = someone.post(reverse("admin:delinquency_importfile_change", args=[accounts.pk]), {"apply": "1"})
        found[role] = (kinds, pages, posted.status_code)
    assert found["Billing clerks"] == (["payments"], [200, 200, 200, 403, 403, 200], 403)
    assert found["Support"] == found["Auditors"] == ([], [403, 403, 200, 403, 403, 200], 403)
    everything = ["accounts", "services", "invoices", "payments", "funding_sources", "holds", "old_states"]
    assert found["Billing managers"][0] == everything
    assert Payment.objects.count() == 0


def test_the_list_asks_as_often_for_twelve_files_as_for_three(client: Client, upload: Upload) -> None:
    url = reverse("admin:delinquency_importfile_changelist")
    for number in range(3):
        upload(ACCOUNTS.replace("0017", f"1{number}"))
    three = queries_for(client, url)
    for number in range(9):
        upload(ACCOUNTS.replace("0017", f"2{number}"))
    assert queries_for(client, url) == three
