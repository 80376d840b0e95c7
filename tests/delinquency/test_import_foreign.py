"""Exports of other programs: the columns are chosen for them, and what they write becomes ours."""

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Account, Contact
from delinquency.imports import desk
from delinquency.imports.columns import Choice, guess
from delinquency.imports.converting import read_amount, read_day
from delinquency.models import ImportFile
from delinquency.shadow_compare import compare
from invoicing.models import Invoice, Payment

pytestmark = pytest.mark.django_db

WHMCS = {
    "accounts": "ID,First Name,Last Name,Company Name,Email,Address 1,Address 2,City,State,Postcode,Country,"
    "Phone Number,Currency,Credit,Date Created,Status\n"
    "7,Ann,Example,,ann@customer.example,1 Hill Road,,Valley,NY,10001,US,+1.5550100123,USD,0.00,01/02/2024,Active\n"
    "8,Bob,Other,Mill Ltd,bob@customer.example,2 Hill Road,,Valley,NY,10001,US,,USD,0.00,01/02/2024,Closed\n",
    "invoices": "ID,Client ID,Client Name,Invoice Number,Creation Date,Due Date,Total,Status\n"
    "31,7,Ann Example,2026-31,2026-01-01,2026-01-16,86.80,Unpaid\n32,7,Ann Example,,2026-02-01,2026-02-16,9.00,Draft\n",
    "payments": "ID,Client ID,Client Name,Payment Method,Date,Invoice ID,Amount In,Amount Out\n"
    "51,7,Ann Example,stripe,2026-01-20,,40.00,0.00\n52,7,Ann Example,stripe,2026-01-21,,0.00,5.00\n",
}  # fmt: skip
UISP = {
    "accounts": "Id;Custom ID;Name;First name;Last name;Email;Phone;Street 1;City;Zip code;Is active;Account balance\n"
    "1;0017;Ann Example;Ann;Example;ann@customer.example;;1 Hill Road;Valley;10001;true;-86.80\n",
    "invoices": "Number;Client custom ID;Created date;Due date;Total;Status\n"
    "2026-31;0017;2026-01-01T00:00:00+0000;2026-01-16;86.80;1\n2026-32;0017;2026-01-02;2026-01-16;9.00;4\n",
    "payments": "Id;Client custom ID;Created date;Amount;Method\n51;0017;2026-01-20;40.00;Cash\n",
}
SPLYNX = {
    "accounts": "ID,Status,Portal login,Full name,Phone number,Email,Street,ZIP code,City\n"
    "17,Blocked,ann,Ann Example,+15550100123,ann@customer.example,1 Hill Road,10001,Valley\n",
    "invoices": "Number,Customer ID,Date created,Payment due,Total,Status\n"
    "2026-31,17,2026-01-01,2026-01-16,86.8000,Unpaid\n",
    "payments": "ID,Customer ID,Date,Amount,Payment type,Receipt number\n51,17,2026-01-20,40.0000,Cash,R-51\n",
}
SONAR = {
    "accounts": "ID,Name,Account Status,Next Bill Date,Email Address,Phone Number,Line 1,City,Zip\n"
    "17,Ann Example,Active,2026-02-01,ann@customer.example,5550100123,1 Hill Road,Valley,10001\n",
    "invoices": "Invoice ID,Account ID,Date,Due Date,Total,Void\n31,17,2026-01-01,2026-01-16,86.80,false\n"
    "32,17,2026-01-01,2026-01-16,9.00,true\n",
    "payments": "Payment ID,Account ID,Payment Date,Amount,Payment Type,Successful\n51,17,2026-01-20,40.00,CASH,true\n"
    "52,17,2026-01-20,40.00,CASH,false\n",
}


def bring_in(source: str, kind: str, text: str, **changes: Any) -> ImportFile:
    """Upload, check with the columns as they are proposed, and import."""
    file = desk.take_in(kind=kind, source=source, name=f"{kind}.csv", content=text.encode())
    chosen = Choice.read(file.mapping)
    if kind == "accounts":
        chosen.fixed["billing_default"] = "Sonar example"
    for name, value in changes.items():
        chosen = Choice.read({**chosen.document(), name: value})
    file = desk.check(file, chosen)
    assert file.wrong == 0, list(file.problems.values_list("line", "column", "value", "message"))
    return desk.apply(file)


@pytest.mark.parametrize(
    ("source", "texts", "number", "status"),
    [
        ("whmcs", WHMCS, "7", "Active"),
        ("uisp", UISP, "0017", "Active"),
        ("splynx", SPLYNX, "17", "Delinquent"),
        ("sonar", SONAR, "17", "Active"),
    ],
)
def test_clients_invoices_and_payments_of_a_program_come_in_with_the_columns_proposed(
    source: str, texts: dict[str, str], number: str, status: str
) -> None:
    for kind, text in texts.items():
        assert bring_in(source, kind, text).state == "applied"
    account = Account.objects.select_related("status").get(number=number)
    assert (account.name, account.status.name) == ("Ann Example", status)
    assert Contact.objects.get(account=account).email == "ann@customer.example"
    assert account.address.startswith("1 Hill Road, ")
    assert Invoice.objects.get().amount == Decimal("86.80")
    assert Payment.objects.get().amount == Decimal("40.00")


def test_a_company_is_named_by_its_own_name_and_reached_by_its_person() -> None:
    bring_in("whmcs", "accounts", WHMCS["accounts"])
    account = Account.objects.select_related("status").get(number="8")
    assert (account.name, account.status.name) == ("Mill Ltd", "Inactive")
    assert Contact.objects.get(account=account).name == "Bob Other"


