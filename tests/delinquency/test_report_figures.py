"""Every report equals the ledger to the cent: a random town is played, and each figure is worked out another way."""

import random
from collections import defaultdict
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from accounts.models import Account, AccountType
from billing_project.kernel import clock
from billing_project.kernel.errors import PortError, Refused, StaleState
from delinquency.models import Case, GraceGrant, Promise
from delinquency.reports.ageing import BUCKETS, LATE
from delinquency.reports.kinds import Asked
from delinquency.reports.registry import REPORTS, asked_from
from invoicing.models import Charge, Invoice, InvoiceLine, LedgerEntry, Payment
from invoicing.operations import adjust, undo
from invoicing.operations.charges import add_charge, waive_charge
from invoicing.operations.imports import ImportedInvoice, record_imported_invoices
from invoicing.operations.payments import record_payment, reverse_payment
from invoicing.queries import positions
from tests.factories import instant, make_account, make_company, make_staff

pytestmark = pytest.mark.django_db

ZONES = ("America/New_York", "America/Los_Angeles", "America/Halifax")
FIRST, DAYS = date(2026, 1, 1), 100
TAXES = (("State", "6.2500"), ("City", "1.5000"))
ZERO = Decimal(0)
Figures = dict[str, Decimal]


class Town:
    """Customers to whom everything happens that money can do, and what stood in the books at the end of each day."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.kinds = [AccountType.objects.get_or_create(name=name)[0] for name in ("Residential", "Business")]
        self.company = make_company()
        self.abroad = make_company(name="Nord Fibre", currency="EUR", timezone="Europe/Berlin")
        self.accounts = [
            make_account(
                number=f"7{place:03d}", timezone=ZONES[place % 3], account_type=self.kinds[place % 2],
                company=self.company if place % 5 else self.abroad,
            )
            for place in range(15)
        ]  # fmt: skip
        self.snapshots: dict[date, Figures] = {}
        self.numbers = 0

    def play(self) -> None:
        for day in range(DAYS):
            on = FIRST + timedelta(days=day)
            # Noon to dusk in UTC is the same day in all three zones: what stands then is what stood at its end.
            with clock.at(datetime.combine(on, time(15), ZoneInfo("UTC"))):
                for _ in range(4 if day < 60 else 1):
                    self.something(on)
            if day % 9 == 8:
                self.snapshots[on] = self.snapshot(on)

    def something(self, on: date) -> None:
        account = self.dice.choice(self.accounts)
        acts = (
            self.bill, self.bill, self.bill, self.pay, self.pay, self.pay, self.fee, self.waive, self.reverse,
            self.void, self.credit, self.write_off, self.undo, self.refund,
        )  # fmt: skip
        try:
            self.dice.choice(acts)(account, on)
        except (Refused, StaleState, PortError, IndexError):
            return  # nothing of that kind is there to be done

    def bill(self, account: Account, on: date) -> None:
        self.numbers += 1
        number, price = f"T-{self.numbers}", Decimal(self.dice.randint(500, 20000)) / 100
        taxes = [(name, rate, (price * Decimal(rate) / 100).quantize(Decimal("0.01"))) for name, rate in TAXES]
        tax = sum((amount for _name, _rate, amount in taxes), ZERO)
        at = clock.instant(datetime.combine(on, time(0, 5)), account.timezone)
        due = on + timedelta(days=self.dice.choice((0, 10, 15)))
        record_imported_invoices(
            [
                ImportedInvoice(
                    account_id=account.pk, number=number, issued_on=on, due_on=due, amount=price + tax,
                    description="", effective_at=at,
                )
            ]
        )  # fmt: skip
        invoice = Invoice.objects.get(number=number)
        if not invoice.lines.exists():
            InvoiceLine.objects.create(
                invoice=invoice, position=1, description="Internet", unit_price=price, tax=tax, amount=price + tax,
                taxes=[[name, rate, str(amount)] for name, rate, amount in taxes] if self.numbers % 4 else [],
            )  # fmt: skip

    def pay(self, account: Account, _on: date) -> None:
        self.numbers += 1
        amount = Decimal(self.dice.randint(100, 25000)) / 100
        record_payment(account=account, reference=f"P-{self.numbers}", amount=amount, received_at=clock.now())

    def fee(self, account: Account, on: date) -> None:
        self.numbers += 1
        add_charge(
            account=account, kind="one_off", key=f"fee:{self.numbers}", amount=Decimal("10.00"), description="Visit",
            charged_on=on, effective_at=clock.now(),
        )  # fmt: skip

    def waive(self, account: Account, _on: date) -> None:
        waive_charge(self.one(Charge.objects.filter(account=account, waived_at=None)), "a favour")

    def reverse(self, account: Account, _on: date) -> None:
        reverse_payment(payment=self.one(Payment.objects.filter(account=account, reversed_at=None)), why="returned")

    def void(self, account: Account, _on: date) -> None:
        invoices = Invoice.objects.filter(account=account).exclude(state="void")
        adjust.void_invoice(invoice=self.one(invoices), why="wrong")

    def credit(self, account: Account, _on: date) -> None:
        invoice = self.one(Invoice.objects.filter(account=account, state__in=["open", "paid"]))
        amount = (invoice.amount * self.dice.randint(1, 100) / 100).quantize(Decimal("0.01"))
        adjust.credit_note(invoice=invoice, amount=amount, reason="outage")

    def write_off(self, account: Account, _on: date) -> None:
        adjust.write_off(invoice=self.one(Invoice.objects.filter(account=account, state="open")), why="hopeless")

    def undo(self, account: Account, _on: date) -> None:
        if self.dice.random() < 0.5:
            undo.undo_write_off(invoice=self.one(Invoice.objects.filter(account=account, state="written_off")), why="x")
        else:
            notes = LedgerEntry.objects.filter(account=account, kind="credit_note", payment=None, amount__lt=0)
            undo.undo_credit_note(entry=self.one(notes), why="mistake")

    def refund(self, account: Account, _on: date) -> None:
        payment = self.one(Payment.objects.filter(account=account, reversed_at=None))
        adjust.refund(payment=payment, amount=Decimal("1.00"), why="paid twice")

    def one(self, rows: Any) -> Any:
        return self.dice.choice(list(rows.order_by("pk")))

    def snapshot(self, on: date) -> Figures:
        """Return what the books say now of the company, read from the invoices and balances, not from the ledger."""
        found: Figures = defaultdict(Decimal)
        own = [account.pk for account in self.accounts if account.company_id == self.company.pk]
        for position in positions(own).values():
            found["total"] += position.balance
            found["credit"] -= position.credit
            found["waiting"] += position.uninvoiced
            for invoice in position.open_invoices:
                late = (on - invoice.due_on).days
                name = "current" if late <= 0 else LATE[min((late - 1) // 30, 3)]
                found[name] += invoice.remaining
        return found


def ask(key: str, town: Town, **given: str) -> Asked:
    return asked_from(REPORTS[key], {"company": str(town.company.pk), **given})


def total(key: str, asked: Asked) -> dict[str, Any]:
    table = REPORTS[key].make(asked)
    line = next((one for one in table.lines if one.is_sum), None)
    return {} if line is None else dict(zip((one.words for one in table.columns), line.cells, strict=True))


def in_sql(query: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def check_ageing_is_what_the_books_said(town: Town) -> None:
    kinds = set(LedgerEntry.objects.values_list("kind", flat=True))
    assert {"void", "credit_note", "write_off", "reversal", "refund", "waiver"} <= kinds, kinds
    for on, then in town.snapshots.items():
        found = total("ageing", ask("ageing", town, on=str(on)))
        assert {name: found.get(words, ZERO) for name, words in {**BUCKETS, "total": "balance"}.items()} == {
            name: then[name] for name in (*BUCKETS, "total")
        }, on


def check_ageing_adds_up_to_the_ledger(town: Town) -> None:
    for day in range(0, DAYS + 20, 10):
        on = FIRST + timedelta(days=day)
        asked = ask("ageing", town, on=str(on))
        ((expected,),) = in_sql(
            "SELECT coalesce(sum(e.amount), 0) FROM invoicing_ledgerentry e"
            " JOIN accounts_account a ON a.id = e.account_id WHERE a.company_id = %s"
            " AND (e.effective_at AT TIME ZONE a.timezone) < %s",
            town.company.pk, datetime.combine(on + timedelta(days=1), time()),
        )  # fmt: skip
        found = total("ageing", asked)
        assert found.get("balance", ZERO) == expected, on
        assert sum((found.get(words, ZERO) for words in BUCKETS.values()), ZERO) == expected
        for name in (*BUCKETS, "over_60"):
            part = REPORTS["ageing"].part(asked, name)
            assert part is not None
            heads = [column.words for column in part.columns]
            words = [BUCKETS[name]] if name in BUCKETS else [BUCKETS["late_90"], BUCKETS["late_more"]]
            cells = [line.cells[heads.index(one)] for line in part.all_lines() for one in words]
            assert sum((cell for cell in cells if isinstance(cell, Decimal)), ZERO) == sum(
                (found.get(one, ZERO) for one in words), ZERO
            ), (on, name)


@pytest.mark.parametrize("seed", [1])
def test_every_figure_of_a_random_town_equals_its_books(seed: int) -> None:
    town = Town(seed)
    town.play()
    with clock.at(datetime.combine(FIRST + timedelta(days=DAYS + 30), time(18), ZoneInfo("UTC"))):
        check_ageing_is_what_the_books_said(town)
        check_ageing_adds_up_to_the_ledger(town)
        check_revenue_equals_invoices_and_ledger(town)
        check_other_money_is_never_added(town)


def test_the_day_is_over_when_it_is_over_where_the_account_is() -> None:
    account = make_account(timezone="America/Los_Angeles")
    with clock.at(instant("2026-02-01 02:30", "America/New_York")):  # half past eleven in the evening in Los Angeles
        record_payment(account=account, reference="late", amount=Decimal("5.00"), received_at=clock.now())
        for on, credit in (("2026-01-30", None), ("2026-01-31", Decimal("-5.00"))):
            assert total("ageing", asked_from(REPORTS["ageing"], {"on": on})).get("credit") == credit


def check_revenue_equals_invoices_and_ledger(town: Town) -> None:
    for first, last in (("2026-01-01", "2026-03-20"), ("2026-01-10", "2026-02-03"), ("2026-02-11", "2026-02-11")):
        asked = ask("revenue", town, **{"from": first, "to": last})
        found = total("revenue", asked)
        ((issued, count),) = in_sql(
            "SELECT coalesce(sum(i.amount), 0), count(*) FROM invoicing_invoice i JOIN accounts_account a"
            " ON a.id = i.account_id WHERE a.company_id = %s AND i.issued_on BETWEEN %s AND %s",
            town.company.pk, first, last,
        )  # fmt: skip
        assert (found.get("issued", ZERO), found.get("invoices", 0)) == (issued, count)
        for kind, words in (("void", "voided"), ("credit_note", "credit notes"), ("write_off", "written off")):
            ((expected,),) = in_sql(
                "SELECT coalesce(sum(e.amount), 0) FROM invoicing_ledgerentry e JOIN accounts_account a"
                " ON a.id = e.account_id WHERE a.company_id = %s AND e.kind = %s AND e.invoice_id IS NOT NULL"
                " AND e.payment_id IS NULL"
                " AND date_trunc('day', e.effective_at AT TIME ZONE a.timezone)::date BETWEEN %s AND %s",
                town.company.pk, kind, first, last,
            )  # fmt: skip
            assert found.get(words, ZERO) == expected, (kind, first)
        table = REPORTS["revenue"].make(asked)
        days = [line for line in table.lines if not line.is_sum and line.cells[1] is not None]
        assert sum((Decimal(str(line.cells[6])) for line in days), ZERO) == found["net"], "the bars add up"
        tax = sum((Decimal(str(line.cells[7])) for line in table.lines if "issued" in str(line.cells[0])), ZERO)
        ((expected,),) = in_sql(
            "SELECT coalesce(sum(l.tax), 0) FROM invoicing_invoiceline l"
            " JOIN invoicing_invoice i ON i.id = l.invoice_id JOIN accounts_account a ON a.id = i.account_id"
            " WHERE a.company_id = %s AND i.issued_on BETWEEN %s AND %s",
            town.company.pk, first, last,
        )  # fmt: skip
        assert tax == expected
    whole = ask("revenue", town, **{"from": "2026-01-01", "to": "2026-03-20"})
    net = REPORTS["revenue"].part(whole, "net")
    assert net is not None
    assert sum((Decimal(str(line.cells[4])) for line in net.all_lines()), ZERO) == total("revenue", whole)["net"]


def check_other_money_is_never_added(town: Town) -> None:
    asked = asked_from(REPORTS["ageing"], {"on": "2026-03-01"})
    assert asked.company is not None, "with two currencies, one company is shown"
    abroad = asked_from(REPORTS["ageing"], {"on": "2026-03-01", "company": str(town.abroad.pk)})
    assert abroad.currency == "EUR"
    own = ask("ageing", town, on="2026-03-01")
    assert total("ageing", abroad)["balance"] != total("ageing", own)["balance"]


def test_every_case_has_one_fate() -> None:
    make_company()
    account, gone = make_account(), make_account(closed_on=date(2026, 2, 20))
    other, lifted, before = make_account(), make_account(), make_account()

    def case(whose: Account, opened: date, closed: date | None = None, **more: Any) -> None:
        stage = "closed" if closed else "open"
        Case.objects.create(account=whose, number=Case.objects.count() + 1, opened_on=opened, closed_on=closed,
                            stage=stage, **more)  # fmt: skip

    case(account, date(2026, 2, 3), date(2026, 2, 13))
    case(account, date(2026, 2, 20))
    case(gone, date(2026, 1, 5))
    case(other, date(2026, 1, 5), date(2026, 2, 6))
    case(lifted, date(2026, 2, 1), date(2026, 2, 2), lifted=True)
    case(before, date(2026, 1, 1), date(2026, 1, 31))
    with clock.at(instant("2026-03-10 12:00")):
        found = total("delinquency", asked_from(REPORTS["delinquency"], {"from": "2026-02-01", "to": "2026-02-28"}))
    fates = ("entered", "cured", "ended by a grant", "lost", "still in it")
    assert [found[words] for words in fates] == [3, 2, 1, 1, 1]
    assert found["mean days to cure"] == "21.0"


def test_promises_count_in_the_period_of_their_last_day() -> None:
    staff = make_staff("casey")
    for place, (state, day, paid) in enumerate(
        (("kept", 3, "50.00"), ("kept", 5, "50.00"), ("broken", 9, "0.00"), ("open", 28, "0.00"), ("kept", 99, "50.00"))
    ):
        account = make_account(number=f"8{place}")
        grant = GraceGrant.objects.create(account=account, until_on=date(2026, 4, 1), reason="x", granted_by=staff)
        Promise.objects.create(
            account=account, pay_by_on=date(2026, 2, 1) + timedelta(days=day - 1), owed=Decimal("50.00"),
            made_on=date(2026, 1, 30), grant=grant, state=state, paid=Decimal(paid),
            decided_on=None if state == "open" else date(2026, 2, 20),
        )  # fmt: skip
    with clock.at(instant("2026-03-10 12:00")):
        found = total("promises", asked_from(REPORTS["promises"], {"from": "2026-02-01", "to": "2026-02-28"}))
    assert (found["promises"], found["kept"], found["broken"], found["open"]) == (4, 2, 1, 1)
    assert (found["kept of decided"], found["promised"], found["paid on kept"]) == (
        "66.7 %", Decimal("200.00"), Decimal("100.00"),
    )  # fmt: skip
