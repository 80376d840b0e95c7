"""Decide what another person asks for above their limit (SEC-21): who may, that it is decided once, and under lock."""

from collections.abc import Callable
from typing import Generic, TypeVar

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Account, User
from accounts.models.second_person import TwoPeople
from billing_project.kernel import clock, texts
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row

AnyRequest = TypeVar("AnyRequest", bound=TwoPeople)
State = TwoPeople.State


class Decisions(Generic[AnyRequest]):
    """What becomes of the requests of one table.

    ``right`` is needed to decide; ``carry_out`` does what was asked for, in the transaction that approves it, and sets
    on the row what came of it; ``related`` is read with a row.
    """

    def __init__(
        self, model: type[AnyRequest], *, right: str, carry_out: Callable[[AnyRequest], None], related: tuple[str, ...]
    ) -> None:
        """Bind the table to the right and to what is done."""
        self._model, self._right, self._carry_out, self._related = model, right, carry_out, related

    @transaction.atomic
    def approve(self, request: AnyRequest, *, by: User, note: str = "") -> AnyRequest:
        """Approve what another person asked for, and carry it out at once; it counts as given by who asked.

        Raises Refused for one's own request, without the right to decide, and where the act is not possible any more:
        the request then still waits, and can be refused. Raises StaleState for one that is decided.
        """
        row = self._decided(request, State.APPROVED, by=by, note=note)
        self._carry_out(row)
        row.save()
        return row

    @transaction.atomic
    def refuse(self, request: AnyRequest, *, by: User, note: str) -> AnyRequest:
        """Refuse what another person asked for, saying why; raises as approve does."""
        if not note.strip():
            raise Refused("reason_missing", "Say why it is refused; whoever asked reads it.")
        row = self._decided(request, State.REFUSED, by=by, note=note)
        row.save()
        return row

    @transaction.atomic
    def withdraw(self, request: AnyRequest, *, by: User) -> AnyRequest:
        """Take one's own request back; raises Refused for another's, StaleState for one that is decided."""
        row = self._lock(request)
        if row.asked_by_id != by.pk:
            raise Refused("not_yours", f"{row.asked_by} has asked for this; only they can take it back.")
        _still_waiting(row)
        row.state, row.decided_at = State.WITHDRAWN, clock.now()
        row.save()
        return row

    def waiting_for(self, user: User) -> QuerySet[AnyRequest]:
        """Return the requests of others that wait and that somebody may decide."""
        rows = self._model._default_manager.all()
        if not user.has_perm(self._right):
            return rows.none()
        return rows.filter(state=State.WAITING).exclude(asked_by=user)

    def _decided(self, request: AnyRequest, state: State, *, by: User, note: str) -> AnyRequest:
        row = self._lock(request)
        why = why_not_decided_by(row, by, self._right)
        if why:
            raise Refused("not_a_second_person", why)
        _still_waiting(row)
        texts.refuse_cards("note", note)
        row.state, row.decided_by, row.decided_at, row.note = state, by, clock.now(), note.strip()[:200]
        return row

    def _lock(self, request: AnyRequest) -> AnyRequest:
        lock_row(Account.objects.order_by(), request.account_id)
        return lock_row(self._model._default_manager.select_related("asked_by", "account", *self._related), request.pk)


def why_not_decided_by(row: TwoPeople, user: User, right: str) -> str:
    """Return why somebody may not decide a request, or an empty string."""
    if row.asked_by_id == user.pk:
        return "You have asked for this yourself; somebody else decides."
    if not user.has_perm(right):
        return "You may not decide what others ask for; an administrator gives that right."
    return ""


def covers(row: TwoPeople | None, *, account_id: int, by: User | None) -> bool:
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


def refuse_a_second(waiting: QuerySet[AnyRequest], words: Callable[[AnyRequest], str] = str) -> None:
    """Raise Refused if one of these requests waits already, told in words."""
    row = waiting.filter(state=State.WAITING).select_related("asked_by").first()
    if row is not None:
        raise Refused(
            "asked_already",
            f"{row.asked_by} has asked for this already ({words(row)}); it waits for a second person.",
        )


def _still_waiting(row: TwoPeople) -> None:
    if row.state != State.WAITING:
        raise StaleState(f"This request is {row.get_state_display()} already; nothing was changed.")
