"""Settle what a device has said of a batch of orders: confirmed, again later, or parked before the clerks.

Only what the device confirmed is recorded (D10). An order that was superseded while it was being sent tells what is
there all the same.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction

from accounts.models import Account
from accounts.operations import AttentionRequest, raise_attentions, resolve_attentions
from billing_project.kernel import clock
from billing_project.kernel.locks import lock_rows

from . import signals
from .drivers.port import Held
from .models import EnforcementAttempt, EnforcementTask, LineState
from .rules.commands import seen
from .rules.desired import OPEN

ATTEMPTS_MAX = 5
BACKOFF = timedelta(seconds=30)
DETAIL_LENGTH = 300
REMARK_LENGTH = 200

State = EnforcementTask.State
CONFIRMED, PARKED, SUPERSEDED, REJECTED = "confirmed", "parked", "superseded", "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one call to a device: what it holds now, or why nobody knows."""

    held: Mapping[str, Held] | None
    outcome: str = ""
    detail: str = ""
    alive: bool = True
    remarks: Mapping[str, str] = field(default_factory=dict)


def settle(
    tasks: Sequence[EnforcementTask],
    known: Mapping[int, Sequence[str]],
    answer: Answer,
    outcomes: Counter[str],
) -> None:
    """Write what the device said; also an order that was superseded while sent tells what is there now."""
    verdicts = [_verdict(task, known.get(task.pk, ()), answer) for task in tasks]
    with transaction.atomic():
        sending = EnforcementTask.objects.filter(state=State.SENDING)
        ours = {task.pk for task in lock_rows(sending, [task.pk for task in tasks])}
        EnforcementAttempt.objects.bulk_create(
            [
                attempt(task.pk, outcome, read_back=now_seen.level if now_seen else "", detail=detail)
                for task, (outcome, now_seen, detail) in zip(tasks, verdicts, strict=True)
            ]
        )
        observed: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        for task, (outcome, now_seen, detail) in zip(tasks, verdicts, strict=True):
            if now_seen is not None:
                remark = detail if outcome == CONFIRMED else ""
                observed[now_seen.level, now_seen.list_name, remark[:REMARK_LENGTH]].append(task.line_id)
        for (level, list_name, remark), line_ids in sorted(observed.items()):
            LineState.objects.filter(device_id=tasks[0].device_id, line_id__in=line_ids).update(
                observed_level=level, observed_list=list_name, observed_at=clock.now(), remark=remark
            )
        if answer.held is not None:
            late = [task.pk for task in tasks if task.pk not in ours]
            EnforcementTask.objects.filter(pk__in=late, settled_at__isnull=True).update(settled_at=clock.now())
        mine = [(task, verdict) for task, verdict in zip(tasks, verdicts, strict=True) if task.pk in ours]
        confirmed = [task for task, (outcome, _, _) in mine if outcome == CONFIRMED]
        _confirm(confirmed)
        failed = [(task, outcome, detail) for task, (outcome, _, detail) in mine if outcome != CONFIRMED]
        hopeless = {
            task: detail for task, outcome, detail in failed if outcome == REJECTED or task.attempts >= ATTEMPTS_MAX
        }
        again = [(task, outcome) for task, outcome, _ in failed if task not in hopeless]
        _queue_again([task for task, _ in again])
    outcomes.update(outcome for _, outcome in again)
    outcomes[SUPERSEDED] += len(tasks) - len(ours)
    outcomes[CONFIRMED] += len(confirmed)
    # After the commit: whoever listens may lock the account, and the house order is account before task.
    announce(confirmed, State.CONFIRMED)
    parked = park(hopeless)
    outcomes[PARKED] += parked
    outcomes[SUPERSEDED] += len(hopeless) - parked


