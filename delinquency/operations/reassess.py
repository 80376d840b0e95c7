"""Look at accounts: lock, read, play forward, carry out. The sweeps, a payment and a click all come through here."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from accounts.models import Account, AccountStatus
from billing_project.kernel import clock
from billing_project.kernel.locks import lock_rows

from ..reading import Position, read_positions
from ..rules.actions import Event
from ..rules.timeline import advance, look_at_waiting
from ..rules.when import LOOK, SWITCH
from .carry import Carrier
from .effects import Effects
from .kept import settle_promises
from .standings import not_again


@dataclass(slots=True)
class Looked:
    """What was found at a chunk of accounts."""

    accounts: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    events: list[tuple[Account, Event]] = field(default_factory=list)


def reassess(account_id: int, *, at: datetime | None = None) -> list[Event]:
    """Look at one account now, and return what happened; what is due and what was paid takes effect at once."""
    return [event for _, event in reassess_many([account_id], at=at).events]


@transaction.atomic
def reassess_many(
    account_ids: Sequence[int], *, at: datetime | None = None, outside: bool = True, before_bill: bool = False
) -> Looked:
    """Look at a chunk of accounts as of an instant, in one transaction and a constant number of queries.

    With `outside` false nothing is put into an outbox to be sent: history is being made. With `before_bill` the look
    stops after the status switches of that instant and before its invoices (D5). Parked accounts are left alone.
    """
    moment = at or clock.now()
    looked = Looked()
    accounts = lock_rows(
        Account.objects.filter(parked_at__isnull=True).select_related("status", "company"), list(account_ids)
    )
    positions = read_positions(accounts)
    if not positions:
        return looked
    statuses = {status.name: status for status in AccountStatus.objects.all()}
    effects = Effects()
    phase = SWITCH if before_bill else LOOK
    for position in positions:
        carrier = Carrier(position, effects, at=moment, outside=outside, statuses=statuses)
        position.state.leaves_on = carrier.today if outside else None
        events = _play(position, moment, phase)
        carrier.carry(events, (clock.local(moment, position.account.timezone), phase))
        looked.accounts += 1
        looked.counts.update(str(event.kind) for event in events if event.shown)
        looked.events.extend((position.account, event) for event in events if event.shown)
    effects.name_new_rows()
    with not_again():
        effects.write()
    if not before_bill:
        settle_promises([position.account for position in positions], moment)
    return looked


def _play(position: Position, at: datetime, phase: int) -> list[Event]:
    until = (clock.local(at, position.account.timezone), phase)
    events = advance(position.state, position.facts, position.policy, until, after=position.after)
    if phase == LOOK:
        events += look_at_waiting(position.policy, position.state, until[0])
    return events
