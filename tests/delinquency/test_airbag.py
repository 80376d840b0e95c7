"""The airbag in a sweep: what is far from the usual is held, the rest runs, and two people decide."""

import json
from datetime import date
from typing import Any

import pytest
from django.core.management import call_command

from accounts.models import Attention, Notice
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.history import run_days
from delinquency.models import AirbagStep, AirbagTrip, Case, Event, Forecast, PolicyVersion, Standing
from delinquency.operations import new_draft, publish, reassess
from delinquency.operations.airbag_decisions import ask_release, dismiss, release
from invoicing.models import Charge, PaymentAttempt
from netenforce.models import Hold
from tests.factories import instant
from tests.towns import check, clerk, pay, town
from tests.worlds import sonar

pytestmark = pytest.mark.django_db

FEE = {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 5, "flat": "10.00"}
CHARGE = {
    "key": "card",
    "action": "charge",
    "anchor": "delinquent",
    "offset_days": 0,
    "source": "primary",
    "at": "09:00",
}
NINE = "2026-01-21 09:05"


def policy(**changes: Any) -> dict[str, Any]:
    base = sonar(status_switch_days=None)
    return base | {"steps": [FEE, *base["steps"]]} | changes


def cuts() -> int:
    return Event.objects.filter(kind__in=["restricted", "status_switch"]).count()


def decide(trip: AirbagTrip, local: str) -> None:
    """Have a trip released by two people."""
    with clock.at(instant(local)):
        ask_release(trip, by=clerk("ann"), reason="The town was flooded; all of them owe.")
        release(trip, by=clerk("bob"), reason="Seen the list.")


def test_twenty_cuts_go_and_the_twenty_first_is_held_with_them() -> None:
    town(policy(), 20)
    assert check(NINE).airbag is None
    assert cuts() == 20
    town(policy(), 1, first=21)
    result = check("2026-01-21 09:10")
    assert [(account.number, str(event.kind)) for account, event in result.held] == [
        ("0021", "late_fee"), ("0021", "restricted"),
    ]  # fmt: skip
    assert cuts() == 20


def test_harmful_steps_are_held_and_harmless_ones_run() -> None:
    town(policy(), 21)
    result = check(NINE)
    assert result.parked == []
    assert result.counts["account_delinquent"] == result.counts["notice"] == result.counts["ticket_opened"] == 21
    assert not Hold.objects.exists()
    assert not Charge.objects.exists()
    assert cuts() == 0
    trip = AirbagTrip.objects.get()
    assert (trip.kind, trip.state, str(trip.on), trip.planned, trip.limit) == ("cuts", "held", "2026-01-21", 21, 20)
    assert AirbagStep.objects.filter(trip=trip, kind="restricted").count() == 21
    assert AirbagStep.objects.filter(trip=trip, kind="late_fee", amount="10.00").count() == 21
    assert Attention.objects.get(code="airbag").words.startswith(
        "The airbag holds the accounts to be cut of 2026-01-21"
    )


def test_a_charge_is_held_too() -> None:
    town(policy(steps=[CHARGE, *policy()["steps"]]), 21)
    check(NINE)
    assert AirbagStep.objects.filter(kind="charge").count() == 21
    assert not PaymentAttempt.objects.exists()


def test_letters_of_a_held_day_say_nothing_of_a_cut() -> None:
    told = {"key": "told", "action": "notice", "anchor": "delinquent", "offset_days": 0, "channels": ["email"],
            "template": "slowed"}  # fmt: skip
    accounts = town(policy(steps=[*policy()["steps"], told]), 21)
    check(NINE)
    assert set(Notice.objects.values_list("template", flat=True)) == {"delinquent"}
    assert not any("slow" in body for body in Notice.objects.values_list("body", flat=True))
    decide(AirbagTrip.objects.get(), "2026-01-21 11:00")
    slowed = Notice.objects.filter(account=accounts[0], template="slowed").get()
    assert "now runs at a reduced speed" in slowed.body


def test_the_next_tick_of_the_day_neither_trips_again_nor_acts() -> None:
    town(policy(), 21)
    check(NINE)
    again = check("2026-01-21 09:10")
    assert (again.held, again.events) == ([], [])
    assert again.airbag is not None
    reassess(Standing.objects.first().account_id, at=instant("2026-01-21 10:00"))  # type: ignore[union-attr]
    assert (AirbagTrip.objects.count(), AirbagStep.objects.count(), cuts()) == (1, 42, 0)


def test_held_steps_go_on_waiting_at_the_next_days_check() -> None:
    town(policy(), 21)
    check(NINE)
    result = check("2026-01-22 09:05")
    assert len(result.held) == 42
    assert (AirbagTrip.objects.count(), AirbagStep.objects.count(), cuts()) == (1, 42, 0)


def test_a_release_decides_again_at_once_and_leaves_who_has_paid() -> None:
    accounts = town(policy(), 21)
    check(NINE)
    pay(accounts[0], "2026-01-21 10:00")
    decide(AirbagTrip.objects.get(), "2026-01-21 11:00")
    events = Event.objects.filter(kind="restricted")
    assert {str(event.on) for event in events} == {"2026-01-21"}
    assert {event.account_id for event in events} == {account.pk for account in accounts[1:]}
    assert Event.objects.filter(kind="late_fee").count() == 20
    assert not AirbagStep.objects.filter(again_at__isnull=True).exists()
    assert Case.objects.get(account=accounts[0]).stage == "closed"
    assert not Attention.objects.filter(code="airbag", resolved_at__isnull=True).exists()
    after = check("2026-01-21 11:05")
    assert (after.airbag, after.held, cuts()) == (None, [], 20)


