"""The network room's pure rules: which level, which order, which drift."""

import pytest

from netenforce.models.hold import LEVEL_ORDER
from netenforce.rules.commands import addresses, diff, seen
from netenforce.rules.desired import LEVELS, Held, hardest, rank
from netenforce.rules.supersede import Decision, Pending, decide


def held(levels: dict[str, str]) -> dict[str, Held]:
    return {address: Held(level=level) for address, level in levels.items()}


def test_the_rules_know_the_same_levels_in_the_same_order_as_the_models() -> None:
    assert {level: rank(level) for level in LEVELS} == {str(level.value): place for level, place in LEVEL_ORDER.items()}


@pytest.mark.parametrize(
    ("levels", "wins"),
    [
        ([], "open"),
        (["throttle"], "throttle"),
        (["throttle", "suspend", "walled_garden"], "suspend"),
        (["walled_garden", "throttle"], "walled_garden"),
        (["open"], "open"),
    ],
)
def test_the_hardest_active_hold_wins(levels: list[str], wins: str) -> None:
    assert hardest(levels) == wins


WAITING = Pending(level="suspend", may_have_left=False)
GONE = Pending(level="suspend", may_have_left=True)


@pytest.mark.parametrize(
    ("wanted", "observed", "pending", "sure", "decision"),
    [
        # Nothing under way.
        ("throttle", "open", None, True, Decision(send=True)),
        ("suspend", "throttle", None, True, Decision(send=True)),
        ("open", "throttle", None, True, Decision(send=True, restores=True)),
        ("throttle", "suspend", None, True, Decision(send=True, restores=True)),
        ("open", "open", None, True, Decision()),
        # An earlier order was given up without a read-back: nobody is sure that the line is open.
        ("open", "open", None, False, Decision(send=True, restores=True)),
        # Undone before it left (G9), and after.
        ("open", "open", WAITING, True, Decision(end_pending_as="cancelled")),
        ("open", "open", WAITING, False, Decision(end_pending_as="superseded", send=True, restores=True)),
        ("open", "open", GONE, True, Decision(end_pending_as="superseded", send=True, restores=True)),
        # Milder than what waits, yet harder than what is: a restriction still.
        ("throttle", "open", WAITING, True, Decision(end_pending_as="superseded", send=True)),
        # Milder than what may be there already: a restore.
        ("throttle", "open", GONE, True, Decision(end_pending_as="superseded", send=True, restores=True)),
        # What waits is what is wanted.
        ("suspend", "open", WAITING, True, Decision()),
    ],
)
def test_what_becomes_of_the_order_under_way(
    wanted: str, observed: str, pending: Pending | None, sure: bool, decision: Decision
) -> None:
    assert decide(wanted=wanted, observed=observed, pending=pending, sure=sure) == decision


def test_drift_is_told_by_class_and_freeing_comes_first() -> None:
    drift = diff(
        held({"a": "suspend", "b": "throttle", "c": "throttle", "d": "open"}),
        held({"b": "suspend", "c": "throttle", "d": "throttle", "stranger": "suspend"}),
    )
    assert drift.missing == held({"a": "suspend"})
    assert drift.stale == held({"b": "throttle"})
    assert drift.extra == held({"d": "throttle", "stranger": "suspend"})
    assert list(drift.commands().items()) == list(
        held({"d": "open", "stranger": "open", "b": "throttle", "a": "suspend"}).items()
    )
    assert diff(held({"a": "throttle"}), held({"a": "throttle"})).commands() == {}


def test_the_right_level_in_the_wrong_list_is_stale() -> None:
    slow, slower = Held(level="throttle", list_name="Slow"), Held(level="throttle", list_name="Slower")
    assert diff({"a": slow}, {"a": slower}).stale == {"a": slow}
    assert diff({"a": slow}, {"a": Held(level="throttle")}).commands() == {}  # a device that tells no list


@pytest.mark.parametrize(
    ("fields", "known_by"),
    [
        (
            {"ipv4": "100.64.0.1", "ipv6": "2001:db8::/56", "radius_username": "rosa"},
            ("100.64.0.1", "2001:db8::/56"),
        ),
        ({"ipv4": "", "ipv6": "", "radius_username": "rosa"}, ("rosa",)),
        ({"ipv4": "", "ipv6": "", "radius_username": ""}, ()),
    ],
)
def test_a_device_knows_a_line_by_the_first_group_it_has_something_of(
    fields: dict[str, str], known_by: tuple[str, ...]
) -> None:
    assert addresses(fields, (("ipv4", "ipv6"), ("radius_username",))) == known_by


@pytest.mark.parametrize(
    ("read", "wanted", "told"),
    [
        ({"a": "suspend", "b": "suspend"}, "suspend", "suspend"),
        ({"a": "suspend", "b": "open"}, "suspend", "open"),
        ({"a": "open", "b": "throttle"}, "open", "throttle"),
        ({}, "open", "open"),
        ({"a": "throttle", "b": "suspend"}, "open", "suspend"),
    ],
)
def test_half_done_is_not_done(read: dict[str, str], wanted: str, told: str) -> None:
    assert seen(("a", "b"), held(read), Held(level=wanted)).level == told
