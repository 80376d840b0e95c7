"""Releases above somebody's limit: asked for, and carried out when a second person approves them (SEC-21)."""

from django.db import transaction

from accounts import second_person
from accounts.models import Account, User
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
    second_person.refuse_a_second(ReleaseRequest.objects.filter(account=account_id))
    return ReleaseRequest.objects.create(
        account=account, hours=hours, reason=why.strip()[:WHY_LENGTH], asked_by=by, asked_at=clock.now()
    )


def _release(request: ReleaseRequest) -> None:
    request.window = release_account(
        account_id=request.account_id, hours=request.hours, why=f"{request.reason} (approved by {request.decided_by})",
        by=request.asked_by, approval=request,
    )  # fmt: skip


_decisions = second_person.Decisions(ReleaseRequest, right=RIGHT_TO_DECIDE, carry_out=_release, related=())
approve, refuse, withdraw = _decisions.approve, _decisions.refuse, _decisions.withdraw
waiting_for = _decisions.waiting_for
