"""The delinquency tick: every account at which something may be due, in chunks (S14, S15, A4)."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction

from accounts.models import Account
from accounts.operations import park_account
from billing_project.kernel import clock, money
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.garbage import left_for_later
from billing_project.kernel.locks import lock_free, lock_row, lock_values
from billing_project.kernel.nudge import nudge
from invoicing.operations.settlements import poll_settlements

from .due import DueLooks
from .models import Sweep
from .operations.airbag import describe, guard, shown_kind, trips_in_force
from .operations.airbag_decisions import decide_again
from .operations.desk_unreachable import tend_desk
from .operations.reassess import Looked, reassess_many
from .operations.second_source import remind_second_sources
from .rules.actions import Event
from .rules.scenario import document

logger = logging.getLogger(__name__)

# Fewer looks than this are not worth waking other workers for.
SHARED_FROM = 5000
# Classes of SQLSTATE that no account is to blame for and none can be decided in: no disk, memory or files.
_EXHAUSTED = {"53", "58"}
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class SweepResult:
    """What a tick did, or would do; unless it is listed, events and held steps are only counted."""

    tick_at: datetime
    dry_run: bool = False
    is_listed: bool = True
    accounts_looked_at: int = 0
    events_count: int = 0
    held_count: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    events: list[tuple[Account, Event]] = field(default_factory=list)
    parked: list[str] = field(default_factory=list)
    held: list[tuple[Account, Event]] = field(default_factory=list)
    airbag: dict[str, Any] | None = None

    def take(self, looked: Looked) -> None:
        """Add what was found at a chunk."""
        self.accounts_looked_at += looked.accounts
        self.counts.update(looked.counts)
        self.events_count += len(looked.events)
        self.held_count += len(looked.held)
        if self.is_listed:
            self.events.extend(looked.events)
            self.held.extend(looked.held)

    def document(self) -> dict[str, Any]:
        """Return the answer for programs."""
        return {
            "tick_at": self.tick_at.isoformat(),
            "dry_run": self.dry_run,
            "accounts_looked_at": self.accounts_looked_at,
            "events_count": self.events_count,
            "counts": dict(sorted(self.counts.items())),
            "parked": self.parked,
            "airbag": self.airbag,
            "held": [_held(account, event) for account, event in self.held],
            "events": [{"account": account.number} | document(event) for account, event in self.events],
        }


def sweep(
    at: datetime,
    *,
    account_number: str | None = None,
    dry_run: bool = False,
    outside: bool = True,
    zones: Collection[str] | None = None,
    guarded: bool | None = None,
    progress: Progress | None = None,
    is_listed: bool = True,
) -> SweepResult:
    """Do one delinquency tick as of an instant; doing it again finds nothing more to do.

    With `outside` false nothing is sent: history is being made. `zones` limits it to accounts of some zones. A
    `guarded` tick (default: one that acts outside) is compared with the usual before it acts, and its harmful steps
    are held if it is far from that (R-15). One that acts outside first asks the gateway who has paid. A dry run does
    all of it but that, and takes it back. `progress` is told of each chunk how many accounts are done, of how many.
    Unless `is_listed` the answer only counts what happened. Several at once share the work. Raises Refused for an
    account that does not exist.
    """
    if account_number is not None and not Account.objects.filter(number=account_number).exists():
        raise Refused("unknown_account", f"There is no account {account_number!r}; give an account's number.")
    result = SweepResult(at, dry_run=dry_run, is_listed=is_listed)
    due = DueLooks(at, account_number, zones)
    is_guarded = outside if guarded is None else guarded
    with clock.at(at):
        if dry_run:
            with transaction.atomic():
                _guarded_tick(due, outside, is_guarded, result, progress)
                transaction.set_rollback(True)
        else:
            if outside:
                poll_settlements(at)
            _guarded_tick(due, outside, is_guarded, result, progress)
            if account_number is None and (result.accounts_looked_at or outside):
                _record(result)
    # They were met in the order of their moments, which says nothing to whoever reads the list.
    result.events.sort(key=_account_key)
    result.held.sort(key=_account_key)
    return result


def share(at: datetime) -> int:
    """Take part in a tick that another worker has begun and compared with the usual; return how many were looked at.

    What it did is added to the row of the tick.
    """
    result = SweepResult(at, is_listed=False)
    with clock.at(at):
        _walk(DueLooks(at), True, True, result, None)
        if result.accounts_looked_at:
            _record(result)
    return result.accounts_looked_at


def _account_key(row: tuple[Account, Event]) -> int:
    return row[0].pk


def _guarded_tick(due: DueLooks, outside: bool, guarded: bool, result: SweepResult, progress: Progress | None) -> None:
    at = due.at
    if guarded:
        result.take(decide_again(at))
        guard(due.account_ids(), at=at)
    if outside and guarded and not result.dry_run and due == DueLooks(at):
        _call_for_help(due)
    _walk(due, outside, guarded, result, progress)
    tend_desk(at)
    if outside:
        remind_second_sources(at)
    if guarded:
        result.airbag = describe(trips_in_force(at))


def _held(account: Account, event: Event) -> dict[str, Any]:
    return {
        "account": account.number,
        "kind": shown_kind(event),
        "step": event.step_key,
        "invoice": event.number,
        "amount": None if event.amount is None else money.text(event.amount),
        "why": event.why,
    }


def _call_for_help(due: DueLooks) -> None:
    """Wake other workers for a large tick, if there are any; those that come late find less to do, or nothing."""
    if settings.SWEEP_WORKERS > 1 and due.count() >= SHARED_FROM:
        for _ in range(settings.SWEEP_WORKERS - 1):
            nudge("delinquency.share_tick", due.at.isoformat())


def _walk(due: DueLooks, outside: bool, guarded: bool, result: SweepResult, progress: Progress | None) -> None:
    begun, total = result.accounts_looked_at, 0 if progress is None else due.count()

    def look(chunk: list[int], *, busy_too: bool, heard: bool = False) -> None:
        _look_at_chunk(chunk, due, outside, guarded, result, busy_too=busy_too, heard=heard)
        if progress is not None:
            progress(min(result.accounts_looked_at - begun, total), total)

    # The first walk passes over accounts that somebody else has at the moment; the second waits for them.
    for busy_too in (False, True):
        for chunk in due.chunks():
            look(chunk, busy_too=busy_too)
    for chunk in due.to_hear():
        look(chunk, busy_too=True, heard=True)


def _look_at_chunk(
    ids: Sequence[int],
    due: DueLooks,
    outside: bool,
    guarded: bool,
    result: SweepResult,
    *,
    busy_too: bool,
    heard: bool,
) -> None:
    """Look at accounts together: those that nobody else has at the moment or, ``busy_too``, all that are still due."""
    try:
        with left_for_later(), transaction.atomic():
            mine = _locked(ids) if busy_too else lock_free(Account.objects.order_by(), ids)
            # Asked under the lock: another worker may have looked at some of them since they were listed.
            mine = mine if heard else due.still(mine)
            if mine:
                result.take(reassess_many(mine, at=due.at, outside=outside, guarded=guarded))
    except Exception as error:  # noqa: BLE001 - whatever it was, only the account that caused it may suffer
        logger.warning("looking at %d accounts is done one by one: %s", len(ids), error)
        _one_by_one(ids, due.at, outside, guarded, result)


def _locked(ids: Sequence[int]) -> list[int]:
    return [key for (key,) in lock_values(Account.objects.order_by(), ids, ("pk",))]


def _one_by_one(account_ids: Sequence[int], at: datetime, outside: bool, guarded: bool, result: SweepResult) -> None:
    for account_id in account_ids:
        try:
            with transaction.atomic():
                result.take(reassess_many([account_id], at=at, outside=outside, guarded=guarded))
        except StaleState as busy:
            logger.warning("account %d is left for the next tick: %s", account_id, busy)
        except DatabaseError as error:
            # A deadlock or a restart is nobody's fault: the next tick takes the account again.
            state = getattr(error.__cause__, "sqlstate", None) or ""
            if state[:2] in _EXHAUSTED:
                raise
            if state not in {"40001", "40P01", "57P01", ""}:
                _park(account_id, error, result)
        except Exception as error:  # noqa: BLE001 - the one place that parks: this account cannot be decided
            _park(account_id, error, result)


def _park(account_id: int, error: Exception, result: SweepResult) -> None:
    why = f"its delinquency could not be decided: {type(error).__name__}: {error}"
    logger.error("account %d is parked: %s", account_id, why, exc_info=error)
    park_account(account_id, why[:500])
    result.parked.append(Account.objects.values_list("number", flat=True).get(pk=account_id))


@transaction.atomic
def _record(result: SweepResult) -> None:
    """Keep what a tick did; quiet ticks in a row share one line, which says when the last of them was.

    Several workers may have taken part in one tick: each adds what it did.
    """
    tick_at = result.tick_at.replace(second=0, microsecond=0)
    if not result.accounts_looked_at:
        last = Sweep.objects.filter(tick_at__lte=tick_at).order_by("-tick_at").first()
        if last is not None and last.accounts_looked_at == 0:
            last.tick_at, last.finished_at = tick_at, clock.now()
            last.save(update_fields=["tick_at", "finished_at"])
            return
    run = lock_row(Sweep.objects.all(), Sweep.objects.get_or_create(tick_at=tick_at)[0].pk)
    run.finished_at = clock.now()
    run.accounts_looked_at += result.accounts_looked_at
    run.events_written += result.events_count
    run.counts = dict(Counter(run.counts) + result.counts)
    run.parked += len(result.parked)
    lines = [f"Parked: {number}." for number in result.parked]
    if result.held_count:
        lines.append(f"The airbag held {result.held_count} steps.")
    run.log = "\n".join([*run.log.splitlines(), *lines])
    run.save()
