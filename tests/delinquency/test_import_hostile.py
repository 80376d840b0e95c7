"""Hostile files (T34, SEC-09): no traceback, nothing half imported, each bad row named; and there and back is nothing.

`IMPORT_FUZZ_ROWS=10000` runs the long form.
"""

import csv
import io
import os
import random

import pytest

from accounts.models import Account
from delinquency.imports import desk
from delinquency.imports.columns import Choice, guess
from delinquency.imports.files import BYTES_MAX
from delinquency.models import ImportFile
from invoicing.models import Invoice, Payment
from tests.csv_files import ACCOUNT, INVOICE, PAYMENT

pytestmark = pytest.mark.django_db

ROWS = int(os.environ.get("IMPORT_FUZZ_ROWS", "400"))
GOOD = {"accounts": ACCOUNT, "invoices": INVOICE, "payments": PAYMENT}
KEYS = {"accounts": "number", "invoices": "number", "payments": "reference"}
NASTY = (
    "", " ", "=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x.example","x")', "\t=1", "'", '"', '""', '"a', "\x00",
    "a\x00b", "\x1b[31m", "02/03/04", "31/02/2026", "2026-02-30", "0000-00-00", "9999-99-99", "1e9", "NaN", "Infinity",
    "1,234", "1.234.567", "-0", "00000000000000000000000000000000000000000000001", "9" * 400, "é" * 300,
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "\u202eabc", "<script>alert(1)</script>",
    "{{ 7*7 }}", "%s%n", "' OR 1=1 --", "4111 1111 1111 1111", "line\nbreak", "line\rbreak", "a,b", "a;b", "🙂" * 50,
    "100.64.0.0/1", "::1", "America/Nowhere", "٣", "²",
)  # fmt: skip


def hostile(kind: str, seed: int) -> bytes:
    """Return a file in which most rows have something nasty in some cell, and some rows are torn."""
    rng = random.Random(seed)
    good, out = GOOD[kind], io.StringIO()
    writer = csv.writer(out)
    writer.writerow(good)
    for number in range(ROWS):
        cells = {**good, KEYS[kind]: f"K{rng.randrange(ROWS)}"}
        for _ in range(rng.randrange(3)):
            cells[rng.choice(list(cells))] = rng.choice(NASTY)
        row = list(cells.values())
        if number % 250 == 3:
            row[0] = "x" * 70_000
        elif number % 50 == 7:
            row = row[: rng.randrange(len(row))] or ["x"]
        elif number % 50 == 9:
            row += ["too", "many"]
        elif number % 100 == 11:
            out.write('"never closed\n' if rng.random() < 0.1 else 'a"b",c\n')
        writer.writerow(row)
    return out.getvalue().encode()


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_hostile_file_is_named_row_by_row_and_nothing_of_it_is_imported(
    kind: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "AT_ONCE_BYTES", BYTES_MAX)
    seed = sum(kind.encode()) + len(encoding)
    content = hostile(kind, seed)
    if encoding == "cp1252":
        content = content.decode("utf-8").encode("cp1252", "replace") + b"K-last,\xe9\x8f\n"
    file = desk.take_in(kind=kind, source="ours", name="=evil.csv", content=content)
    if encoding == "cp1252":
        assert file.encoding == ""
        file = desk.read_as(file, encoding="iso-8859-1", delimiter=",")
    file = desk.check(file, Choice.read(file.mapping))

    assert (file.state, file.words) == ("checked", "")
    assert file.wrong > 0
    assert file.rows_total > ROWS * 0.9
    assert file.created + file.updated + file.unchanged + file.wrong == file.rows_total
    named = set(file.problems.values_list("line", flat=True))
    assert len(named) == file.wrong
    assert all(message and "Traceback" not in message for message in file.problems.values_list("message", flat=True))
    assert not file.problems.filter(value__contains="4111").exists()
    with pytest.raises(desk.Refused, match="mend them"):
        desk.apply(file)
    assert (Account.objects.count(), Invoice.objects.count(), Payment.objects.count()) == (0, 0, 0)


@pytest.mark.parametrize("seed", range(25))
def test_no_bytes_at_all_break_the_reading(seed: int) -> None:
    rng = random.Random(seed)
    head = rng.choice([b"", b"PK\x03\x04", b"\xff\xfe", b"\xef\xbb\xbf", b"number,name\n", b'"', b"\x00"])
    content = head + rng.randbytes(rng.randrange(1, 3000))
    for encoding in ("", "utf-8", "utf-16", "cp1252", "iso-8859-1", "xlsx"):
        try:
            file = desk.take_in(kind="accounts", source="ours", name="x", content=content)
            if encoding:
                file = desk.read_as(file, encoding=encoding, delimiter=rng.choice(",;\t|"))
            desk.drop(file)
        except desk.Refused as refusal:
            assert refusal.words  # noqa: PT017 - what is refused is said in words
            ImportFile.objects.all().delete()


def test_a_cell_of_a_megabyte_spoils_its_own_row_only() -> None:
    rows = [",".join(ACCOUNT), ",".join((ACCOUNT | {"name": "x" * 1_000_000}).values())]
    rows += [",".join((ACCOUNT | {"number": f"K{n}"}).values()) for n in range(3)]
    file = desk.take_in(kind="accounts", source="ours", name="a.csv", content="\n".join(rows).encode())
    desk.check(file, guess("accounts", file.headers))
    desk.work_on_all()
    file.refresh_from_db()
    assert (file.created, list(file.problems.values_list("line", "message"))) == (
        3, [(2, "has more than 65,536 bytes; shorten it.")],
    )  # fmt: skip


def test_what_was_written_out_and_comes_in_again_changes_nothing() -> None:
    accounts = [
        ACCOUNT | {"number": f"00{n}", "name": name} for n, name in enumerate(("Ann", "=Ann", "'Ann", "-1", "A\tB"[:1]))
    ]
    texts = {
        "accounts": accounts,
        "invoices": [INVOICE | {"account": "000", "number": f"-{n}", "description": "+1 month"} for n in range(3)],
        "payments": [PAYMENT | {"account": "000", "reference": f"@{n}"} for n in range(3)],
    }
    for kind, rows in texts.items():
        for round_ in ("in", "again"):
            out = io.StringIO()
            writer = csv.writer(out)
            writer.writerow(rows[0])
            for row in rows:
                writer.writerow(
                    [f"'{cell}" if cell[:1] in tuple("=+-@") and cell[:1] else cell for cell in row.values()]
                )
            content = (out.getvalue() + ("\n" if round_ == "again" else "")).encode()
            file = desk.take_in(kind=kind, source="ours", name="a.csv", content=content)
            file = desk.check(file, Choice.read(file.mapping))
            assert file.wrong == 0, list(file.problems.values_list("line", "column", "message"))
            if round_ == "in":
                assert desk.apply(file).created == len(rows)
            else:
                assert (file.created, file.updated, file.unchanged) == (0, 0, len(rows))
    assert Account.objects.filter(name="=Ann").exists()
