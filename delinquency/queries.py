"""What other pages ask about an account's delinquency: what comes next, and what would stop it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from accounts.models import Account, Notice
from accounts.outreach.fallback import out_of_reach
from accounts.queries import notice_states
from billing_project.kernel import clock

from .models import Standing
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
    standing = Standing.objects.select_related("policy_version", "account").filter(account=account_id).first()
    if standing is None:
        return None
    version, now = standing.policy_version, clock.now()
    opens_at = window_opens_at((version.window_opens, version.window_closes), standing.account.timezone, now)
    return opens_at if opens_at > now else None


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


def why_not_cut(account_id: int) -> str:
    """Return why an account must not be restricted for non-payment now; empty if it may be (I9, A30).

    Asked right before the order leaves for a device: something in a cut's cause must still be unpaid, the notice it
    requires must have been accepted, and no charge may be in the air. A cut that requires none waits while the
    billing contact is out of reach.
    """
    position, reason = _position_of(account_id)
    if position is None or position.state.unsettled:
        return reason
    state, policy = position.state, position.policy
    cuts = _cuts_still_due(position)
    if not cuts:
        return NOTHING_OWED
    steps = {step.key: step for step in policy.steps}
    states = notice_states([account_id])
    unproven = []
    for cut in cuts:
        required = steps[cut.step_key].requires_notice if cut.step_key in steps else ""
        anchors = [cut.anchor, f"case:{state.episode}", *(f"invoice:{key}" for key in cut.causes)]
        if required and steps[required].action is not Do.TICKET:
            if any(states.get((account_id, anchor, required), set()) & set(Notice.TOLD) for anchor in anchors):
                return ""
        else:
            unproven.append(cut)
    if not unproven:
        return NOTICE_MISSING
    return OUT_OF_REACH if out_of_reach([account_id]) else ""


def why_not_closed_again(account_id: int) -> str | datetime | None:
    """Return why a line must not be closed again after a payment window, or until when not; None if it may be (P07).

    That is no new cut, so it needs no new notice and no daylight. But something must still be unpaid, and while a
    payment is unclear nothing is closed.
    """
    position, reason = _position_of(account_id)
    if position is None:
        return reason
    if position.state.unsettled:
        return clock.now() + ASKED_AGAIN_AFTER
    return None if _cuts_still_due(position) else NOTHING_OWED


def _position_of(account_id: int) -> tuple[Position | None, str]:
    """Return how an account stands, and what would be said if it is under no policy or has a charge in the air."""
    account = Account.objects.select_related("status", "company").get(pk=account_id)
    positions = read_positions([account])
    if not positions:
        return None, "The account is under no policy."
    return positions[0], "A charge of this account is not settled yet." if positions[0].state.unsettled else ""


def _cuts_still_due(position: Position) -> list[Cut]:
    """Return the restrictions in force for which something is unpaid now, also what no look has noticed yet."""
    rows = position.invoice_rows
    unpaid = {key for key, row in rows.items() if row.remaining >= position.policy.threshold and not row.frozen}
    return [cut for cut in position.state.cuts if cut.action == Do.RESTRICT and cut.causes & unpaid]
