"""The gate before every send: hours, calls, caps, countries, consent; 100,000 random cases against a second reading."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.outreach import gate
from accounts.outreach.gate import Answer, Call, Facts, Limits, Verdict
from accounts.outreach.numbers import facts_of
from accounts.outreach.rules import Reach

ZONES = (
    "America/New_York", "America/Denver", "Pacific/Honolulu", "America/St_Johns", "Australia/Lord_Howe",
    "Asia/Kathmandu", "Pacific/Chatham", "America/Havana", "Africa/Cairo", "Asia/Beirut", "Europe/London",
    "America/Phoenix", "Pacific/Apia", "America/Sao_Paulo", "Atlantic/Azores",
)  # fmt: skip
# Nights on which clocks change somewhere in that list, the midnight gaps among them.
CHANGES = tuple(
    datetime.fromisoformat(text).replace(tzinfo=UTC)
    for text in (
        "2026-03-08 07:00", "2026-11-01 06:00", "2026-03-29 01:00", "2026-10-25 01:00", "2026-04-04 15:00",
        "2026-10-03 15:30", "2026-03-28 22:00", "2026-04-23 22:00", "2018-11-04 03:00", "2026-03-08 05:00",
    )
)  # fmt: skip
ALL = {"email": True, "sms": True, "voice": True}
ANN = Reach(email="ann@customer.example", phone="+12125550123", allowed=ALL)
NOON = datetime(2026, 1, 21, 17, tzinfo=UTC)  # in New York
CASES_PER_EXAMPLE = 100
EXAMPLES = 1_000


def facts(channel: str = "sms", **changes: object) -> Facts:
    """A message that may go out at noon."""
    given: dict[str, object] = {"channel": channel, "reach": ANN, "zones": ("America/New_York",), "country": "US"}
    return Facts(**(given | changes))  # type: ignore[arg-type]


def drawn(random: Random) -> tuple[Facts, Limits, datetime]:
    """Make up a message, the rules and an instant; often near a change of clocks or near the edge of a rule."""
    at = random.choice(CHANGES) + timedelta(minutes=random.randint(-2_000, 2_000))
    if random.random() < 0.5:
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=random.randint(0, 366 * 86_400))
    limits = Limits(
        calls_max=random.randint(1, 7), quiet_days=random.choice((7, 7, 14)), per_number_max=random.randint(1, 4),
        countries=frozenset(random.sample(("US", "CA", "ES"), 2)), needs_recorded_consent=random.random() < 0.3,
        spend_max=Decimal(random.randint(0, 5)),
    )  # fmt: skip
    age = ages(random, limits.quiet_days)
    made = Facts(
        channel=random.choice(("email", "sms", "voice")),
        reach=replace(ANN, allowed={name: random.random() < 0.9 for name in ALL}),
        zones=tuple(random.sample(ZONES, random.choice((1, 1, 2, 2, 3)))),
        asked_for=random.random() < 0.1,
        suppressed="bounced" if random.random() < 0.1 else "",
        consent_recorded=random.random() < 0.7,
        country=random.choice(("US", "CA", "ES", "")),
        takes_money=random.random() < 0.05,
        calls=[Call(at=at - age(), talked=random.random() < 0.15) for _ in range(random.choice((0, 0, 3, 8)))],
        sent_at=[at - timedelta(hours=random.uniform(0, 30)) for _ in range(random.choice((0, 0, 2, 5)))],
        breaker="stopped" if random.random() < 0.03 else "",
    )
    return made, limits, at


def ages(random: Random, quiet_days: int):  # type: ignore[no-untyped-def]
    """Return ages of calls: anything up to three weeks, and the very edges of the rules."""
    edges = [timedelta(days=7), timedelta(days=quiet_days)]
    nudges = [timedelta(seconds=-1), timedelta(0), timedelta(seconds=1)]

    def age() -> timedelta:
        if random.random() < 0.2:
            return random.choice(edges) + random.choice(nudges)
        return timedelta(seconds=random.randint(1, 21 * 86_400))

    return age


def may_really_go(facts: Facts, limits: Limits, at: datetime) -> bool:
    """Say it again in other words, straight from SEC-17 and R-11."""
    if not facts.reach.allowed[facts.channel] or facts.suppressed or facts.breaker:
        return False
    if facts.channel != "email":
        if facts.takes_money or facts.country not in limits.countries:
            return False
        if limits.needs_recorded_consent and not facts.consent_recorded:
            return False
    if not facts.asked_for:
        for name in facts.zones:
            there = at.astimezone(ZoneInfo(name))
            if not 8 <= there.hour < 21:
                return False
    if facts.channel == "voice":
        ages = [at - call.at for call in facts.calls]
        if sum(age < timedelta(days=7) for age in ages) >= limits.calls_max:
            return False
        if any(call.talked and at - call.at < timedelta(days=limits.quiet_days) for call in facts.calls):
            return False
    sent = sum(at - moment < timedelta(days=1) for moment in facts.sent_at)
    return facts.channel == "email" or sent < limits.per_number_max


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(min_value=0, max_value=2**63))
def test_of_a_hundred_thousand_cases_none_goes_out_that_may_not(seed: int) -> None:
    random = Random(seed)
    for _ in range(CASES_PER_EXAMPLE):
        made, limits, at = drawn(random)
        verdict = gate.decide(made, limits, at)
        assert (verdict.answer is Answer.GO) == may_really_go(made, limits, at), (made, limits, at, verdict)
        if verdict.answer is Answer.WAIT and not made.breaker:
            _waits_just_long_enough(made, limits, at, verdict)
        if verdict.why.startswith("No hour") and not (made.calls or made.sent_at):
            quarters = [at + timedelta(minutes=15 * n) for n in range(4 * 24 * 2)]
            assert not any(may_really_go(made, limits, moment) for moment in quarters), (made, limits, at)


def _waits_just_long_enough(made: Facts, limits: Limits, at: datetime, verdict: Verdict) -> None:
    assert verdict.until is not None
    assert verdict.until > at
    assert verdict.why
    assert may_really_go(made, limits, verdict.until), (made, limits, at, verdict)
    sooner = verdict.until - timedelta(seconds=1)
    assert sooner <= at or not may_really_go(made, limits, sooner), (made, limits, at, verdict)


def test_the_random_cases_reach_every_answer_and_every_rule() -> None:
    random = Random(1)
    seen: dict[str, int] = {}
    for _ in range(5_000):
        verdict = gate.decide(*drawn(random))
        words = verdict.why.split(".", maxsplit=1)[0][:14] if verdict.why else ""
        seen[f"{verdict.answer.value} {words}".strip()] = seen.get(f"{verdict.answer.value} {words}".strip(), 0) + 1
    for beginning in (
        "go",
        "wait It is not",
        "wait There were",
        "wait They were",
        "never The contact",
        "never bounced",
    ):
        assert any(key.startswith(beginning) for key in seen), (beginning, seen)


@pytest.mark.parametrize(("local", "answer"), [
    ("07:59:59", Answer.WAIT), ("08:00:00", Answer.GO), ("20:59:59", Answer.GO), ("21:00:00", Answer.WAIT),
])  # fmt: skip
def test_eight_is_early_enough_and_nine_in_the_evening_too_late(local: str, answer: Answer) -> None:
    at = datetime.fromisoformat(f"2026-01-21T{local}").replace(tzinfo=ZoneInfo("America/New_York"))
    assert gate.decide(facts(), Limits(), at).answer is answer


def test_where_the_number_is_and_where_the_line_is_must_both_be_awake() -> None:
    both = facts(zones=("America/New_York", "Pacific/Honolulu"))
    verdict = gate.decide(both, Limits(), datetime(2026, 1, 21, 14, tzinfo=UTC))  # 09:00 and 04:00
    assert verdict.until == datetime(2026, 1, 21, 18, tzinfo=UTC)
    assert gate.decide(both, Limits(), verdict.until).answer is Answer.GO


def test_a_person_of_zones_that_are_never_awake_together_is_left_alone() -> None:
    narrow = Limits(opens=gate.rules.OPENS, closes=gate.rules.OPENS.replace(hour=9))
    verdict = gate.decide(facts(zones=("America/New_York", "Asia/Tokyo")), narrow, NOON)
    assert verdict.answer is Answer.NEVER
    assert "No hour" in verdict.why


def seven(*hours_ago: int, talked: bool = False) -> Sequence[Call]:
    return [Call(at=NOON - timedelta(hours=hours), talked=talked) for hours in hours_ago]


def test_the_eighth_call_in_seven_days_waits_until_the_first_is_a_week_old() -> None:
    six = facts("voice", calls=seven(160, 140, 120, 100, 80, 60))
    assert gate.decide(six, Limits(), NOON).answer is Answer.GO
    verdict = gate.decide(facts("voice", calls=seven(160, 140, 120, 100, 80, 60, 40)), Limits(), NOON)
    assert verdict.answer is Answer.WAIT
    assert verdict.until == NOON + timedelta(hours=8)
    assert "7 attempts" in verdict.why


def test_nobody_is_called_within_a_week_after_a_talk_but_may_be_texted() -> None:
    talked = seven(1, talked=True)
    verdict = gate.decide(facts("voice", calls=talked), Limits(), NOON)
    assert (verdict.answer, verdict.until) == (Answer.WAIT, NOON - timedelta(hours=1) + timedelta(days=7))
    assert gate.decide(facts("sms", calls=talked), Limits(), NOON).answer is Answer.GO


def test_a_customer_who_called_us_was_spoken_to_and_that_was_no_attempt_of_ours() -> None:
    theirs = [Call(at=NOON - timedelta(hours=n), talked=False, attempt=False) for n in range(1, 9)]
    assert gate.decide(facts("voice", calls=theirs), Limits(), NOON).answer is Answer.GO
    one = [Call(at=NOON - timedelta(hours=1), talked=True, attempt=False)]
    assert gate.decide(facts("voice", calls=one), Limits(), NOON).answer is Answer.WAIT


def test_what_somebody_asked_for_goes_out_at_night_but_not_without_end() -> None:
    night = datetime(2026, 1, 21, 8, tzinfo=UTC)
    assert gate.decide(facts(asked_for=True), Limits(), night).answer is Answer.GO
    thrice = [night - timedelta(minutes=minutes) for minutes in (1, 2, 3)]
    assert gate.decide(facts(asked_for=True, sent_at=thrice), Limits(), night).answer is Answer.WAIT


def test_a_day_may_cost_its_cap_and_not_a_cent_more() -> None:
    limits = Limits(spend_max=Decimal("1.00"))
    assert not gate.over_the_cap(facts(spent=Decimal("0.98"), cost=Decimal("0.02")), limits)
    assert gate.over_the_cap(facts(spent=Decimal("0.98"), cost=Decimal("0.03")), limits)
    assert not gate.over_the_cap(facts("email", spent=Decimal("9"), cost=Decimal("0.03")), limits)


@pytest.mark.parametrize(("number", "country", "takes_money", "zone"), [
    ("+12125550123", "US", False, "America/New_York"), ("+18085550123", "US", False, "Pacific/Honolulu"),
    ("+19005550123", "US", True, ""), ("+18765550123", "JM", False, ""), ("+15550100123", "US", False, ""),
    ("+34911234567", "ES", False, "Europe/Madrid"), ("+9990001", "", False, ""), ("nonsense", "", False, ""),
])  # fmt: skip
def test_a_number_says_where_it_is_and_whether_it_costs_extra(
    number: str, country: str, takes_money: bool, zone: str
) -> None:
    said = facts_of(number)
    assert (said.country, said.takes_money, said.zone) == (country, takes_money, zone)