def test_services_become_the_monthly_charge_and_the_line_of_their_account_and_nothing_else_changes() -> None:
    bring_in("whmcs", "accounts", WHMCS["accounts"])
    text = (
        "ID,Client ID,Product Name,Recurring Amount,Billing Cycle,Status,Dedicated IP\n"
        "1,7,Fibre,49.90,Monthly,Active,100.64.0.7\n2,7,Telephone,5.00,Monthly,Active,\n"
        "3,7,Domain,12.00,Annually,Active,\n4,8,Fibre,49.90,Monthly,Terminated,100.64.0.8\n"
    )
    before = Account.objects.get(number="7").history.count()
    file = bring_in("whmcs", "services", text)
    assert (file.created, file.updated, file.unchanged, file.words) == (
        0, 1, 1, "2 rows are left out, as was chosen below the columns.",
    )  # fmt: skip
    account = Account.objects.get(number="7")
    assert account.history.count() == before
    assert account.service_lines.get().ipv4 == "100.64.0.7"
    assert [one.price for one in account.subscriptions.all()] == [Decimal("54.90")]
    again = desk.take_in(kind="services", source="whmcs", name="b.csv", content=text.encode())
    again = desk.check(again, Choice.read(again.mapping))
    assert (again.updated, again.wrong) == (0, 0)
    two = text.replace("Active,\n", "Active,100.64.0.9\n", 1)
    wrong = desk.take_in(kind="services", source="whmcs", name="c.csv", content=two.encode())
    wrong = desk.check(wrong, Choice.read(wrong.mapping))
    assert [(one.line, one.column) for one in wrong.problems.all()] == [(3, "Dedicated IP")]


def test_the_state_in_uisp_is_compared_with_ours() -> None:
    bring_in("uisp", "accounts", UISP["accounts"])
    text = "Custom ID,Account outstanding,Has overdue invoice,Has suspended service\n0017,86.80,true,true\n"
    file = desk.take_in(kind="old_states", source="uisp", name="a.csv", content=text.encode())
    chosen = Choice.read({**file.mapping, "fixed": {"on": "2026-01-21"}})
    assert desk.apply(desk.check(file, chosen)).created == 1
    assert [(one.field, one.ours, one.theirs) for one in compare().differences] == [
        ("balance", "0.00", "86.80"), ("delinquent", "no", "yes"), ("restricted", "no", "yes"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "order", "wanted"),
    [
        ("2026-03-02", "", "2026-03-02"), ("31/01/2026", "", "2026-01-31"), ("01/31/2026", "", "2026-01-31"),
        ("02/02/2026", "", "2026-02-02"), ("02/03/04", "dmy", "2004-03-02"), ("02/03/04", "mdy", "2004-02-03"),
        ("02/03/04", "ymd", "2002-03-04"), ("2. 3. 2026".replace(" ", ""), "dmy", "2026-03-02"),
        ("2 Mar 2026", "", "2026-03-02"), ("March 2, 2026", "", "2026-03-02"),
        ("2026-03-02 14:10:00", "", "2026-03-02"),
        ("3/2/2026 2:10 PM", "mdy", "2026-03-02"),
    ],
)  # fmt: skip
def test_a_date_that_can_be_read_in_one_way_is_read(text: str, order: str, wanted: str) -> None:
    assert read_day(text, order)[0].isoformat() == wanted


@pytest.mark.parametrize("text", ["02/03/04", "02/03/2026", "2.3.2026", "31/02/2026", "soon", "2026-13-01"])
def test_a_date_that_can_be_read_in_two_ways_or_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"can be|is not a date"):
        read_day(text, "")


@pytest.mark.parametrize(
    ("text", "decimal", "wanted"),
    [
        ("40", "", "40"), ("40.00", "", "40"), ("$1,234.50", "", "1234.5"), ("1.234,50 €", "", "1234.5"),
        ("40,50", "", "40.5"), ("(12.00)", "", "-12"), ("-12.00", "", "-12"), ("USD 12.00", "", "12"),
        ("1.234", ",", "1234"), ("1,234", ".", "1234"), ("1.234", ".", "1.234"), ("1'234.50", "", "1234.5"),
        ("86.8000", "", "86.8"), ("12.00-", "", "-12"),
    ],
)  # fmt: skip
def test_an_amount_that_can_be_read_in_one_way_is_read(text: str, decimal: str, wanted: str) -> None:
    assert read_amount(text, decimal) == wanted
    assert read_amount(text, decimal, negate=True) == (wanted[1:] if wanted.startswith("-") else f"-{wanted}")


@pytest.mark.parametrize("text", ["1,234", "1.234", "1.234.567", "12.34.56", "1e5", "NaN", "=1+1", "1,23,4", "--"])
def test_an_amount_that_can_be_read_in_two_ways_or_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"can be|is not an amount"):
        read_amount(text, "")


def test_columns_are_guessed_by_their_names_and_each_is_used_once() -> None:
    found = guess("payments", ["Transaction-ID", "CUSTOMER ID", "Payment date", "Sum", "Remarks"]).columns
    assert {ours: places["c0"] for ours, places in found.items()} == {
        "reference": "Transaction-ID", "account": "CUSTOMER ID", "received": "Payment date", "amount": "Sum",
    }  # fmt: skip
