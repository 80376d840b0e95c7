"""Who was told what in an evidence pack: contacts, notices with their text and the provider's word, calls, tickets."""

from typing import Any

from django.db.models import Prefetch

from accounts.models import CallRecord, Contact, Notice, NoticeAttempt, ProviderEvent
from delinquency.models import Ticket, TicketComment

from .sections import Span, Table, table


def contacts(span: Span) -> Table:
    """Return the people as they were written down at the end of the span."""
    history: Any = Contact.history
    found = list(history.as_of(span.end).filter(account_id=span.account.pk))
    rows = [
        (
            one.name, one.is_billing_contact, one.email, one.phone, _allowed(one), span.at(one.consented_at),
            one.get_language_display(),
        )
        for one in sorted(found, key=lambda one: (not one.is_billing_contact, one.pk))
    ]  # fmt: skip
    return table(
        "contacts", f"Contacts as of the end of {span.last}",
        ("Name", "Billing contact", "E-mail", "Phone", "May be reached by", "Agreed", "Language"), rows,
        empty="There was no contact.",
    )  # fmt: skip


def _allowed(one: Contact) -> str:
    ways = {"e-mail": one.email_allowed, "text": one.sms_allowed, "call": one.voice_allowed}
    return ", ".join(way for way, allowed in ways.items() if allowed) or "nothing"


def notices(span: Span) -> Table:
    """Return what was written in the span, the text itself, and what the provider said of it."""
    found = Notice.objects.filter(account=span.account, **span.during("created_at")).order_by("created_at", "pk")
    notices = list(found.prefetch_related(Prefetch("attempt_rows", NoticeAttempt.objects.order_by("at", "pk"))))
    reports: dict[int, list[ProviderEvent]] = {}
    for event in ProviderEvent.objects.filter(notice__in=notices).order_by("happened_at", "pk"):
        reports.setdefault(event.notice_id or 0, []).append(event)
    rows = [
        (
            span.at(one.created_at), one.get_channel_display(), one.to_address, one.step_key or one.template,
            one.get_state_display(), _evidence(span, one, reports.get(one.pk, [])),
            "\n".join(filter(None, (one.subject, one.body))),
        )
        for one in notices
    ]  # fmt: skip
    return table(
        "notices", "Notices", ("Written", "By", "To", "Step", "State", "What the provider said", "Text"), rows,
        empty="Nothing was written to this customer in these days.",
        note="Links that open the account are shortened (***).",
    )  # fmt: skip


def _evidence(span: Span, notice: Notice, reports: list[ProviderEvent]) -> str:
    """Return what a provider said of a notice, oldest first: accepted, delivered, bounced, with the provider's ids."""
    tries = [
        f"{span.at(one.at)} {one.outcome} {one.provider_id} {one.detail}".strip() for one in notice.attempt_rows.all()
    ]
    later = [f"{span.at(one.happened_at)} {one.provider}: {one.kind} {one.detail}".strip() for one in reports]
    return "\n".join([*tries, *later]) or notice.why


def calls(span: Span) -> Table:
    """Return the calls made and received in the span."""
    found = CallRecord.objects.filter(account=span.account, **span.during("at")).select_related("by", "contact")
    rows = [
        (
            span.at(one.at), "received" if one.inbound else "made", one.number, one.contact or "", one.by or "",
            one.get_outcome_display(), one.note,
        )
        for one in found.order_by("at", "pk")
    ]  # fmt: skip
    return table(
        "calls", "Calls", ("At", "Made or received", "Number", "With", "By", "Outcome", "Note"), rows,
        empty="No call was noted in these days.",
    )  # fmt: skip


def tickets(span: Span) -> Table:
    """Return every line of the account's tickets that was written in the span."""
    found = TicketComment.objects.filter(ticket__account=span.account, **span.during("at"))
    rows = [
        (
            span.at(one.at), one.ticket.number, one.ticket.subject, one.author or one.contact or "the program",
            "seen by staff only" if one.internal else one.get_direction_display(), one.text,
        )
        for one in found.select_related("ticket", "author", "contact").order_by("at", "pk")
    ]  # fmt: skip
    opened = Ticket.objects.filter(account=span.account, **span.during("opened_at")).order_by("opened_at", "pk")
    said = ", ".join(f"{one.number} ({one.get_state_display()})" for one in opened)
    return table(
        "tickets", "Tickets", ("At", "Ticket", "About", "Who", "Kind", "Text"), rows,
        empty="Nothing was written in tickets in these days.",
        note=f"Opened in these days, with their state today: {said}." if said else "",
    )  # fmt: skip
