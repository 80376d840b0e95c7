"""Write letters into the outbox, inside the caller's transaction; nothing is sent here.

A letter is one row for one contact and one channel. Its unique key (account, anchor, step, occurrence,
channel, contact) makes asking twice the same as asking once (D8), and PostgreSQL says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q

from accounts.models import Account, Company, Contact, Notice
from accounts.operations import AttentionRequest, raise_attentions
from billing_project.kernel import clock
from billing_project.kernel.bulk import insert_missing
from billing_project.kernel.errors import Refused
from billing_project.kernel.nudge import nudge

from . import rendering, rules
from .fallback import is_needed, listed_places, open_ways, tell_staff
from .gathering import reach_of, zones_of
from .suppressions import Place, normal

WHY_LENGTH = 300
# How the reason of a letter begins whose address is on the list of suppressed ones.
LEFT_ALONE = "Suppressed:"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRequest:
    """What another room wants to tell a customer.

    ``contact_id`` None means the billing contact. ``context`` are texts for the template; the account's,
    company's and contact's names are added here. ``send=False`` keeps a record that was not sent, and why.
    """

    account_id: int
    anchor_key: str
    step_key: str
    template: str
    why: str
    channels: Sequence[str] = ("email",)
    contact_id: int | None = None
    occurrence: int = 1
    context: Mapping[str, str] = field(default_factory=dict)
    fallback_of: int | None = None
    resent_by: int | None = None
    due_at: datetime | None = None
    send: bool = True
    not_sent_why: str = ""


def enqueue(message: NoticeRequest) -> list[Notice]:
    """Put one request into the outbox and return its rows, also those that were there before."""
    return _stored(_put([message]))


def enqueue_many(requests: Iterable[NoticeRequest]) -> int:
    """Put letters into the outbox and return how many that are, also those that were there before.

    The number of queries does not grow with the number of requests. A needed letter whose
    addresses are suppressed takes the next channel that is open; one that reaches nobody raises an exception for the
    clerks (A26). A template that cannot be rendered parks its own letter only.
    """
    return len(_put(list(requests)))


def _put(wanted: Sequence[NoticeRequest]) -> list[Notice]:
    if not wanted:
        return []
    accounts = _accounts({request.account_id for request in wanted})
    named, billing = _contacts(wanted, accounts)
    texts = rendering.live_texts({request.template for request in wanted})
    listed = listed_places([*named.values(), *billing.values()])
    rows: list[Notice] = []
    unreached: list[AttentionRequest] = []
    lost: list[Notice] = []
    for request in wanted:
        account = accounts[request.account_id]
        contact = named.get(request.contact_id) if request.contact_id else billing.get(request.account_id)
        if contact is not None and contact.account_id != account.pk:
            contact = None  # a foreign contact is nobody
        written = _letters(request, account, contact, listed, texts) if contact else []
        rows += written
        if request.send and not any(row.to_address for row in written):
            unreached.append(_nobody(account, request))
            lost += [row for row in written if row.why.startswith(LEFT_ALONE)][:1]
    insert_missing(rows)
    raise_attentions(unreached)
    tell_staff(lost)
    raise_attentions(_parked(rows, accounts))
    if any(row.state == Notice.State.QUEUED for row in rows):
        nudge("accounts.dispatch_notices")
    return rows


def _accounts(pks: set[int]) -> dict[int, Account]:
    """Return accounts with their companies, of which there are few: each is one object."""
    accounts = {account.pk: account for account in Account.objects.filter(pk__among=pks).order_by()}
    companies = Company.objects.select_related("outreach_rules").in_bulk({row.company_id for row in accounts.values()})
    for account in accounts.values():
        account.company = companies[account.company_id]
    return accounts


def _contacts(
    wanted: Sequence[NoticeRequest], accounts: Mapping[int, Account]
) -> tuple[dict[int, Contact], dict[int, Contact]]:
    """Return the contacts that requests name, by key, and the billing contacts, by account.

    One that is not of its request's account, and not of any other here, is left out.
    """
    named = {request.contact_id for request in wanted if request.contact_id}
    owners = {request.account_id for request in wanted if not request.contact_id}
    people = Contact.objects.filter(Q(pk__among=named) | Q(account_id__among=owners, is_billing_contact=True))
    found = [contact for contact in people if contact.account_id in accounts]
    for contact in found:
        contact.account = accounts[contact.account_id]
    return (
        {contact.pk: contact for contact in found},
        {contact.account_id: contact for contact in found if contact.is_billing_contact},
    )


def _letters(
    request: NoticeRequest, account: Account, contact: Contact, listed: Mapping[Place, str], texts: rendering.Texts
) -> list[Notice]:
    """Return a row for each wanted channel, and one more by another way if its addresses are suppressed (R-10).

    A contact who allows none of the wanted channels, or has no address for them, is not written to another way: which
    channels a step uses is the operator's choice.
    """
    written = [_written(request, account, contact, name, listed, texts) for name in request.channels]
    if not request.send or not is_needed(request.template) or any(row.to_address for row in written):
        return written
    if not any(row.why.startswith(LEFT_ALONE) for row in written):
        return written
    for channel in open_ways(contact, listed, request.template):
        if channel not in request.channels:
            instead = _written(request, account, contact, channel, listed, texts)
            instead.why = f"By {instead.get_channel_display()}, because: {written[0].why} {request.why}"[:WHY_LENGTH]
            return [*written, instead]
    return written


def _written(
    request: NoticeRequest,
    account: Account,
    contact: Contact,
    channel: str,
    listed: Mapping[Place, str],
    texts: rendering.Texts,
) -> Notice:
    """Return the row for one channel: queued for a decent hour, not sent, or parked with its template."""
    reach = reach_of(contact)
    notice = Notice(
        account=account,
        contact=contact,
        anchor_key=request.anchor_key,
        step_key=request.step_key,
        occurrence=request.occurrence,
        channel=channel,
        template=request.template,
        language=contact.language,
        to_address=reach.address(channel),
        context=dict(request.context),
        fallback_of_id=request.fallback_of,
        resent_by_id=request.resent_by,
        why=request.why[:WHY_LENGTH],
        created_at=clock.now(),
        due_at=request.due_at or clock.now(),
    )
    try:
        letter = rendering.render(
            channel=channel,
            template=request.template,
            language=contact.language,
            context=_context(request, account, contact),
            texts=texts,
        )
        notice.subject, notice.body = letter.subject, letter.body
        notice.template_version = letter.version
    except Refused as refusal:
        notice.state, notice.why = Notice.State.PARKED, refusal.words[:WHY_LENGTH]
    unreachable = rules.why_unreachable(reach, channel, step=request.step_key)
    left_alone = listed.get((channel, normal(channel, reach.address(channel))), "")
    if left_alone and not unreachable:
        unreachable = f"{LEFT_ALONE} {left_alone}"
    if unreachable:
        notice.to_address = ""
    if not request.send or unreachable:
        notice.state = Notice.State.NOT_SENT
        notice.why = (request.not_sent_why if not request.send else unreachable)[:WHY_LENGTH]
    elif notice.state == Notice.State.QUEUED:
        zones = zones_of(account, contact, notice.to_address)
        notice.due_at = rules.send_at(notice.due_at, template=request.template, zones=zones)
    return notice


def _context(request: NoticeRequest, account: Account, contact: Contact) -> dict[str, str]:
    return rendering.account_texts(account, contact) | dict(request.context)


def _nobody(account: Account, request: NoticeRequest) -> AttentionRequest:
    channels = ", ".join(request.channels)
    return AttentionRequest(
        code="no-billing-contact",
        key=f"account:{account.pk}",
        account_id=account.pk,
        words=f"Account {account.number} has no contact who can be reached by {channels}: notice"
        f" {request.template!r} was not sent. Give its billing contact an address.",
    )


def _parked(rows: Iterable[Notice], accounts: Mapping[int, Account]) -> list[AttentionRequest]:
    return [
        AttentionRequest(
            code="notice-template",
            key=f"{row.channel}:{row.template}:{row.language}",
            account_id=row.account_id,
            words=f"A notice for account {accounts[row.account_id].number} could not be written. {row.why}",
        )
        for row in rows
        if row.state == Notice.State.PARKED
    ]


def _stored(rows: Sequence[Notice]) -> list[Notice]:
    """Return the rows as the database has them: a row that lost to an earlier one is that earlier one."""
    keys = {_key(row) for row in rows}
    if not keys:
        return []
    found = Notice.objects.filter(
        account_id__among={row.account_id for row in rows},
        anchor_key__among={row.anchor_key for row in rows},
        step_key__among={row.step_key for row in rows},
    ).order_by("pk")
    return [notice for notice in found if _key(notice) in keys]


def _key(row: Notice) -> tuple[int, str, str, int, str, int | None]:
    return row.account_id, row.anchor_key, row.step_key, row.occurrence, row.channel, row.contact_id