def _verdict(task: EnforcementTask, mine: Sequence[str], answer: Answer) -> tuple[str, Held | None, str]:
    """Return the outcome for one order, what was read back (None: nobody knows) and the details."""
    if answer.held is None:
        return answer.outcome, None, answer.detail
    if not mine:
        return (
            REJECTED,
            None,
            f"{task.device} has no way to make line {task.line} so; give the line an address.",
        )
    wanted = Held(level=task.level, list_name=task.list_name)
    now_seen = seen(mine, answer.held, wanted)
    if not now_seen.agrees(wanted):
        return answer.outcome, now_seen, answer.detail
    return CONFIRMED, now_seen, " ".join(dict.fromkeys(answer.remarks[one] for one in mine if answer.remarks.get(one)))


def _confirm(tasks: Sequence[EnforcementTask]) -> None:
    """Record what the device confirmed; with it all earlier doubts about these lines are settled."""
    lines = [task.line_id for task in tasks]
    if not lines:
        return
    device_id = tasks[0].device_id
    EnforcementTask.objects.filter(pk__in=[task.pk for task in tasks]).update(
        state=State.CONFIRMED, settled_at=clock.now(), lease_until_at=None
    )
    EnforcementTask.objects.filter(
        line_id__in=lines, device_id=device_id, state=State.SUPERSEDED, settled_at__isnull=True
    ).update(settled_at=clock.now())
    keys = [f"line:{line}:{device_id}" for line in lines]
    resolve_attentions("enforcement-parked", keys, "the device confirmed it")


def _queue_again(tasks: Iterable[EnforcementTask]) -> None:
    """Queue orders again, later each time; the caller has locked them."""
    by_tries: dict[int, list[int]] = defaultdict(list)
    for task in tasks:
        by_tries[task.attempts].append(task.pk)
    for tries, pks in sorted(by_tries.items()):
        due_at = clock.now() + BACKOFF * 2 ** (tries - 1)
        EnforcementTask.objects.filter(pk__in=pks).update(state=State.QUEUED, due_at=due_at, lease_until_at=None)


def park(hopeless: Mapping[EnforcementTask, str]) -> int:
    """Give orders up, each for its reason, and put them before the clerks; return how many.

    Those that were superseded a moment ago are left out.
    """
    if not hopeless:
        return 0
    with transaction.atomic():
        # The exceptions point at the accounts, so PostgreSQL locks those rows too: account before task.
        lock_rows(Account.objects.order_by(), {task.line.account_id for task in hopeless})
        under_way = EnforcementTask.objects.filter(state__in=[State.CLAIMED, State.SENDING])
        ours = {row.pk for row in lock_rows(under_way, [task.pk for task in hopeless])}
        EnforcementTask.objects.filter(pk__in=ours).update(
            state=State.PARKED, settled_at=clock.now(), lease_until_at=None
        )
        parked = [task for task in hopeless if task.pk in ours]
        raise_attentions(
            AttentionRequest(
                code="enforcement-parked",
                key=f"line:{task.line_id}:{task.device_id}",
                account_id=task.line.account_id,
                words=f"Line {task.line} of account {task.line.account.number} could not be made"
                f" {task.get_level_display()!r} on device {task.device} in {task.attempts} tries: {hopeless[task]}"
                " Mend the device; reconcile then repairs the line.",
            )
            for task in parked
        )
    announce(parked, State.PARKED)
    return len(parked)


def announce(tasks: Iterable[EnforcementTask], state: str) -> None:
    """Tell the rooms above that orders have reached an end."""
    for task in tasks:
        signals.enforcement_settled.send_robust(
            sender=EnforcementTask, task_id=task.pk, account_id=task.line.account_id, state=str(state),
            frees=task.restores and task.level == OPEN,
        )  # fmt: skip


def attempt(task_id: int, outcome: str, *, read_back: str = "", detail: str = "") -> EnforcementAttempt:
    """Return the row of one try, unsaved."""
    return EnforcementAttempt(
        task_id=task_id, at=clock.now(), outcome=outcome, read_back=read_back, detail=detail[:DETAIL_LENGTH]
    )
