"""What other pages ask about an account's delinquency: what comes next, and what would stop it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from accounts.models import Account, Notice
from accounts.outreach.fallback import out_of_reach
from accounts.queries import NoticeKey, notice_states
from billing_project.kernel import clock
from netenforce.rules.desired import LEVELS, rank

from .reading import Position, read_positions
from .rules.actions import Event
from .rules.facts import Cut
from .rules.policy import Do
from .rules.timeline import advance
from .rules.when import LOOK

NOTICE_MISSING = "The notice that must come first was not accepted."
NOTHING_OWED = "Nothing is owed for it any more."
# How soon it is looked again whether an unclear payment has become clear.
ASKED_AGAIN_AFTER = timedelta(minutes=1)
# A policy under which no day is open for over a year cuts nobody; its orders are looked at now and then all the same.
ASKED_AGAIN_AT_LATEST = timedelta(days=30)
# Something is owed, but what it asks for is milder.
TOO_HARD = "What is owed now does not ask for so hard a restriction."
MILDEST = LEVELS[1]
DAYTIME = time(9), time(21)
OUT_OF_REACH = "The billing contact cannot be reached any more, so nobody was told."


@dataclass(frozen=True, slots=True)
class Coming:
    """One thing that will happen if nothing is paid."""

    on: date
    local_at: datetime
    kind: str
    invoice: str | None
    amount: str | None
    step: str | None
    level: str  # how hard the step restricts; empty if it does not
    why: str


def upcoming(account: Account, until: date) -> list[Coming]:
    """Return what will happen to an account up to a date if nothing is paid: the same rules, ahead of time (D2).

    Invoices that are not issued yet are not guessed at.
    """
    positions = read_positions([account])
    if not positions:
        return []
    position = positions[0]
    now = clock.local(clock.now(), account.timezone)
    state = position.state
    past = advance(state, position.facts, position.policy, (now, LOOK), after=position.after)
    events = advance(state, [], position.policy, (datetime.combine(until, time.max), LOOK), after=(now, LOOK))
    levels = {step.key: str(step.level) for step in position.policy.steps if step.action is Do.RESTRICT}
    return [_coming(event, levels) for event in (*past, *events) if event.shown and event.at > now]


def window_opens_at(window: tuple[time, time], zone: str, now: datetime) -> datetime:
    """Return the next instant inside a policy's window of local times, at which a device may be told to cut (D6)."""
    opens, closes = window
    local = clock.local(now, zone)
    day = local.date() + timedelta(days=1) if local.time() > closes else local.date()
    return max(now, clock.instant(datetime.combine(day, opens), zone))


def cuts_wait_until(account_id: int) -> datetime | None:
    """Return until when an account must not be cut, because it is night where it is; None if it may be now (D6)."""
    return all_cuts_wait_until([account_id]).get(account_id)


def all_cuts_wait_until(account_ids: Iterable[int]) -> dict[int, datetime]:
    """Return until when each account must not be cut, of those that must not be now; one query (D6).

    An account under no policy is cut in the window that a policy has if nobody sets another.
    """
    rows = Account.objects.filter(pk__in=list(account_ids)).values_list(
        "pk", "timezone", "standing__policy_version__window_opens", "standing__policy_version__window_closes"
    )
    now = clock.now()
    found = {}
    for pk, zone, opens, closes in rows:
        opens_at = window_opens_at((opens, closes) if opens and closes else DAYTIME, zone, now)
        if opens_at > now:
            found[pk] = opens_at
    return found


