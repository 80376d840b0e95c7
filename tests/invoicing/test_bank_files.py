"""Bank files: looked at, corrected, recorded once, and returns with their reasons (K9, A23)."""

from decimal import Decimal

import pytest

from accounts.models import Account
from billing_project.kernel.errors import Refused, StaleState
from invoicing.models import BankFile, BankFileRow, Invoice, Payment
from invoicing.operations import bank_files
from invoicing.operations.payments import record_payment
from invoicing.rules import bank_file as rules
from tests.factories import instant, make_account, make_source
from tests.invoicing.desk import balance, make_teller
from tests.invoicing.helpers import assert_books_balance
from tests.invoicing.test_payments import invoice

pytestmark = pytest.mark.django_db
HEAD = "reference,account,received,amount,payer,invoice"


@pytest.fixture
def account() -> Account:
    account = make_account(number="10001", name="Ann Example")
    invoice(account, "A", "100.00", "2026-01-01", "2026-01-16")
    return account


def upload(*lines: str, head: str = HEAD, kind: str = "transfers") -> BankFile:
    return bank_files.take_in(kind=kind, name="bank.csv", content="\n".join([head, *lines]).encode())


def rows(file: BankFile) -> list[BankFileRow]:
    return list(file.rows.order_by("line"))


def test_uploading_records_nothing_and_says_what_is_wrong_with_each_row(account: Account) -> None:
    record_payment(account=account, reference="K-1", amount=Decimal("5.00"), received_at=instant("2026-01-05 10:00"))
    file = upload(
        "B-1,10001,2026-02-01,40.00,,A", "K-1,10001,2026-01-05,5.00,,", "K-1,10001,2026-01-05,6.00,,",
        "B-3,99999,2026-02-01,95.00,Ann Example,", "B-4,10001,soon,-3,,Z", "B-1,10001,2026-02-01,1.00,,",
    )  # fmt: skip
    found = rows(file)
    assert [row.finding for row in found] == ["fine", "known", "check", "check", "check", "check"]
    assert "is recorded with other content" not in found[1].words
    assert set(found[4].wrong) == {"received", "amount", "invoice"}
    assert "in line 2 already" in found[5].wrong["reference"]
    assert found[3].candidates == [{"value": "10001", "words": "10001 Ann Example: by name, owes just this"}]
    assert Payment.objects.count() == 1


def test_rows_are_corrected_in_place_and_then_recorded_once(account: Account) -> None:
    casey = make_teller("casey")
    file = upload("B-1,10001,2026-02-01,40.00,,A", "B-2,,2026-02-02,60.00,Example,", "B-3,x,2026-02-02,1.00,,")
    with pytest.raises(Refused, match="2 rows are to be corrected"):
        bank_files.start(file, by=casey)
    _, second, third = rows(file)
    bank_files.correct(file, {second.pk: {"account": "10001"}}, left_out={third.pk: True})
    bank_files.start(file, by=casey)
    assert bank_files.apply_file(file.pk) == 2
    assert bank_files.apply_file(file.pk) == 0
    file.refresh_from_db()
    assert (file.state, balance(account)) == ("applied", Decimal("0.00"))
    assert [row.outcome for row in rows(file)] == ["done", "done", "left_out"]
    payment = Payment.objects.get(reference="B-1")
    assert (payment.method, payment.recorded_by, payment.invoice) == ("transfer", casey, Invoice.objects.get())
    with pytest.raises(StaleState, match="recorded"):
        bank_files.correct(file, {})
    with pytest.raises(Refused, match="This very file was uploaded"):
        upload("B-1,10001,2026-02-01,40.00,,A", "B-2,,2026-02-02,60.00,Example,", "B-3,x,2026-02-02,1.00,,")
    assert_books_balance()


def test_a_file_put_aside_may_come_again_and_rows_known_by_then_are_not_recorded_twice(account: Account) -> None:
    line = "B-1,10001,2026-02-01,40.00,,A"
    bank_files.drop(upload(line))
    file = upload(line)
    record_payment(account=account, reference="B-1", amount=Decimal("40.00"), received_at=instant("2026-02-01 00:00"))
    with pytest.raises(Refused, match="recorded already or left out"):
        bank_files.start(file)
    assert balance(account) == Decimal("60.00")


