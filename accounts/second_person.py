"""Decide what another person asks for above their limit (SEC-21): who may, and that it is decided once."""

from typing import TypeVar

from accounts.models import User
from accounts.models.second_person import SecondPersonRequest
from billing_project.kernel import clock, texts
from billing_project.kernel.errors import Refused, StaleState

AnyRequest = TypeVar("AnyRequest", bound=SecondPersonRequest)
State = SecondPersonRequest.State


def why_not_decided_by(row: SecondPersonRequest, user: User, right: str) -> str:
    """Return why somebody may not decide a request, or an empty string."""
    if row.asked_by_id == user.pk:
        return "You have asked for this yourself; somebody else decides."
    if not user.has_perm(right):
        return "You may not decide what others ask for; an administrator gives that right."
    return ""


def check_decides(row: SecondPersonRequest, *, by: User, right: str) -> None:
    """Raise Refused unless somebody may decide a locked request, and StaleState if it is decided."""
    why = why_not_decided_by(row, by, right)
    if why:
        raise Refused("not_a_second_person", why)
    _still_waiting(row)


def mark(row: SecondPersonRequest, state: SecondPersonRequest.State, *, by: User | None, note: str) -> None:
    """Set what came of a locked request, without saving it."""
    texts.refuse_cards("note", note)
    row.state, row.decided_by, row.decided_at, row.note = state, by, clock.now(), note.strip()[:200]


def refuse(row: AnyRequest, *, by: User, right: str, note: str) -> AnyRequest:
    """Refuse a locked request, saying why."""
    if not note.strip():
        raise Refused("reason_missing", "Say why it is refused; whoever asked reads it.")
    check_decides(row, by=by, right=right)
    mark(row, State.REFUSED, by=by, note=note)
    row.save()
    return row


def withdraw(row: AnyRequest, *, by: User) -> AnyRequest:
    """Take one's own locked request back."""
    if row.asked_by_id != by.pk:
        raise Refused("not_yours", f"{row.asked_by} has asked for this; only they can take it back.")
    _still_waiting(row)
    mark(row, State.WITHDRAWN, by=None, note="")
    row.save()
    return row


def covers(row: SecondPersonRequest | None, *, account_id: int, by: User | None) -> bool:
    """Tell whether a request of somebody's about an account was approved by another person."""
    return (
        row is not None
        and row.state == State.APPROVED
        and row.account_id == account_id
        and by is not None
        and row.asked_by_id == by.pk
        and row.decided_by_id is not None
        and row.decided_by_id != by.pk
    )


def refuse_a_second(row: SecondPersonRequest | None) -> None:
    """Raise Refused if such a request waits already."""
    if row is not None:
        raise Refused(
            "asked_already", f"{row.asked_by} has asked for this already ({row}); it waits for a second person."
        )


def _still_waiting(row: SecondPersonRequest) -> None:
    if row.state != State.WAITING:
        raise StaleState(f"This request is {row.get_state_display()} already; nothing was changed.")