def _coming(event: Event, levels: Mapping[str, str]) -> Coming:
    return Coming(
        on=event.on,
        local_at=event.at,
        kind=str(event.kind),
        invoice=event.number,
        amount=None if event.amount is None else str(event.amount),
        step=event.step_key,
        level=levels.get(event.step_key or "", ""),
        why=event.why,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CutProof:
    """What can be proven about an account right before an order to cut it leaves (I9, A30).

    ``due`` are the levels of the restrictions in force for which something is unpaid now, each with the reason why it
    must not be sent; empty if it may be. ``why_not_any`` stands before all of them. ``resting`` are those of them whose
    step honours an exclusion of today, by their place; the next open day begins at ``opens_at``. An account on hold
    waits until ``held_until_at``.
    """

    due: Sequence[tuple[str, str]] = ()
    resting: Collection[int] = ()
    opens_at: datetime | None = None
    unsettled: bool = False
    why_not_any: str = ""
    held_until_at: datetime | None = None

    def why_not(self, level: str) -> str:
        """Return why the account must not be restricted so hard for non-payment; empty if it may be."""
        if self.why_not_any:
            return self.why_not_any
        reasons = self._reasons(level)
        if not reasons:
            return TOO_HARD if self.due else NOTHING_OWED
        return "" if "" in reasons else OUT_OF_REACH if OUT_OF_REACH in reasons else NOTICE_MISSING

    def waits_until(self, level: str) -> datetime | None:
        """Return until when a proven cut waits, because every step that asks for it rests today; else None (A6, D6)."""
        asking = [place for place, (hard, why) in enumerate(self.due) if not why and rank(hard) >= rank(level)]
        return self.opens_at if asking and all(place in self.resting for place in asking) else None

    def why_not_again(self, level: str) -> str | datetime | None:
        """Return why a line must not be closed again so hard after a payment window, or until when not (P07)."""
        if self.unsettled:
            return clock.now() + ASKED_AGAIN_AFTER
        if self.why_not_any:
            return self.why_not_any
        return None if self._reasons(level) else TOO_HARD if self.due else NOTHING_OWED

    def _reasons(self, level: str) -> list[str]:
        return [reason for hard, reason in self.due if rank(hard) >= rank(level)]


def why_not_cut(account_id: int, level: str = MILDEST) -> str:
    """Return why an account must not be restricted so hard for non-payment now; empty if it may be (I9, A30).

    Asked right before the order leaves for a device: something in the cause of a cut that is as hard must still be
    unpaid, the notice it requires must have been accepted, and no charge may be in the air. A cut that requires none
    waits while the billing contact is out of reach.
    """
    return cut_proofs([account_id])[account_id].why_not(level)


def why_not_closed_again(account_id: int, level: str = MILDEST) -> str | datetime | None:
    """Return why a line must not be closed again after a payment window, or until when not; None if it may be (P07).

    That is no new cut, so it needs no new notice and no daylight. But something must still be unpaid, and while a
    payment is unclear nothing is closed.
    """
    return cut_proofs([account_id])[account_id].why_not_again(level)


def cut_proofs(account_ids: Iterable[int]) -> dict[int, CutProof]:
    """Return what can be proven about each account; the number of queries does not grow with them."""
    accounts = list(Account.objects.select_related("status", "company").filter(pk__in=set(account_ids)))
    positions = read_positions(accounts)
    reached_by = notice_states(position.account.pk for position in positions)
    deaf = out_of_reach(position.account.pk for position in positions)
    proofs = {account.pk: CutProof(why_not_any="The account is under no policy.") for account in accounts}
    for position in positions:
        pk = position.account.pk
        cuts = _cuts_still_due(position)
        resting, opens_at = _excluded_today(position, cuts)
        proofs[pk] = CutProof(
            due=[(cut.level, _why_not_sent(cut, position, reached_by, deaf)) for cut in cuts],
            resting=resting,
            opens_at=opens_at,
            held_until_at=_held_until(position),
            unsettled=position.state.unsettled,
            why_not_any="A charge of this account is not settled yet." if position.state.unsettled else "",
        )
    return proofs


def _held_until(position: Position) -> datetime | None:
    """Return when the hold of an account ends; None if it is on none."""
    zone, until = position.account.timezone, position.state.held_until
    if until is None or not position.state.is_held(clock.today(zone)):
        return None
    return clock.instant(datetime.combine(until, time.min), zone)


def _excluded_today(position: Position, cuts: Sequence[Cut]) -> tuple[frozenset[int], datetime | None]:
    """Return which cuts rest on an excluded day, by their place, and when the next open day begins for the account."""
    zone, calendar = position.account.timezone, position.policy.calendar
    today = clock.today(zone)
    if calendar.is_open(today):
        return frozenset(), None
    # A step that is not in the policy any more rests as restricting steps do unless they say otherwise (A6).
    heedless = {step.key for step in position.policy.steps if not step.honours_exclusions}
    resting = frozenset(place for place, cut in enumerate(cuts) if cut.step_key not in heedless)
    opens_on = min(calendar.next_open(today), today + ASKED_AGAIN_AT_LATEST)
    return resting, clock.instant(datetime.combine(opens_on, time.min), zone)


def _why_not_sent(cut: Cut, position: Position, reached_by: Mapping[NoticeKey, set[str]], deaf: set[int]) -> str:
    """Return why one restriction must not be sent though something of it is unpaid; empty if it may be (A30)."""
    account_id, steps = position.account.pk, {step.key: step for step in position.policy.steps}
    required = steps[cut.step_key].requires_notice if cut.step_key in steps else ""
    if not required or steps[required].action is Do.TICKET:
        return OUT_OF_REACH if account_id in deaf else ""
    anchors = [cut.anchor, f"case:{position.state.episode}", *(f"invoice:{key}" for key in cut.causes)]
    told = any(reached_by.get((account_id, anchor, required), set()) & set(Notice.TOLD) for anchor in anchors)
    return "" if told else NOTICE_MISSING


def _cuts_still_due(position: Position) -> list[Cut]:
    """Return the restrictions in force for which something is unpaid now, also what no look has noticed yet."""
    rows = position.invoice_rows
    unpaid = {key for key, row in rows.items() if row.remaining >= position.policy.threshold and not row.frozen}
    return [cut for cut in position.state.cuts if cut.action == Do.RESTRICT and cut.causes & unpaid]
