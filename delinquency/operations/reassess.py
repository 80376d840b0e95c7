"""Look at accounts: lock, read, play forward, carry out. The sweeps, a payment and a click all come through here."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from accounts.models import Account, AccountStatus
from accounts.queries import share_house
from billing_project.kernel import clock
from billing_project.kernel.locks import lock_rows

from ..reading import read_positions
from ..rules.actions import Event
from ..rules.when import LOOK, SWITCH
from .airbag import note_held, trips_in_force
from .carry import Carrier
from .effects import Effects
from .kept import settle_promises
from .playing import harms_ahead, play
from .standings import not_again


@dataclass(slots=True)
class Looked:
    """What was found at a chunk of accounts."""

    accounts: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    events: list[tuple[Account, Event]] = field(default_factory=list)
    held: list[tuple[Account, Event]] = field(default_factory=list)

    def add(self, other: "Looked") -> None:
        """Add what was found at another chunk."""
        self.accounts += other.accounts
        self.counts.update(other.counts)
        self.events.extend(other.events)
        self.held.extend(other.held)


def reassess(account_id: int, *, at: datetime | None = None) -> list[Event]:
    """Look at one account now, and return what happened; what is due and what was paid takes effect at once."""
    return [event for _, event in reassess_many([account_id], at=at).events]


@transaction.atomic
def reassess_many(
    account_ids: Sequence[int],
    *,
    at: datetime | None = None,
    outside: bool = True,
    before_bill: bool = False,
    guarded: bool | None = None,
    late: bool = False,
) -> Looked:
    """Look at a chunk of accounts as of an instant, in one transaction and a constant number of queries.

    With `outside` false nothing is put into an outbox to be sent: history is being made. With `before_bill` the look
    stops after the status switches of that instant and before its invoices (D5). Parked accounts are left alone.
    A `guarded` look (default: one that acts outside) does no harm while the airbag holds something, and lists what it
    held; a `late` one makes up for the check of the day (see `look_late`).
    """
    moment = at or clock.now()
    looked = Looked()
    accounts = lock_rows(Account.objects.filter(parked_at__isnull=True), list(account_ids))
    if not accounts:
        return looked
    statuses = AccountStatus.objects.in_bulk()
    share_house(accounts, statuses)
    positions = read_positions(accounts)
    if not positions:
        return looked
    by_name = {status.name: status for status in statuses.values()}
    effects = Effects()
    phase = SWITCH if before_bill else LOOK
    trips = trips_in_force(moment) if (outside if guarded is None else guarded) else []
    for position in positions:
        carrier = Carrier(position, effects, at=moment, outside=outside, statuses=by_name)
        position.state.leaves_on = carrier.today if outside else None
        if trips:
            held = harms_ahead(position, moment, phase, late=late)
            looked.held.extend((position.account, event) for event in held)
            position.state.grounded = True
        events = play(position, moment, phase, late=late)
        carrier.carry(events, (clock.local(moment, position.account.timezone), phase))
        looked.accounts += 1
        looked.counts.update(str(event.kind) for event in events if event.shown)
        looked.events.extend((position.account, event) for event in events if event.shown)
    if looked.held:
        note_held(trips, looked.held, moment)
    effects.name_new_rows()
    with not_again():
        effects.write()
    if not before_bill:
        settle_promises([position.account for position in positions], moment, outside=outside)
    return looked
