"""How long until whoever has paid is back: from the gateway's report to the device's own answer, during a sweep.

The report is a signed HTTP request to the running web; what happens from there on happens in the program's own
processes, started as `script/server` starts them. A sweep has just queued its restrictions on the same device.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.nudge import recorded
from delinquency.models import Standing
from delinquency.operations import reassess_many
from delinquency.sweep import sweep
from invoicing.models import GatewayEvent, Invoice, Payment, PaymentAttempt
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import EnforcementTask

from .gateway import StandIn
from .town import AMOUNT

PAYMENTS = 200
# The payments are spread over the time that the sweep takes, or nearly so.
EVERY_SECONDS = 0.25
GIVE_UP_SECONDS = 60.0
# How often a pass is asked for again at most, and how late a look is that no bell has brought about.
RING_SECONDS, LOOK_LATE = 2.0, timedelta(seconds=5)
BAR_P95, BAR_MAX = 2.0, 10.0

State = EnforcementTask.State


class Program(Protocol):
    """The program that is measured: where its web is, and its workers' bell."""

    base: str

    def ring(self, task: str) -> None:
        """Wake a task of its workers by name."""


def payments_of(accounts: int) -> int:
    """Return how many of so many accounts in a sweep there are payments beside: a tenth, and 200 at most."""
    return min(PAYMENTS, max(1, accounts // 10))


def slow_down(payers: Sequence[Account]) -> None:
    """Let the accounts enter delinquency and their lines be slowed, as the device confirms.

    Raises Refused if a line is not.
    """
    with recorded():
        reassess_many([account.pk for account in payers], at=clock.now(), guarded=False)
        dispatch_enforcement()
    slowed = EnforcementTask.objects.filter(state=State.CONFIRMED, restores=False).count()
    if slowed != len(payers):
        raise Refused("not_slowed", f"Only {slowed} of {len(payers)} lines were slowed, so nothing can be measured.")


def begin_payments(payers: Sequence[Account], gateway: StandIn) -> list[str]:
    """Let each account begin to pay what it owes, and the gateway take it; return the gateway's ids."""
    now = clock.now()
    invoices = {invoice.account_id: invoice for invoice in Invoice.objects.filter(account__in=payers)}
    attempts = [
        PaymentAttempt(
            account=account, invoice=invoices[account.pk], key=f"measured:{account.number}", amount=AMOUNT,
            state=PaymentAttempt.State.PENDING, attempts=1, provider_id=f"pi_{account.number}", created_at=now,
            unclear_at=now, due_at=now + timedelta(hours=1), why="the measurement waits for its report",
        )
        for account in payers
    ]  # fmt: skip
    PaymentAttempt.objects.bulk_create(attempts)
    for attempt in attempts:
        gateway.take(attempt.provider_id, key=attempt.key, cents=int(attempt.amount * 100))
    return [attempt.provider_id for attempt in attempts]


def measure(
    program: Program, gateway: StandIn, accounts: Sequence[Account], *, payments: int, progress: Callable[[], None]
) -> dict[str, Any]:
    """Sweep all accounts but the first few, let those pay meanwhile, and return how long each was without its line."""
    payers = accounts[:payments]
    slow_down(payers)
    ids = begin_payments(payers, gateway)
    with recorded() as nudges:
        sweep(clock.now(), guarded=False)
    commands = _waiting()
    for name in {name for name, _ in nudges}:
        program.ring(name)
    reported_at, in_flight = [], 0
    for number, provider_id in enumerate(ids, start=1):
        began = clock.monotonic()
        in_flight += _waiting() > 0
        reported_at.append(clock.now())
        gateway.report(provider_id, program.base)
        progress()
        if number < len(ids):
            time.sleep(max(0.0, EVERY_SECONDS - (clock.monotonic() - began)))
    _wait_for(payers, program)
    sent = {account.pk: at for account, at in zip(payers, reported_at, strict=True)}
    found = {
        "accounts": len(accounts) - payments, "payments": payments, "commands": commands,
        "payments_during_sweep": in_flight,
    }  # fmt: skip
    return found | _stages(sent)


def _waiting() -> int:
    return EnforcementTask.objects.filter(
        restores=False, state__in=[State.QUEUED, State.CLAIMED, State.SENDING]
    ).count()


def _wait_for(payers: Sequence[Account], program: Program) -> None:
    """Wait until the device has confirmed every account's line as open, or until that takes too long.

    No beat runs here. So whatever was put off and is due again is taken up by ringing for the product's own pass.
    """
    confirmed = EnforcementTask.objects.filter(line__account__in=payers, level="open", state=State.CONFIRMED)
    give_up_at = clock.monotonic() + GIVE_UP_SECONDS
    rung_at: dict[str, float] = {}
    while confirmed.count() < len(payers) and clock.monotonic() < give_up_at:
        for task in passes_due(payers):
            if clock.monotonic() - rung_at.get(task, 0.0) >= RING_SECONDS:
                program.ring(task)
                rung_at[task] = clock.monotonic()
        time.sleep(0.2)


def passes_due(payers: Sequence[Account]) -> list[str]:
    """Return the tasks for which something waits whose time has come, and without which the payers stay cut."""
    now = clock.now()
    queues = {
        "invoicing.process_event": GatewayEvent.objects.filter(state=GatewayEvent.State.QUEUED, due_at__lte=now),
        "netenforce.restore": EnforcementTask.objects.filter(state=State.QUEUED, restores=True, due_at__lte=now),
        "delinquency.tick": Standing.objects.filter(account__in=payers, next_look_at__lte=now - LOOK_LATE),
    }
    return [task for task, rows in queues.items() if rows.exists()]


def _stages(sent: Mapping[int, datetime]) -> dict[str, Any]:
    """Return how long after its report each line was back, and each stage on the way there was reached."""
    booked = Payment.objects.filter(account__in=sent).values_list("account_id", "attempt__settled_at")
    opened = EnforcementTask.objects.filter(line__account__in=sent, level="open")
    ordered = opened.values_list("line__account_id", "created_at")
    confirmed = opened.filter(state=State.CONFIRMED).values_list("line__account_id", "settled_at")
    seconds = {
        name: sorted((at - sent[account_id]).total_seconds() for account_id, at in rows if at is not None)
        for name, rows in (("booked", booked), ("ordered", ordered), ("confirmed", confirmed))
    }
    back = seconds["confirmed"]
    states = Counter(EnforcementTask.objects.filter(restores=False).values_list("state", flat=True))
    return {
        "restored": len(back),
        "p50": share(back, 50),
        "p95": share(back, 95),
        "max": share(back, 100),
        "stages_p95": {name: share(found, 95) for name, found in seconds.items()},
        "sweep": dict(sorted(states.items())),
        "bar": {"p95": BAR_P95, "max": BAR_MAX},
    }


def share(seconds: Sequence[float], percent: int) -> float | None:
    """Return the time within which so many percent of sorted times lie, in seconds; None of none."""
    if not seconds:
        return None
    return round(seconds[max(0, -(-len(seconds) * percent // 100) - 1)], 3)
