"""Files in: what a bad file says, that all of it or nothing is imported, and that twice is once."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Account
from billing_project.kernel.command import BadArguments, explain
from billing_project.kernel.errors import Refused
from delinquency.imports import accounts, devices, funding_sources, invoices, payments, reader, report
from invoicing.models import LedgerEntry
from tests.csv_files import ACCOUNT, DEVICE, INVOICE, PAYMENT, SOURCE, Files, mistakes, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def write(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_bom_crlf_and_any_column_order_are_fine(write: Files) -> None:
    columns = list(reversed(ACCOUNT))
    text = "\ufeff" + ",".join(columns) + "\r\n" + ",".join(ACCOUNT[column] for column in columns) + "\r\n"

    found = accounts.import_accounts(write.text("accounts", text))

    assert (found.rows, found.created, found.problems) == (1, 1, [])
    assert Account.objects.get().number == "0017"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no CSV header"),
        ("number;account;issued_on;due_on;amount;description\n", "no CSV header"),
        ("number,account,issued_on,due_on,amount,description,colour,size\n", "unknown columns colour, size"),
        ("number,account,issued_on,due_on,amount,description,\n", "column 7 has no name"),
        ("number,account,issued_on,due_on,amount,description,amount\n", "amount more than once"),
        ("number,account,issued_on,due_on\n", "missing columns amount, description"),
        ('"number,account\n', "not CSV"),
    ],
)
def test_a_header_that_is_not_one_of_such_a_file_is_a_bad_argument(write: Files, text: str, said: str) -> None:
    with pytest.raises(BadArguments, match=said) as caught:
        invoices.import_invoices(write.text("invoices", text))
    assert explain(caught.value)[2] == 2
    assert "\n" not in caught.value.words


def test_a_missing_file_is_a_bad_argument_and_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "manage.py", "import_accounts", str(tmp_path / "none.csv")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "none.csv: No such file" in done.stderr


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(b"number,account,issued_on,due_on,amount,description\n1,2,3,4,5,caf\xe9\n")
    with pytest.raises(Refused, match="line 2 is not UTF-8"):
        invoices.import_invoices(str(path))


def test_a_file_that_is_too_large_is_refused(write: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "FILE_BYTES_MAX", 100)
    with pytest.raises(Refused, match="larger than 100 bytes"):
        invoices.import_invoices(write("invoices", INVOICE, INVOICE))


def test_rows_that_cannot_be_read_are_named_by_the_line_they_begin_in(write: Files) -> None:
    head = "number,account,issued_on,due_on,amount,description\n"
    rows = (
        'A-1,0017,2026-01-01,2026-01-16,1.00,"two\nlines"\n'  # lines 2 and 3; the account is unknown
        "A-2,0017,2026-01-01\n"  # line 4
        "A-3,0017,2026-01-01,2026-01-16,1.00,x,y\n"  # line 5
        '"A-4"x,0017,2026-01-01,2026-01-16,1.00,x\n'  # line 6
        "\n"  # line 7 is blank and skipped
        "A-\x005,0017,2026-01-01,2026-01-16,1.00,x\n"  # line 8
        f"A-6,0017,2026-01-01,2026-01-16,1.00,{'x' * 65_537}\n"  # line 9
    )

    found = invoices.import_invoices(write.text("invoices", head + rows))

    said = {problem.line: problem.message for problem in reversed(found.problems)}
    assert sorted(said) == [2, 4, 5, 6, 8, 9]
    assert "3 cells" in said[4]
    assert "7 cells" in said[5]
    assert "not CSV" in said[6]
    assert "NUL byte" in said[8]
    assert "65536 bytes" in said[9]
    assert found.rows == 6


def test_a_quote_that_is_never_closed_is_one_mistake(write: Files) -> None:
    head = "number,account,issued_on,due_on,amount,description\n"
    found = invoices.import_invoices(write.text("invoices", f'{head}"A-1,0017\n' + "x,y\n" * 60_000))
    assert mistakes(found) == [(2, None)]
    assert "never closed" in found.problems[0].message


def test_ten_thousand_bad_rows_are_a_thousand_lines_and_a_count(write: Files) -> None:
    rows = [INVOICE | {"number": f"A-{place}", "amount": "-1", "account": "0017"} for place in range(10_000)]
    accounts.import_accounts(write("accounts", ACCOUNT))

    code, out, err = run("import_invoices", write("invoices", *rows))

    lines = err.strip().splitlines()
    assert (code, out, len(lines)) == (1, "", 1001)
    assert lines[0] == "invoices.csv: line 2, amount '-1': is negative; write a positive number."
    assert "10000 of 10000 rows" in lines[-1]
    assert "9000 more" in lines[-1]


# --- All or nothing, and twice is once ---


def test_one_bad_row_keeps_all_others_out_and_json_names_it(write: Files) -> None:
    bad = ACCOUNT | {"number": "0018", "status": "Asleep", "timezone": "Mars/Olympus", "bill_day": "32"}

    code, out, err = run("import_accounts", write("accounts", ACCOUNT, bad), json=True)

    answer = json.loads(out)
    assert code == 1
    assert not Account.objects.exists()
    assert [answer[key] for key in ("file", "rows", "created", "updated", "unchanged", "dry_run")] == [
        "accounts.csv", 2, 0, 0, 0, False,
    ]  # fmt: skip
    assert [(error["line"], error["column"], error["value"]) for error in answer["errors"]] == [
        (3, "status", "Asleep"), (3, "timezone", "Mars/Olympus"), (3, "bill_day", "32"),
    ]  # fmt: skip
    assert "Active, Delinquent, Inactive or Vacation" in answer["errors"][0]["message"]
    assert len(err.strip().splitlines()) == 4


def test_a_dry_run_says_what_would_be_and_writes_nothing(write: Files) -> None:
    code, out, _ = run("import_accounts", write("accounts", ACCOUNT), dry_run=True)
    assert code == 0
    assert "1 account would be imported (1 created, 0 updated, 0 unchanged); nothing was written" in out
    assert not Account.objects.exists()


def test_each_file_twice_is_once_and_the_second_time_says_so(write: Files) -> None:
    files = {
        "import_devices": write("devices", DEVICE),
        "import_accounts": write(
            "accounts", ACCOUNT | {"ipv4": "100.64.0.7", "device": "north", "monthly_charge": "40"}
        ),
        "import_invoices": write("invoices", INVOICE),
        "import_payments": write(
            "payments", PAYMENT | {"invoice": "0001", "method": "cash", "reversed_on": "2026-01-29"}
        ),
        "import_funding_sources": write("sources", SOURCE),
    }
    for name, path in files.items():
        code, out, _ = run(name, path, json=True)
        assert (code, json.loads(out)["created"]) == (0, 1), name
    entries = LedgerEntry.objects.count()
    for name, path in files.items():
        code, out, _ = run(name, path)
        assert code == 0
        assert "nothing changed: 1 " in out, name
    assert LedgerEntry.objects.count() == entries


def test_an_import_beside_another_is_refused(write: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "try_advisory_lock", lambda key: False)
    with pytest.raises(Refused, match="Another import is running"):
        accounts.import_accounts(write("accounts", ACCOUNT))


# --- Anything at all ---

_CELLS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["0017", "0001", "2026-01-01", "10.00", "-1", "", '"', "=1+1", "\x00", "Active", "Sonar example"]),
)
_IMPORTS = {
    accounts.import_accounts: (*accounts.REQUIRED, *accounts.OPTIONAL),
    invoices.import_invoices: invoices.REQUIRED,
    payments.import_payments: (*payments.REQUIRED, *payments.OPTIONAL),
    devices.import_devices: devices.REQUIRED,
    funding_sources.import_funding_sources: funding_sources.REQUIRED,
}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_file_makes_an_import_fall_over(tmp_path: Path, data: st.DataObject) -> None:
    run_import = data.draw(st.sampled_from(list(_IMPORTS)))
    width = len(_IMPORTS[run_import])
    rows = data.draw(st.lists(st.lists(_CELLS, min_size=width - 1, max_size=width + 1), max_size=6))
    raw = data.draw(st.booleans())
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_MINIMAL)
    lines = [",".join(row) for row in rows] if raw else []
    if not raw:
        writer.writerows([cell.replace("\x00", "") for cell in row] for row in rows)
    path = tmp_path / "any.csv"
    body = "\n".join(lines) if raw else text.getvalue()
    path.write_bytes((",".join(_IMPORTS[run_import]) + "\n" + body).encode("utf-8", "surrogatepass"))
    try:
        said = [problem.words("any.csv") for problem in run_import(str(path), dry_run=True).problems]
    except Refused as refused:
        said = [refused.words]
    assert all("\n" not in words for words in said)
