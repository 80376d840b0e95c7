"""The Celery app. Tasks are doors to operations; what is due is decided in the database."""

import os
from contextlib import ExitStack
from contextvars import ContextVar
from typing import Any

from celery import Celery
from celery.signals import beat_embedded_init, beat_init, task_postrun, task_prerun
from kombu.exceptions import KombuError

from .kernel import acting

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_project.settings")

app = Celery("billing_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Without this only the thread that imports this module would see it as the current app.
app.set_default()


@beat_init.connect
def look_at_once(**_: Any) -> None:
    """Wake every task of the timetable once when beat starts, so that an outage is caught up at once."""
    from .schedule import TIMETABLE

    for entry in TIMETABLE.values():
        try:
            app.send_task(entry["task"], retry=False)
        except (KombuError, OSError):
            return  # the broker is not there yet; the timetable will come round


@beat_embedded_init.connect
def end_with_the_worker(**_: Any) -> None:
    """End the embedded beat when its worker is killed; an orphan would be a second beat."""
    from .processes import end_with_parent

    end_with_parent()


# What a task that runs in this thread has entered: tasks of other threads have their own.
_entered: ContextVar[ExitStack | None] = ContextVar("task_entered", default=None)


@task_prerun.connect
def act_as_the_task(task_id: str, task: Any, **_: Any) -> None:
    """Let the audit record name the task in whatever it changes."""
    stack = ExitStack()
    stack.enter_context(acting.as_program(f"task {task.name}", mark=str(task_id)))
    _entered.set(stack)


@task_postrun.connect
def act_no_more(**_: Any) -> None:
    """End what began with the task."""
    stack = _entered.get()
    if stack is not None:
        _entered.set(None)
        stack.close()
