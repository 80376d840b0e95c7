"""Keep a log of what the timetable's tasks did: Celery tells when each begins and ends."""

import logging
from datetime import datetime
from typing import Any

from celery.signals import task_postrun, task_prerun
from django.conf import settings
from django.db import Error

from billing_project.kernel import clock

from .runs import note_run

logger = logging.getLogger(__name__)

# A task that is rung a hundred times a minute, and finds nothing, is written down so often only.
QUIET_SECONDS = 20.0


class _Runs:
    """What runs in this process, and when each task was last written down as quiet."""

    began: dict[str, tuple[datetime, float]] = {}
    quiet_since: dict[str, float] = {}


def _is_ours(task: Any) -> bool:
    return any(entry["task"] == task.name for entry in settings.CELERY_BEAT_SCHEDULE.values())


@task_prerun.connect(dispatch_uid="delinquency.note_begin")
def note_begin(task_id: str = "", task: Any = None, **_: Any) -> None:
    """Remember when a task of the timetable begins."""
    if _is_ours(task):
        _Runs.began[task_id] = clock.now(), clock.monotonic()


@task_postrun.connect(dispatch_uid="delinquency.note_end")
def note_end(task_id: str = "", task: Any = None, retval: Any = None, state: str = "", **_: Any) -> None:
    """Write a run into the log; a log that cannot be written never fails the task."""
    began = _Runs.began.pop(task_id, None)
    if began is None:
        return
    failed = state == "FAILURE"
    count = retval if isinstance(retval, int) and not failed else 0
    now = clock.monotonic()
    if not failed and not count and now - _Runs.quiet_since.get(task.name, float("-inf")) < QUIET_SECONDS:
        return
    error = f"{type(retval).__name__}: {retval}" if failed else ""
    try:
        note_run(task.name, began_at=began[0], seconds=round(now - began[1], 3), count=max(count, 0), error=error)
    except Error as trouble:
        logger.warning("the run of %s could not be written down: %s", task.name, trouble)
    else:
        if not failed and not count:
            _Runs.quiet_since[task.name] = now
