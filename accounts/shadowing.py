"""Shadow mode of the whole program: begun with a reason, ended by going live (which the uppermost room does)."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_rows

from .models import Notice, Shadow, User
from .operations import REASON_LENGTH

DECIDED_IN_SHADOW = "decided in shadow"


def begin_shadow(*, reason: str, by: User | None = None) -> Shadow:
    """Decide everything and let nothing leave from this moment on; raises Refused if it is on, or without a reason."""
    if not reason.strip():
        raise Refused("no_reason", "Say why, and until when the old system is in charge; all staff see it.")
    try:
        with transaction.atomic():
            shadow = Shadow(started_at=clock.now(), started_by=by, why=reason.strip()[:200])
            _save(shadow, reason, by)
    except IntegrityError as race:
        raise Refused("shadow_already", "Shadow mode is on already; nothing was changed.") from race
    return shadow


def lock_shadow() -> Shadow:
    """Lock the shadow mode that is on; raises Refused if none is."""
    found = lock_rows(Shadow.objects.filter(ended_at__isnull=True))
    if not found:
        raise Refused("no_shadow", "Shadow mode is not on; nothing was changed.")
    return found[0]


def end_shadow(shadow: Shadow, *, reason: str, cancelled: dict[str, int], by: User | None = None) -> Shadow:
    """End a locked shadow mode, and keep what was not sent."""
    shadow.ended_at, shadow.ended_by = max(clock.now(), shadow.started_at), by
    shadow.ended_why, shadow.cancelled = reason.strip()[:200], cancelled
    _save(shadow, reason, by)
    return shadow


def letters_of_shadow(since: datetime) -> QuerySet[Notice]:
    """Return the letters that were written in shadow and wait; whatever waited before is not among them."""
    waiting = (Notice.State.QUEUED, Notice.State.CLAIMED, Notice.State.PARKED)
    return Notice.objects.filter(state__in=waiting, created_at__gte=since)


def cancel_letters(since: datetime) -> int:
    """Take back the letters that were written in shadow; none of them is ever sent."""
    return letters_of_shadow(since).update(
        state=Notice.State.CANCELLED, why=DECIDED_IN_SHADOW, ended_at=clock.now(), lease_until_at=None
    )


def _save(shadow: Shadow, reason: str, by: User | None) -> None:
    shadow._change_reason = reason[:REASON_LENGTH]  # type: ignore[attr-defined]  # read by simple-history
    shadow._history_user = by  # type: ignore[attr-defined]
    shadow.save()
