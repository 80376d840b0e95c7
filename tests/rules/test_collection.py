"""Which source next: primary, then secondary, then stop."""

from datetime import UTC, datetime, timedelta

import pytest

from invoicing.rules.collection import BY_HAND, HardNo, Next, codes_against, may_try, next_lookup, refusal_without_call

NOON = datetime(2026, 3, 7, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rank", "before", "expected"),
    [
        (1, [], Next.GO),
        (1, ["unknown"], Next.GO),
        (2, [], Next.GO),
        (2, ["declined"], Next.GO),
        (2, ["refused"], Next.GO),
        (2, ["queued"], Next.WAIT),
        (2, ["claimed"], Next.WAIT),
        (2, ["sending"], Next.WAIT),
        (2, ["unknown"], Next.WAIT),
        (2, ["pending"], Next.WAIT),
        (2, ["done"], Next.STOP),
        (2, ["parked"], Next.STOP),
        (3, ["declined", "unknown"], Next.WAIT),
    ],
)
def test_a_later_source_needs_the_final_no_of_those_before_it(rank: int, before: list[str], expected: Next) -> None:
    assert may_try(rank, before).next is expected


def test_an_unknown_outcome_never_falls_through_to_the_secondary() -> None:
    assert may_try(2, ["unknown"]).next is not Next.GO


@pytest.mark.parametrize(
    ("has_source", "barred_why", "codes", "says"),
    [
        (True, None, [], ""),
        (True, None, ["insufficient_funds", "card_declined"], ""),
        (True, None, ["insufficient_funds", "expired_card"], "expired_card"),
        (True, None, ["do_not_honor", "processing_error", "amount_too_small", "unavailable"], ""),
        (True, None, ["pickup_card"], "pickup_card"),
        (True, None, ["authentication_required"], "authentication_required"),
        (True, None, ["revoked"], "revoked"),
        (True, "payment P-1 was returned", [], "P-1"),
        (True, "", [], "barred"),
        (False, None, [], "no funding source"),
    ],
)
def test_a_source_that_cannot_succeed_is_refused_without_a_call(
    has_source: bool, barred_why: str | None, codes: list[str], says: str
) -> None:
    refusal = refusal_without_call(has_source=has_source, barred_why=barred_why, earlier_codes=codes)
    assert bool(refusal) is bool(says)
    assert says in refusal


@pytest.mark.parametrize(
    ("after", "then"),
    [
        (timedelta(0), timedelta(minutes=5)),
        (timedelta(minutes=4, seconds=59), timedelta(minutes=5)),
        (timedelta(minutes=5), timedelta(hours=1)),
        (timedelta(minutes=59), timedelta(hours=1)),
        (timedelta(hours=1), timedelta(days=1)),
        (timedelta(hours=23, minutes=59), timedelta(days=1)),
        (timedelta(days=1), timedelta(days=2)),
        (timedelta(days=9, hours=3), timedelta(days=10)),
    ],
)
def test_an_unclear_charge_is_looked_up_after_five_minutes_an_hour_and_then_daily(
    after: timedelta, then: timedelta
) -> None:
    assert next_lookup(NOON, NOON + after) == NOON + then


@pytest.mark.parametrize(
    ("code", "invoice", "charged", "stands"),
    [
        ("lost_card", 1, None, True),
        ("lost_card", 2, None, True),  # the card is gone, whatever it is to pay
        ("fraudulent", 1, None, True),
        ("fraudulent", 2, None, False),  # one charge was suspicious, not the card
        ("authentication_required", 2, None, False),
        ("insufficient_funds", 1, None, False),  # another day it may be tried again
        ("lost_card", 2, timedelta(hours=-1), True),
        ("lost_card", 2, timedelta(hours=1), False),  # it was good since
        ("lost_card", 1, timedelta(hours=1), True),  # but for this invoice the answer was given
    ],
)
def test_a_hard_decline_stands_for_its_invoice_and_a_dead_card_for_all(
    code: str, invoice: int, charged: timedelta | None, stands: bool
) -> None:
    hard = [HardNo("card", 1, code, NOON)]
    at = None if charged is None else NOON + charged
    assert bool(codes_against("card", invoice, hard, charged_at=at)) is stands
    assert codes_against("another card", invoice, hard, charged_at=at) == ()


def test_who_pays_by_hand_is_told_so_before_anything_else() -> None:
    assert refusal_without_call(has_source=False, barred_why="x", earlier_codes=["lost_card"], by_hand=True) == BY_HAND
