"""Which source next: primary, then secondary, then stop."""

import pytest

from invoicing.rules.collection import Next, may_try, refusal_without_call


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
