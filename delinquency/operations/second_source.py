"""Ask a flagged account for a second way to pay, remind it once, and note when it comes (E7)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from accounts.access import link_to
from accounts.models import Account, FundingSource, Notice
from accounts.models.outreach import Courtesy
from accounts.outreach.outbox import NoticeRequest
from accounts.queries import funding_sources_by_rank
from billing_project.kernel import clock

from ..models import Standing, Ticket
from ..second_source import SECONDARY, SecondSource, deadlines_of, second_source_of, second_sources, with_one
from . import desk
from .courtesies import Wish, write

CARDS_PAGE = "/portal/cards/"
LETTER = "second_source_asked"
# How long before the day by which it is wanted the reminder goes, and at which hours where the customer is.
REMINDED_BEFORE = timedelta(days=3)
FROM, UNTIL = time(9), time(21)
ON_FILE = "A second source is on file already."

# A letter of a step that asks for one: account, anchor and step.
Asking = tuple[int, str, str]


def complete(requests: Sequence[NoticeRequest], asking: Mapping[Asking, date]) -> list[NoticeRequest]:
    """Give the letters that ask for a second source their day, card and link; keep back those that need not ask.

    ``asking`` tells which those are, and on which day each asks. A constant number of queries.
    """
    if not asking:
        return list(requests)
    ids = {account_id for account_id, _, _ in asking}
    sources, accounts = funding_sources_by_rank(ids), Account.objects.in_bulk(ids)
    deadlines = deadlines_of({account_id: on for (account_id, _, _), on in asking.items()})
    done = []
    for request in requests:
        key = (request.account_id, request.anchor_key, request.step_key)
        if key in asking and request.send:
            known = sources.get(request.account_id, {})
            if any(rank >= SECONDARY and source.barred_at is None for rank, source in known.items()):
                done.append(replace(request, send=False, not_sent_why=ON_FILE, context={}))
                continue
            texts = _texts(accounts[request.account_id], known.get(1), deadlines.get(request.account_id))
            request = replace(request, context={**request.context, **texts})
        done.append(request)
    return done


def remind_second_sources(at: datetime) -> int:
    """Remind accounts whose second source is wanted in three days and has not come; once for each asking.

    Looked at with every delinquency tick; it costs what is asked for and has not come. Returns how many were written.
    """
    rows = Standing.objects.filter(
        second_source_asked_on__isnull=False, flagged_on__isnull=False, account__closed_on__isnull=True
    ).exclude(with_one())
    zones = {
        account_id: zone
        for account_id, zone in rows.values_list("account_id", "account__timezone")
        if FROM <= clock.local(at, zone).time() < UNTIL
    }
    due = {
        account_id: asked
        for account_id, asked in second_sources(zones).items()
        if _is_due(asked, clock.local(at, zones[account_id]).date())
    }
    anchors = {account_id: f"second-source:{asked.asked_on}" for account_id, asked in due.items()}
    written = set(
        Notice.objects.filter(
            account__in=due, step_key=Courtesy.SECOND_SOURCE_REMINDER, anchor_key__in=set(anchors.values())
        ).values_list("account_id", "anchor_key")
    )
    fresh = [account_id for account_id, anchor in anchors.items() if (account_id, anchor) not in written]
    if not fresh:
        return 0
    accounts, sources = Account.objects.in_bulk(fresh), funding_sources_by_rank(fresh)
    return write(
        Wish(
            account_id=account_id, courtesy=Courtesy.SECOND_SOURCE_REMINDER, template=LETTER,
            anchor_key=anchors[account_id], why=due[account_id].words,
            context={
                **_texts(accounts[account_id], sources.get(account_id, {}).get(1), due[account_id].deadline_on),
                "asked_on": due[account_id].asked_on.isoformat(),
            },
        )
        for account_id in fresh
    )  # fmt: skip


def why_not_asked(notice: Notice) -> str:
    """Return why a letter need not ask for a second source any more, right before it goes; empty if it must."""
    asked = second_source_of(notice.account_id)
    if asked is None:
        return "It is not asked for any more." if notice.step_key == Courtesy.SECOND_SOURCE_REMINDER else ""
    return ON_FILE if asked.fulfilled else ""


def note_given(source: FundingSource) -> bool:
    """Note that a second source came that was asked for, and tell whether it was; its standing's history keeps it.

    Staff who look after the account read it on its open ticket. What its policy does is the same with and without one.
    """
    if source.rank < SECONDARY or source.barred_at is not None:
        return False
    standing = Standing.objects.filter(account=source.account_id, second_source_asked_on__isnull=False).first()
    if standing is None:
        return False
    words = f"The second source that was asked for came: {source}."
    if standing.history.filter(history_change_reason=words).exists():
        return False
    standing._change_reason = words  # type: ignore[attr-defined]
    standing.save(update_fields=["second_source_asked_on"])
    tickets = Ticket.objects.filter(account=source.account_id, kind=Ticket.Kind.DELINQUENCY)
    ticket = tickets.exclude(state=Ticket.State.CLOSED).first()
    if ticket is not None:
        desk.add_line(desk.lock_ticket(ticket), words, None)
    return True


def _is_due(asked: SecondSource, today: date) -> bool:
    if asked.deadline_on is None or asked.fulfilled:
        return False
    return max(asked.deadline_on - REMINDED_BEFORE, asked.asked_on + timedelta(days=1)) <= today < asked.deadline_on


def _texts(account: Account, primary: FundingSource | None, deadline_on: date | None) -> dict[str, str]:
    return {
        "deadline_on": deadline_on.isoformat() if deadline_on else "",
        "card_brand": primary.brand if primary else "",
        "card_last4": primary.last4 if primary else "",
        "pay_url": link_to(account, to=CARDS_PAGE),
    }
