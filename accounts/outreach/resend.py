"""What a person decides about a letter: send it again, or say how an ambiguous one ended (R-09, I6)."""

from django.db import transaction
from django.db.models import Max

from accounts import signals
from accounts.models import Notice, NoticeAttempt, User
from accounts.operations import resolve_attention
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row

from .fallback import fall_back
from .outbox import NoticeRequest, enqueue
from .secrets import is_masked

State = Notice.State
WHY_LENGTH = 300
ON_ITS_WAY = (State.QUEUED, State.CLAIMED, State.SENDING)
MAY_ARRIVE_TWICE = "Nobody knows whether the first one arrived: the customer may get it twice."
EXCEPTIONS = ("notice-ambiguous", "notice-parked", "notice-too-late")


def warning_of(notice: Notice) -> str:
    """Return what a person should know before a letter is sent again; empty if nothing."""
    if notice.state == State.AMBIGUOUS:
        return MAY_ARRIVE_TWICE
    if notice.state in Notice.TOLD:
        return f"The first one is {notice.get_state_display()}: the customer gets it a second time."
    return ""


@transaction.atomic
def send_again(notice: Notice, why: str, *, by: User, only_once: bool = False) -> Notice:
    """Write a letter anew from what it was made of, to the contact's address of now, and queue it; return the new one.

    It passes the contact gate like any other. With ``only_once`` a letter that was sent again before is refused.
    Raises Refused without a reason, while the first is on its way, or if it cannot go out to that person.
    """
    _needs(why)
    locked = _lock(notice)
    if locked.state in ON_ITS_WAY:
        raise Refused("on_its_way", "It is on its way already; wait until it has ended, or look again in a minute.")
    if is_masked(locked):
        raise Refused("link_is_gone", "Its link was for its reader alone and is not kept. Use “Send pay link” instead.")
    if locked.contact_id is None:
        raise Refused("no_contact", "Its contact was deleted. Write to the account's present contact instead.")
    same = Notice.objects.filter(
        account=locked.account_id, anchor_key=locked.anchor_key, step_key=locked.step_key, channel=locked.channel,
        contact=locked.contact_id,
    )  # fmt: skip
    if same.filter(state__in=ON_ITS_WAY).exists():
        raise Refused("on_its_way", "It was sent again before, and that one is still on its way.")
    if only_once and same.filter(occurrence__gt=locked.occurrence, resent_by__isnull=False).exists():
        raise Refused("sent_again", "It was sent again before; open it to send it once more.")
    last = same.aggregate(last=Max("occurrence"))["last"] or locked.occurrence
    [new] = enqueue(
        NoticeRequest(
            account_id=locked.account_id, anchor_key=locked.anchor_key, step_key=locked.step_key,
            occurrence=last + 1, template=locked.template, channels=(locked.channel,), contact_id=locked.contact_id,
            context=locked.context, resent_by=by.pk, why=f"Sent again by {by}: {why}"[:WHY_LENGTH],
        )
    )[:1]  # fmt: skip
    if new.state != State.QUEUED:
        # Raised out of the transaction: the row that cannot go out is not kept.
        raise Refused("cannot_go_out", f"It cannot go out: {new.why} Mend that on the contact's page, then try again.")
    for code in EXCEPTIONS:
        resolve_attention(code, f"notice:{locked.pk}", f"Sent again by {by}: {why}", by=by)
    return new


@transaction.atomic
def say_it_arrived(notice: Notice, why: str, *, by: User) -> Notice:
    """Settle an ambiguous letter as delivered, because a person found out; it counts as a notice that came first."""
    locked = _ambiguous(notice, why)
    moment = locked.sending_at or clock.now()
    locked.state, locked.accepted_at, locked.ended_at = State.DELIVERED, moment, clock.now()
    return _settled(locked, f"Arrived, says {by}: {why}", by)


@transaction.atomic
def say_it_did_not_arrive(notice: Notice, why: str, *, by: User) -> Notice:
    """Settle an ambiguous letter as failed, because a person found out, and try the next way to its contact."""
    locked = _ambiguous(notice, why)
    locked.state, locked.accepted_at, locked.ended_at = State.FAILED, locked.sending_at or clock.now(), clock.now()
    settled = _settled(locked, f"Did not arrive, says {by}: {why}", by)
    fall_back(settled)
    return settled


def _settled(locked: Notice, words: str, by: User) -> Notice:
    locked.why = words[:WHY_LENGTH]
    locked.save(update_fields=["state", "accepted_at", "ended_at", "why"])
    NoticeAttempt.objects.create(notice=locked, at=clock.now(), outcome=locked.state, detail=locked.why)
    resolve_attention("notice-ambiguous", f"notice:{locked.pk}", words, by=by)
    # What waits for this notice looks at committed rows.
    announced = {"sender": Notice, "notice_id": locked.pk, "account_id": locked.account_id}
    transaction.on_commit(lambda: signals.notice_settled.send_robust(**announced) and None)
    return locked


def _ambiguous(notice: Notice, why: str) -> Notice:
    _needs(why)
    locked = _lock(notice)
    if locked.state != State.AMBIGUOUS:
        raise StaleState(f"It is {locked.get_state_display()} by now; nothing was changed.")
    return locked


def _lock(notice: Notice) -> Notice:
    return lock_row(Notice.objects.select_related("account__company__outreach_rules", "contact__account"), notice.pk)


def _needs(why: str) -> None:
    if not why.strip():
        raise Refused("no_reason", "Say why, such as “Customer says nothing came, 3 Nov”.")