def test_a_release_late_at_night_waits_for_the_next_check_which_does_not_trip_again() -> None:
    town(policy(), 21)
    check(NINE)
    decide(AirbagTrip.objects.get(), "2026-01-21 21:30")
    check("2026-01-22 08:05")
    assert cuts() == 0
    result = check("2026-01-22 09:05")
    assert (result.airbag, cuts(), AirbagTrip.objects.count()) == (None, 21, 1)
    town(policy(), 20, first=22)
    assert check("2026-01-22 09:10").airbag is None  # those that were released do not count


def test_a_dismissed_plan_stays_undone_until_the_next_days_check_plans_anew() -> None:
    accounts = town(policy(), 21)
    check(NINE)
    with clock.at(instant("2026-01-21 10:00")):
        dismiss(AirbagTrip.objects.get(), by=clerk("ann"), reason="Grace was set to 0 by mistake.")
    check("2026-01-21 15:05")
    assert cuts() == 0
    pay(accounts[0], "2026-01-21 16:00")
    result = check("2026-01-22 09:05")
    assert (result.airbag, cuts()) == (None, 20)


def test_two_different_people_must_agree() -> None:
    town(policy(), 21)
    check(NINE)
    trip, ann = AirbagTrip.objects.get(), clerk("ann")
    with clock.at(instant("2026-01-21 10:00")):
        with pytest.raises(Refused, match="nobody has asked"):
            release(trip, by=ann, reason="Fine.")
        with pytest.raises(Refused, match="Say why"):
            ask_release(trip, by=ann, reason=" ")
        ask_release(trip, by=ann, reason="Fine.")
        with pytest.raises(Refused, match="You have asked for this release yourself"):
            release(trip, by=ann, reason="Fine.")
        with pytest.raises(Refused, match="asked for already"):
            ask_release(trip, by=ann, reason="Fine.")
    assert cuts() == 0


@pytest.mark.parametrize(("published", "refused"), [("2026-01-14 10:01", True), ("2026-01-14 09:59", False)])
def test_who_published_the_policy_this_week_does_not_approve_what_it_does(published: str, refused: bool) -> None:
    town(policy(), 21)
    bob = clerk("bob")
    with clock.at(instant(published)):
        version = publish(new_draft(PolicyVersion.objects.get(policy__name="S")), by=bob)
    Standing.objects.update(policy_version=version)
    check(NINE)
    trip = AirbagTrip.objects.get()
    with clock.at(instant("2026-01-21 10:00")):
        ask_release(trip, by=clerk("ann"), reason="Fine.")
        if refused:
            with pytest.raises(Refused, match="You published S v2"):
                release(trip, by=bob, reason="Fine.")
        else:
            release(trip, by=bob, reason="Fine.")
    assert cuts() == (0 if refused else 21)


def test_days_like_those_before_are_not_held() -> None:
    town(policy(), 30)
    check(NINE, guarded=False)
    town(policy(), 30, issued_on="2026-02-01", first=100)
    assert check("2026-02-21 09:05").airbag is None
    assert cuts() == 60


def test_far_more_late_fees_than_on_the_largest_day_are_held() -> None:
    only_fees = {"status_switch_days": None, "name": "F"}
    town(policy(steps=[FEE], **only_fees), 30)
    assert check(NINE).airbag is None  # nothing to compare with
    dear = policy(steps=[FEE | {"flat": "13.00"}], status_switch_days=None, name="D")
    town(dear, 30, issued_on="2026-02-01", first=100)
    result = check("2026-02-21 09:05")
    assert result.airbag is not None
    trip = AirbagTrip.objects.get()
    assert (trip.kind, str(trip.planned), str(trip.limit)) == ("money", "390.00", "375.00")
    assert Event.objects.filter(kind="late_fee").count() == 30


def test_a_dry_run_says_what_would_be_held_and_writes_nothing() -> None:
    town(policy(), 21)
    result = check(NINE, dry_run=True)
    assert (len(result.held), result.airbag is not None) == (42, True)
    assert not AirbagTrip.objects.exists()
    assert not Event.objects.exists()


def test_history_is_not_held() -> None:
    town(policy(), 21)
    run_days(date(2026, 1, 20), date(2026, 1, 21))
    assert (cuts(), AirbagTrip.objects.count()) == (21, 0)


def test_the_command_lists_what_is_held_and_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    town(policy(), 21)
    command = call_command("run_delinquency", at=instant(NINE), json=True)
    assert command is None
    answer = json.loads(capsys.readouterr().out)
    assert answer["airbag"]["trips"][0] | {"words": ""} == {
        "kind": "cuts", "state": "held", "on": "2026-01-21", "planned": 21, "limit": 20, "words": "",
    }  # fmt: skip
    assert answer["held"][0] | {"why": ""} == {
        "account": "0001", "kind": "late_fee", "step": "fee", "invoice": "I-0001-2026-01-01", "amount": "10.00",
        "why": "",
    }  # fmt: skip


def test_late_fees_that_the_forecast_foresaw_are_not_held() -> None:
    only_fees = {"status_switch_days": None, "name": "F"}
    town(policy(steps=[FEE], **only_fees), 30)
    assert check(NINE).airbag is None
    town(
        policy(steps=[FEE | {"flat": "13.00"}], status_switch_days=None, name="D"),
        30,
        issued_on="2026-02-01",
        first=100,
    )
    Forecast.objects.create(for_on=date(2026, 2, 21), made_at=instant("2026-02-20 12:00"), fee_total="390.00")
    assert check("2026-02-21 09:05").airbag is None
    assert Event.objects.filter(kind="late_fee").count() == 60