def test_a_row_that_fails_does_not_keep_the_others_and_can_be_tried_again(account: Account) -> None:
    file = upload("B-1,10001,2026-02-01,40.00,,", "B-2,10001,2026-02-02,60.00,,")
    bank_files.start(file)
    other = record_payment(
        account=make_account(), reference="B-1", amount=Decimal("9.00"), received_at=instant("2026-02-01 10:00")
    )
    assert bank_files.apply_file(file.pk) == 1
    failed = rows(file)[0]
    assert failed.outcome == "failed"
    assert "recorded with other content" in failed.words
    Payment.objects.filter(pk=other.pk).update(reference="B-9")
    assert bank_files.try_again(file) == 1
    assert bank_files.apply_started() == 1
    assert balance(account) == Decimal("0.00")


def test_a_big_file_is_left_to_a_worker_that_goes_on_where_it_stopped(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank_files, "AT_ONCE_MAX", 2)
    file = upload(*(f"B-{number},10001,2026-02-01,10.00,," for number in range(3)))
    bank_files.start(file)
    assert bank_files._apply_next(file.pk) == "done"  # and then the worker dies
    assert bank_files.apply_started() == 2
    assert Payment.objects.count() == 3
    file.refresh_from_db()
    assert file.state == "applied"


def test_returns_are_reversed_with_the_code_in_words_and_bar_the_source(account: Account) -> None:
    source = make_source(account)
    payment = record_payment(
        account=account, reference="ACH-77", amount=Decimal("100.00"), received_at=instant("2026-01-20 10:00"),
        method="bank", funding_source=source,
    )  # fmt: skip
    head = "reference,returned_on,reason"
    file = upload("ACH-78,2026-01-25,R01", head=head, kind="returns")
    (row,) = rows(file)
    assert row.wrong == {"reference": "is no payment here; choose which one came back."}
    file = upload("ach-77,2026-01-25,R01", head=head, kind="returns")
    assert [one["value"] for one in rows(file)[0].candidates] == ["ACH-77"]
    bank_files.correct(file, {rows(file)[0].pk: {"reference": "ACH-77"}})
    bank_files.start(file)
    bank_files.apply_file(file.pk)
    payment.refresh_from_db()
    assert payment.reversed_why == "R01: insufficient funds (returned on 2026-01-25)"
    assert payment.reversed_as == "returned"
    source.refresh_from_db()
    assert source.barred_at is not None
    assert balance(account) == Decimal("100.00")
    again = upload("ACH-77,2026-01-25,R01", head=head, kind="returns")
    assert rows(again)[0].finding == "known"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "missing"), (b"reference,received\nx,y", "amount is missing"), (b"\xff\xfe", "not UTF-8"),
        (HEAD.encode(), "no rows"), (HEAD.encode() + b"\na,b", "Line 2 has 2 cells"),
        (HEAD.encode() + b",pin\n1,2,3,4,5,6,7", "Unknown column pin"), (b'reference,"rec', "missing"),
    ],
)  # fmt: skip
def test_a_file_of_no_use_is_refused_in_words(content: bytes, words: str) -> None:
    with pytest.raises(Refused, match=words):
        bank_files.take_in(kind="transfers", name="x.csv", content=content)
    assert not BankFile.objects.exists()


def test_a_card_number_in_a_file_is_kept_nowhere(account: Account) -> None:
    file = upload("4242 4242 4242 4242,10001,2026-02-01,40.00,card 5555555555554444,")
    assert "4242 4242" not in str(rows(file)[0].cells)
    assert "5555555555554444" not in str(rows(file)[0].cells)
    assert "card number" in rows(file)[0].wrong["reference"]


def test_semicolons_and_a_byte_order_mark_are_fine(account: Account) -> None:
    content = "\ufeffreference;account;received;amount\nB-1;10001;2026-02-01;40.00\n".encode()
    assert rules.read(content, "transfers")[0][1]["account"] == "10001"


@pytest.mark.parametrize(
    ("reason", "words"),
    [("R01", "R01: insufficient funds"), ("r02 - closed", "R02: closed"), ("Konto leer", "Konto leer"),
     ("R99", "R99: returned by the bank")],
)  # fmt: skip
def test_a_banks_code_is_told_in_words(reason: str, words: str) -> None:
    assert rules.return_words(reason) == words
