"""Shadow mode and the network: cuts that were decided while another system was in charge are not made.

Lines that the old system has restricted already are taken over as they are. Who is to be freed is freed: going live
may give somebody the line back, and takes it from nobody.
"""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.models import F, QuerySet

from billing_project.kernel import clock
from billing_project.kernel.locks import lock_rows

from ..models import EnforcementAttempt, EnforcementTask, LineState
from ..queries import OPEN_STATES
from ..rules.desired import OPEN

DECIDED_IN_SHADOW = "decided in shadow"
SHADOW = "shadow"
State = EnforcementTask.State


def cuts_of_shadow(since: datetime) -> QuerySet[EnforcementTask]:
    """Return the restrictions that were ordered in shadow and wait; orders that free a line are not among them."""
    return EnforcementTask.objects.filter(
        state__in=[State.QUEUED, State.CLAIMED], restores=False, created_at__gte=since
    )


@transaction.atomic
def cancel_cuts(since: datetime) -> int:
    """Take back the restrictions that were ordered in shadow, with a row that says so at each.

    The newest order of a line being taken back, comparisons leave the line alone until it is decided about again.
    """
    tasks = lock_rows(cuts_of_shadow(since))
    pks = [task.pk for task in tasks]
    EnforcementTask.objects.filter(pk__in=pks).update(
        state=State.CANCELLED, settled_at=clock.now(), lease_until_at=None
    )
    EnforcementAttempt.objects.bulk_create(
        [
            EnforcementAttempt(task_id=pk, at=clock.now(), outcome=SHADOW, read_back="", detail=DECIDED_IN_SHADOW)
            for pk in pks
        ]
    )
    return len(pks)


def restores_waiting() -> int:
    """Return how many orders to free a line wait."""
    return EnforcementTask.objects.filter(state__in=OPEN_STATES, restores=True).count()


def lines_to_take_over(account_ids: Collection[int]) -> QuerySet[LineState]:
    """Return the states of lines that should be restricted, are not seen to be, and belong to these accounts."""
    states = LineState.objects.filter(line__account__in=account_ids, device__isnull=False)
    return states.exclude(desired_level=OPEN).exclude(observed_level=F("desired_level"))


def take_over(account_ids: Collection[int]) -> int:
    """Note lines that the old system has restricted as being so; the next comparison looks for itself."""
    return lines_to_take_over(account_ids).update(
        observed_level=F("desired_level"), observed_list=F("desired_list"), observed_at=clock.now()
    )
