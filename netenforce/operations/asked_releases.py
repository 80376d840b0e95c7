"""Releases above somebody's limit: asked for, and carried out when a second person approves them (SEC-21)."""

from django.db import transaction
from django.db.models import QuerySet

from accounts import second_person
from accounts.models import Account, User
from accounts.second_person import State
from billing_project.kernel import clock, texts
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_row

from ..models import PaymentWindow, ReleaseRequest
from .orders import WHY_LENGTH
from .releases import HOURS_MAX, release_account

RIGHT_TO_ASK, RIGHT_TO_DECIDE = "netenforce.release_line", "netenforce.approve_release"
ABOVE = frozenset(("too_long", "too_often"))


@transaction.atomic
def release_or_ask(*, account_id: int, hours: int, why: str, by: User) -> PaymentWindow | ReleaseRequest:
    """Release within the limit of who does it; above it ask a second person, and change nothing yet.

    Raises Refused as a release does, for more than a week, and while another request for the account waits.
    """
    try:
        return release_account(account_id=account_id, hours=hours, why=why, by=by)
    except Refused as refusal:
        if refusal.code not in ABOVE or hours > HOURS_MAX:
            raise
    account = lock_row(Account.objects.order_by(), account_id)
    texts.refuse_cards("reason", why)
    waiting = ReleaseRequest.objects.filter(account=account_id, state=State.WAITING)
    second_person.refuse_a_second(waiting.select_related("asked_by").first())
    return ReleaseRequest.objects.create(
        account=account, hours=hours, reason=why.strip()[:WHY_LENGTH], asked_by=by, asked_at=clock.now()
    )


@transaction.atomic
def approve(request: ReleaseRequest, *, by: User, note: str = "") -> ReleaseRequest:
    """Approve what another person asked for, and release at once; it counts as given by them.

    Raises Refused for one's own request, without the right to decide, and where the release is not possible any more:
    the request then still waits, and can be refused. Raises StaleState for one that is decided.
    """
    locked = _lock(request)
    second_person.check_decides(locked, by=by, right=RIGHT_TO_DECIDE)
    second_person.mark(locked, State.APPROVED, by=by, note=note)
    locked.window = release_account(
        account_id=locked.account_id, hours=locked.hours, why=f"{locked.reason} (approved by {by})",
        by=locked.asked_by, approval=locked,
    )  # fmt: skip
    locked.save()
    return locked


@transaction.atomic
def refuse(request: ReleaseRequest, *, by: User, note: str) -> ReleaseRequest:
    """Refuse what another person asked for, saying why; raises as approve does."""
    return second_person.refuse(_lock(request), by=by, right=RIGHT_TO_DECIDE, note=note)


@transaction.atomic
def withdraw(request: ReleaseRequest, *, by: User) -> ReleaseRequest:
    """Take one's own request back; raises Refused for another's, StaleState for one that is decided."""
    return second_person.withdraw(_lock(request), by=by)


def waiting_for(user: User) -> QuerySet[ReleaseRequest]:
    """Return the requests of others that wait and that somebody may decide."""
    if not user.has_perm(RIGHT_TO_DECIDE):
        return ReleaseRequest.objects.none()
    return ReleaseRequest.objects.filter(state=State.WAITING).exclude(asked_by=user)


def _lock(request: ReleaseRequest) -> ReleaseRequest:
    lock_row(Account.objects.order_by(), request.account_id)
    return lock_row(ReleaseRequest.objects.select_related("asked_by", "account"), request.pk)
