"""Quiet hours: 08:00 to 21:00 where the contact is, and where the account is, at the same time."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.outreach import rules

ZONES = (
    "America/New_York", "Pacific/Honolulu", "Asia/Kolkata", "Asia/Kathmandu",
    "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia", "Pacific/Chatham",
    "Europe/Berlin", "America/Sao_Paulo", "Asia/Beirut",
)  # fmt: skip


def local(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("due", "zone", "sent"),
    [
        ("2026-01-21 07:59:59", "America/New_York", "2026-01-21 08:00"),
        ("2026-01-21 08:00", "America/New_York", "2026-01-21 08:00"),
        ("2026-01-21 20:59:59", "America/New_York", "2026-01-21 20:59:59"),
        ("2026-01-21 21:00", "America/New_York", "2026-01-22 08:00"),
        ("2026-01-21 00:05", "America/New_York", "2026-01-21 08:00"),
        # The night in which clocks go forward, and the night in which they go back.
        ("2026-03-07 22:00", "America/New_York", "2026-03-08 08:00"),
        ("2026-03-08 01:30", "America/New_York", "2026-03-08 08:00"),
        ("2026-10-31 23:30", "America/New_York", "2026-11-01 08:00"),
        # Half and quarter hours, and a change of half an hour.
        ("2026-06-01 07:45", "Asia/Kolkata", "2026-06-01 08:00"),
        ("2026-06-01 21:15", "Asia/Kathmandu", "2026-06-02 08:00"),
        ("2026-10-04 01:00", "Australia/Lord_Howe", "2026-10-04 08:00"),
        ("2026-12-31 21:00", "Pacific/Honolulu", "2027-01-01 08:00"),
    ],
)
def test_a_letter_waits_for_a_decent_hour_in_its_zone(due: str, zone: str, sent: str) -> None:
    assert rules.next_allowed_at(local(due, zone), [zone]) == local(sent, zone)


@pytest.mark.parametrize(
    ("due", "sent"),
    [
        # Honolulu is five hours behind New York in winter: decent in both is 13:00 to 21:00 in New York.
        ("2026-01-21 09:00", "2026-01-21 13:00"),
        ("2026-01-21 12:59:59", "2026-01-21 13:00"),
        ("2026-01-21 20:59", "2026-01-21 20:59"),
        ("2026-01-21 21:00", "2026-01-22 13:00"),
        ("2026-01-21 23:00", "2026-01-22 13:00"),
    ],
)
def test_where_two_zones_are_known_it_must_be_decent_in_both(due: str, sent: str) -> None:
    both = ["Pacific/Honolulu", "America/New_York"]
    assert rules.next_allowed_at(local(due, "America/New_York"), both) == local(sent, "America/New_York")


@given(
    moment=st.datetimes(datetime(2024, 1, 1), datetime(2029, 1, 1)).map(lambda naive: naive.replace(tzinfo=UTC)),
    first=st.sampled_from(ZONES),
    second=st.sampled_from((*ZONES, "")),
)
def test_nothing_is_ever_sent_outside_the_hours_of_either_zone(moment: datetime, first: str, second: str) -> None:
    sent = rules.next_allowed_at(moment, [first, second])
    assert moment <= sent <= moment + timedelta(days=2)
    for zone in filter(None, (first, second)):
        assert 8 <= sent.astimezone(ZoneInfo(zone)).hour < 21


def test_a_letter_that_was_asked_for_goes_out_at_any_hour() -> None:
    night = local("2026-01-21 03:00", "America/New_York")
    assert rules.send_at(night, template="portal_link", zones=["America/New_York"]) == night
    assert rules.send_at(night, template="past_due", zones=["America/New_York"]) > night


@pytest.mark.parametrize(
    ("reach", "channel", "why"),
    [
        (rules.Reach(email="a@b.example", allowed={"email": True}), "email", ""),
        (
            rules.Reach(email="a@b.example", allowed={"email": False}),
            "email",
            "The contact does not allow email.",
        ),
        (rules.Reach(email="", allowed={"email": True}), "email", "The contact has no e-mail address."),
        (rules.Reach(phone="+15550100123", allowed={"sms": True}), "sms", ""),
        (
            rules.Reach(phone="+15550100123", allowed={"sms": True}),
            "voice",
            "The contact does not allow voice.",
        ),
        (rules.Reach(phone="", allowed={"voice": True}), "voice", "The contact has no phone number."),
    ],
)
def test_a_channel_needs_an_address_and_permission(reach: rules.Reach, channel: str, why: str) -> None:
    assert rules.why_unreachable(reach, channel) == why
