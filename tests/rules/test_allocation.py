"""Which invoices a payment settles (A21): named first, then oldest due; the rest is credit."""

from datetime import date, datetime
from decimal import Decimal

from invoicing.rules.allocation import Issued, Pot, Received, Returned, allocate, replay

D = Decimal


def pot(key: str, due: int, remaining: str = "50.00", *, issued: int = 1, frozen: bool = False) -> Pot:
    """Return an unpaid invoice of January 2026."""
    return Pot(key, date(2026, 1, issued), date(2026, 1, due), key, D(remaining), frozen)


def test_the_named_invoice_comes_first_then_the_oldest_due() -> None:
    pots = [pot("late", 20), pot("old", 10), pot("older", 5)]
    assert allocate(D("120.00"), pots, named="late") == [
        ("late", D("50.00")),
        ("older", D("50.00")),
        ("old", D("20.00")),
    ]
    assert allocate(D("60.00"), pots) == [("older", D("50.00")), ("old", D("10.00"))]


def test_equal_due_dates_go_by_issue_date_and_then_number() -> None:
    pots = [pot("B", 10, issued=2), pot("C", 10), pot("A", 10, issued=2)]
    assert [key for key, _ in allocate(D("150.00"), pots)] == ["C", "A", "B"]


def test_frozen_and_paid_invoices_get_nothing_even_when_named() -> None:
    assert allocate(D("50.00"), [pot("A", 5, frozen=True), pot("B", 6, "0.00")], named="A") == []


def issued(key: str, day: int, amount: str = "50.00") -> Issued:
    """Return an invoice of that day in January 2026, due ten days later."""
    return Issued(key, key, date(2026, 1, day), date(2026, 1, day + 10), D(amount))


def moves(*arguments: list[object]) -> list[tuple[str, tuple[tuple[object, Decimal], ...]]]:
    """Return what each fact of a replay did."""
    return [(fact.reference, fact.moves) for fact in replay(*arguments)]  # type: ignore[arg-type]


def test_credit_waits_for_the_next_invoice_and_a_return_takes_it_back() -> None:
    payment = Received("P", datetime(2026, 1, 5, 12), D("70.00"))
    told = moves([issued("A", 1), issued("B", 10)], [payment], [Returned("P", datetime(2026, 1, 12))])
    assert told == [
        ("A", ()),
        ("P", (("A", D("-50.00")),)),
        ("B", (("B", D("-20.00")),)),
        ("P", (("A", D("50.00")), ("B", D("20.00")))),
    ]


def test_of_invoices_issued_together_the_one_the_payer_named_takes_the_credit() -> None:
    payment = Received("P", datetime(2026, 1, 1), D("50.00"), "B")
    assert moves([issued("A", 1), issued("B", 1)], [payment], []) == [
        ("P", ()),
        ("A", ()),
        ("B", (("B", D("-50.00")),)),
    ]


def test_a_return_of_what_never_arrived_is_ignored() -> None:
    assert moves([issued("A", 1)], [], [Returned("P", datetime(2026, 1, 2))]) == [("A", ())]
