"""Pure: may this go out to this person by this channel at this instant (SEC-17, R-10, R-11, D6)?

Asked inside the transaction that begins a send, with facts read there; whatever was planned earlier, this decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from decimal import Decimal
from enum import Enum

from . import rules
from .rules import Reach

CALLS_WITHIN = timedelta(days=7)
A_DAY = timedelta(days=1)
STOPPED_FOR = timedelta(minutes=15)


class Answer(Enum):
    """What the gate says."""

    GO = "go"
    WAIT = "wait"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, its reason in words, and when to ask again if it is to wait.

    ``person``: the obstacle is this person's address or wish, so another channel may do better.
    """

    answer: Answer
    why: str = ""
    until: datetime | None = None
    person: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The contact rules of a company."""

    opens: time = rules.OPENS
    closes: time = rules.CLOSES
    calls_max: int = 7
    quiet_days: int = 7
    per_number_max: int = 3
    countries: frozenset[str] = frozenset({"US", "CA"})
    needs_recorded_consent: bool = False
    spend_max: Decimal = Decimal(200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: an attempt of ours, or the customer calling us, which is a talk but no attempt."""

    at: datetime
    talked: bool
    attempt: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is true about one message at the moment of sending."""

    channel: str
    reach: Reach
    zones: tuple[str, ...]
    asked_for: bool = False
    step: str = ""
    suppressed: str = ""
    consent_recorded: bool = True
    country: str = ""
    takes_money: bool = False
    calls: Sequence[Call] = ()
    sent_at: Sequence[datetime] = field(default=())  # texts and voice notices to this number within the last day
    breaker: str = ""
    spent: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)

    @property
    def by_phone(self) -> bool:
        """Tell whether a number is texted or called."""
        return self.channel != "email"


def decide(facts: Facts, limits: Limits, at: datetime) -> Verdict:
    """Decide about one message. A reason that will never pass comes before one that will."""
    never = _never(facts, limits)
    if never:
        return never
    wait = _wait(facts, limits, at)
    return wait or Verdict(Answer.GO)


def over_the_cap(facts: Facts, limits: Limits) -> str:
    """Return why this message would cost more than a day may, or an empty text; the breaker trips for it (R-11)."""
    if facts.by_phone and facts.spent + facts.cost > limits.spend_max:
        return f"Texts and calls of today cost {facts.spent:.2f} of {limits.spend_max:.2f} already."
    return ""


def _never(facts: Facts, limits: Limits) -> Verdict | None:
    why = rules.why_unreachable(facts.reach, facts.channel, step=facts.step)
    if why:
        return Verdict(Answer.NEVER, why, person=True)
    if facts.suppressed:
        return Verdict(Answer.NEVER, facts.suppressed, person=True)
    if not facts.by_phone:
        return None
    if facts.takes_money:
        return Verdict(Answer.NEVER, "Calls to this number cost extra; it is never texted or called.", person=True)
    if facts.country not in limits.countries:
        named = facts.country or "no known country"
        return Verdict(
            Answer.NEVER,
            f"The number is of {named}, which is not among the countries of the contact rules.",
            person=True,
        )
    if limits.needs_recorded_consent and not facts.consent_recorded:
        return Verdict(Answer.NEVER, "The contact has not agreed to be texted or called.", person=True)
    return None


def _wait(facts: Facts, limits: Limits, at: datetime) -> Verdict | None:
    """Return the wait that ends last, so that whoever asks again then meets no other wait known now."""
    if facts.breaker:
        return Verdict(Answer.WAIT, facts.breaker, at + STOPPED_FOR)
    found = at
    why = ""
    for until, words in (*_calls(facts, limits, at), *_caps(facts, limits, at)):
        if until > found:
            found, why = until, words
    if facts.asked_for:
        return Verdict(Answer.WAIT, why, found) if found > at else None
    decent = rules.next_allowed_at(found, facts.zones, opens=limits.opens, closes=limits.closes)
    if not rules.may_send_at(decent, facts.zones, opens=limits.opens, closes=limits.closes):
        zones = ", ".join(facts.zones)
        return Verdict(Answer.NEVER, f"No hour of the day is decent in all of {zones}.", person=True)
    if decent > found:
        why = why or f"It is not between {limits.opens:%H:%M} and {limits.closes:%H:%M} where the person is."
    return Verdict(Answer.WAIT, why, decent) if decent > at else None


def _calls(facts: Facts, limits: Limits, at: datetime) -> list[tuple[datetime, str]]:
    """Return the waits that earlier calls ask for: at most so many in 7 days, none in the days after a talk."""
    if facts.channel != "voice":
        return []
    found = []
    recent = sorted(call.at for call in facts.calls if call.attempt and call.at > at - CALLS_WITHIN)
    if len(recent) >= limits.calls_max:
        free_at = recent[len(recent) - limits.calls_max] + CALLS_WITHIN
        found.append((free_at, f"There were {len(recent)} attempts to call within 7 days; {limits.calls_max} may be."))
    quiet = timedelta(days=limits.quiet_days)
    talks = [call.at for call in facts.calls if call.talked and call.at > at - quiet]
    if talks:
        found.append((max(talks) + quiet, f"They were spoken to within the last {limits.quiet_days} days."))
    return found


def _caps(facts: Facts, limits: Limits, at: datetime) -> list[tuple[datetime, str]]:
    """Return the wait that a number's cap asks for; a mailbox has none: it may belong to a hundred accounts."""
    recent = sorted(moment for moment in facts.sent_at if moment > at - A_DAY)
    if not facts.by_phone or len(recent) < limits.per_number_max:
        return []
    free_at = recent[len(recent) - limits.per_number_max] + A_DAY
    return [(free_at, f"{len(recent)} messages went to this number within a day; {limits.per_number_max} may.")]
