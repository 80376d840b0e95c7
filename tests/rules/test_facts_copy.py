"""A copied state is played ahead without a trace in the one it was copied from."""

from copy import deepcopy
from dataclasses import fields
from datetime import date
from decimal import Decimal

from delinquency.rules.facts import AccountState, Cut, InvoiceState


def state() -> AccountState:
    first, paid = (
        InvoiceState(key, f"A-{key}", date(2026, 1, 1), date(2026, 1, 16), Decimal(10), Decimal(10)) for key in (1, 2)
    )
    return AccountState(
        invoices={1: first}, settled={2: paid}, cuts=[Cut("slow", "case:1", "restrict", "throttle", frozenset([1]))],
        released_cuts=[Cut("slow", "case:0", "restrict", "throttle", frozenset())], seriously_late=[date(2026, 1, 2)],
        done={("slow", "case:1")}, held={("stop", "case:1")}, waiting={("stop", "case:2"): date(2026, 1, 3)},
        said={("notice", "case:1"): date(2026, 1, 4)}, episode=1, delinquent_since=date(2026, 1, 21),
    )  # fmt: skip


def test_a_copy_is_equal_and_shares_nothing_that_can_change() -> None:
    kept = state()
    copied = kept.copy()
    assert copied == kept == deepcopy(kept)
    for part in fields(AccountState):
        value = getattr(kept, part.name)
        if isinstance(value, (dict, list, set)):
            assert value, f"{part.name} holds nothing, so that this shows nothing"
            assert getattr(copied, part.name) is not value, part.name
    for book in ("invoices", "settled"):
        for key, invoice in getattr(kept, book).items():
            assert getattr(copied, book)[key] is not invoice
    copied.invoices[1].remaining = Decimal(0)
    assert kept == state()
