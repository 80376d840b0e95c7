"""What more time would do to an account, before anybody confirms it (G6, G7). Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from accounts.models import Account
from billing_project.kernel import clock

from .ahead import prospect
from .models import Standing, StepRun
from .policy_file import policy_of
from .rules.actions import Event, Kind
from .rules.ahead import Supposed
from .rules.effect import Bill, Change, changes, extra_bills
from .rules.facts import Grant
from .rules.policy import Policy

ONE_DAY = timedelta(days=1)
# Two months of bills after the longest ladder: whether a switch still comes before a bill shows within them.
BEYOND_DAYS = 62


@dataclass(frozen=True, slots=True)
class Effect:
    """The dates of an account as they are, and with more time."""

    until_on: date
    lift_now: bool
    today: date
    delinquent_since: date | None
    opens_on: date  # the first date, after exclusions, on which it may become delinquent
    running_until: date | None = None  # a Grace Until that runs now
    why_closed: str = ""  # why the date itself is not open; empty if it is
    entry_now_on: date | None = None  # when it becomes delinquent if nothing is paid: as it is,
    entry_on: date | None = None  # and with the time
    rows: tuple[Change, ...] = ()
    extra: tuple[Bill, ...] = ()
    in_force: frozenset[str] = frozenset()  # the levels, and the switch, that hold now
    foretold: bool = False  # False for an account that is closed, or under no policy

    @property
    def may_on(self) -> date:
        """Return the first date on which it may become delinquent, as far as can be told."""
        return max(self.entry_on, self.opens_on) if self.entry_on else self.opens_on

    @property
    def through_on(self) -> date:
        """Return the last day under protection (D7)."""
        return self.may_on - ONE_DAY

    @property
    def already(self) -> bool:
        """Tell whether it is delinquent already and stays so (A8, G7b)."""
        return self.delinquent_since is not None and not self.lift_now

    @property
    def lifts(self) -> bool:
        """Tell whether a running case ends at once."""
        return self.delinquent_since is not None and self.lift_now

    @property
    def changed(self) -> tuple[Change, ...]:
        """Return what differs."""
        return tuple(row for row in self.rows if row.differs)

    @property
    def nothing(self) -> bool:
        """Tell whether nothing would change (G7)."""
        return self.foretold and not self.lifts and not self.changed

    @property
    def shortens(self) -> bool:
        """Tell whether a longer grace that runs would end earlier: the last grant counts."""
        return self.running_until is not None and self.until_on < self.running_until


def effect_of(account: Account, until_on: date, *, lift_now: bool = False) -> Effect:
    """Play an account ahead twice, as it is and with Grace Until a date, and compare."""
    return effects_of(account, [until_on], lift_now=lift_now)[0]


def effects_of(account: Account, dates: Sequence[date], *, lift_now: bool = False) -> list[Effect]:
    """Return what each of some dates would do; the account as it is is played ahead only once."""
    today = clock.today(account.timezone)
    standing = Standing.objects.select_related("policy_version").filter(account=account).first()
    if standing is None or account.closed_on is not None:
        since = standing.delinquent_since if standing else None
        return [
            Effect(until_on=on, lift_now=lift_now, today=today, delinquent_since=since, opens_on=on) for on in dates
        ]
    policy = policy_of(standing.policy_version)
    horizon = max([*dates, today]) + timedelta(days=_ladder_days(policy) + BEYOND_DAYS)
    before = prospect(account, horizon)
    assert before is not None
    runs = StepRun.objects.filter(account=account, in_force=True).values_list("action", "level")
    in_force, numbers = frozenset(level or action for action, level in runs), _open_numbers(account)
    found = []
    for until_on in dates:
        after = prospect(account, horizon, supposed=Supposed(grants=(Grant(before.now, until_on, lift_now),)))
        assert after is not None
        found.append(
            Effect(
                until_on=until_on,
                lift_now=lift_now,
                today=today,
                delinquent_since=standing.delinquent_since,
                running_until=standing.grace_until if standing.grace_until and standing.grace_until > today else None,
                opens_on=policy.calendar.next_open(until_on),
                why_closed=policy.calendar.why_closed(until_on),
                entry_now_on=_entry(before.events),
                entry_on=_entry(after.events),
                rows=tuple(changes(before.events, after.events, numbers)),
                extra=tuple(extra_bills(before.events, after.events)),
                in_force=in_force,
                foretold=True,
            )
        )
    return found


def _entry(events: tuple[Event, ...]) -> date | None:
    return next((event.on for event in events if event.kind is Kind.ACCOUNT_DELINQUENT), None)


def _open_numbers(account: Account) -> frozenset[str]:
    return frozenset(account.invoices.filter(state="open").values_list("number", flat=True))


def _ladder_days(policy: Policy) -> int:
    """Return how long after the entry a policy's last step may come."""
    return max([31, *(step.offset_days for step in policy.ladder if step.after_day_of_month is None)])
