"""Why a line is as it is, in sentences."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import ServiceLine
from billing_project.kernel import clock
from netenforce.models import AddressList, LineState
from netenforce.operations import open_window, place_hold
from netenforce.operations.lines import place_on
from netenforce.why import why_line_is
from tests.factories import instant, make_account, make_device, make_line

pytestmark = pytest.mark.django_db

NINE = instant("2026-01-21 09:00")


def test_a_line_that_nothing_restricts() -> None:
    line = make_line(make_account(), "100.64.0.1")
    assert why_line_is(line) == [
        "Nothing restricts it, so it should be open.",
        "It is on no device, so nothing slows or opens it. Choose its devices.",
    ]


def test_each_cause_the_list_on_each_device_and_what_the_device_said() -> None:
    account = make_account()
    north, south = make_device("north"), make_device("south")
    line = make_line(account, "100.64.0.1", device=north)
    place_on(line, [north, south])
    AddressList.objects.create(name="Late", level="throttle", cause="non_payment", position=10, rate_up_kbit=1)
    AddressList.objects.get(name="Late").devices.add(north)
    others = " the others of that level that the account meets (Delinquent-Throttle)."
    only = ", the only one of that level there that the account meets."
    with clock.at(NINE):
        place_hold(account_id=account.pk, cause="non_payment", cause_key="c", level="throttle", why="40.00 unpaid")
        place_hold(account_id=account.pk, cause="request", cause_key="r", level="throttle", why="away")
        LineState.objects.filter(device=north).update(
            observed_level="throttle", observed_list="Late", observed_at=NINE + timedelta(minutes=1), remark="Now."
        )
        assert why_line_is(line) == [
            "To be slowed for non-payment since 2026-01-21 09:00: 40.00 unpaid.",
            "To be slowed for customer's request since 2026-01-21 09:00: away.",
            f"north: it should be slowed since 2026-01-21 09:00, by list Late, which goes before{others}",
            "north said on 2026-01-21 09:01 that it is slowed (list Late). Now.",
            f"south: it should be slowed since 2026-01-21 09:00, by list Delinquent-Throttle{only}",
            "south has not been asked about it yet.",
        ]


def test_a_payment_window_and_a_device_that_says_otherwise() -> None:
    account = make_account()
    line = make_line(account, "100.64.0.1", device=make_device("north"))
    with clock.at(NINE):
        place_hold(account_id=account.pk, cause="non_payment", cause_key="c", level="suspend", why="40.00 unpaid.")
        LineState.objects.update(observed_level="suspend", observed_at=NINE)
        open_window(account_id=account.pk, key="k", scope="s", why="he pays")
        said = why_line_is(line)
    assert said[0].endswith("40.00 unpaid. It rests at the moment.")
    assert said[1] == "Open for a payment until 2026-01-21 09:15: he pays."
    assert said[3].endswith(
        "it is suspended. That is not what it should be: the order is on its way, or the next comparison sends it."
    )


def test_it_costs_the_same_however_much_there_is_to_say() -> None:
    account = make_account()
    line = make_line(account, "100.64.0.1", device=make_device("d0"))

    def queries() -> int:
        fresh = ServiceLine.objects.select_related("account").get(pk=line.pk)
        with CaptureQueriesContext(connection) as captured:
            why_line_is(fresh)
        return len(captured)

    few = queries()
    place_on(line, [make_device(f"d{number}") for number in range(1, 6)])
    for number in range(5):
        place_hold(account_id=account.pk, cause="abuse", cause_key=f"a{number}", level="throttle", why="spam")
    assert queries() == few == 5
