"""The customer's tickets: what was asked and answered. Only the session's own account exists here (SEC-01)."""

import uuid

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.access import for_customers, page
from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.texts import mask_cards
from delinquency.customer_tickets import subject_of, tickets_of
from delinquency.models import Ticket, TicketComment
from delinquency.operations import desk_portal
from delinquency.operations.desk_replies import TEXT_LENGTH_MAX

SHOWN_MAX = 30
Direction = TicketComment.Direction


@require_GET
@for_customers
def index(request: HttpRequest, account: Account) -> HttpResponse:
    """Show the customer's tickets, those that are not closed first."""
    rows = sorted(tickets_of(account)[:SHOWN_MAX], key=lambda row: row.is_closed)
    found = [(row, subject_of(row), clock.local(row.opened_at, account.timezone)) for row in rows]
    return page(request, "portal/tickets.html", {"account": account, "tickets": found})


@require_http_methods(["GET", "HEAD", "POST"])
@for_customers
def ask(request: HttpRequest, account: Account) -> HttpResponse:
    """Take a question in, and show its ticket."""
    wrong, status = "", 200
    if request.method == "POST":
        try:
            made = desk_portal.ask(
                account, request.POST.get("subject", ""), request.POST.get("text", ""), once=_once(request)
            )
        except Refused as refusal:
            wrong, status = refusal.words, 409
        else:
            return _to(made)
    begun = request.POST if request.method == "POST" else request.GET  # another page may begin the question
    context = {
        "account": account, "wrong": wrong,
        "subject": mask_cards(begun.get("subject", "")[: desk_portal.SUBJECT_LENGTH]),
        "text": mask_cards(begun.get("text", "")[:TEXT_LENGTH_MAX]), "once": uuid.uuid4(), "most": TEXT_LENGTH_MAX,
        "subject_most": desk_portal.SUBJECT_LENGTH,
    }  # fmt: skip
    return page(request, "portal/ask.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@for_customers
def ticket(request: HttpRequest, account: Account, number: str) -> HttpResponse:
    """Show what was said on a ticket, and take an answer in."""
    found = _own(account, number)
    wrong, status = "", 200
    if request.method == "POST":
        try:
            return _to(desk_portal.answer(found, request.POST.get("text", ""), once=_once(request)))
        except Refused as refusal:
            wrong, status = refusal.words, 409
    context = {
        "account": account, "ticket": found, "subject": subject_of(found), "lines": _lines(found, account),
        "wrong": wrong,
        "text": mask_cards(request.POST.get("text", "")[:TEXT_LENGTH_MAX]),
        "once": uuid.uuid4(), "most": TEXT_LENGTH_MAX,
        "takes_answers": desk_portal.takes_answers(found, clock.now()), "may_solve": desk_portal.may_be_solved(found),
        "closed": clock.local(found.closed_at, account.timezone) if found.closed_at else None,
        "written": bool(found.customer_at and found.owed_since_at),
    }  # fmt: skip
    return page(request, "portal/ticket.html", context, status=status)


@require_POST
@for_customers
def solved(request: HttpRequest, account: Account, number: str) -> HttpResponse:
    """Close a ticket at the customer's word."""
    found = _own(account, number)
    try:
        desk_portal.say_solved(found)
    except Refused as refusal:
        return page(request, "portal/tickets_refused.html", {"account": account, "wrong": refusal.words}, status=409)
    return _to(found)


def _own(account: Account, number: str) -> Ticket:
    """Return the account's own ticket of a number, or the one it was merged into; others do not exist here."""
    found = Ticket.objects.select_related("merged_into").filter(account=account, number=number).first()
    while found is not None and found.merged_into is not None:
        found = found.merged_into
    if found is None or found.account_id != account.pk or not tickets_of(account).filter(pk=found.pk).exists():
        raise Http404("There is no such ticket.")
    return found


def _lines(ticket: Ticket, account: Account) -> list[dict[str, object]]:
    """Return what the customer and we have said, oldest first; notes among staff are not in it."""
    rows = ticket.comments.filter(internal=False).exclude(direction=Direction.EVENT).select_related("author")
    return [
        {
            "ours": row.direction != Direction.IN, "text": row.text, "at": clock.local(row.at, account.timezone),
            "who": row.author.first_name if row.author else "",
        }
        for row in rows
    ]  # fmt: skip


def _once(request: HttpRequest) -> uuid.UUID:
    """Return the mark of the form that was sent; raises Refused if it has none."""
    try:
        return uuid.UUID(request.POST.get("once", ""))
    except ValueError:
        raise Refused("stale_form", _("The form was incomplete. Please choose again."))


def _to(ticket: Ticket) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("portal-ticket", args=[ticket.number]) + "#newest", status=303)
