"""The customer's cards and bank accounts: look, add on the provider's page, order, remove; automatic payment."""

import uuid
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.access import for_customers, language_of, page
from accounts.models import Account, FundingSource
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, Unavailable
from invoicing.gateways.registry import gateway
from invoicing.models import BillingParameters, PaymentAttempt, SourcePage
from invoicing.operations import cards, sources
from invoicing.operations.autopay import autopay_of, set_autopay
from invoicing.operations.portal_pay import UNDER_WAY_STATES

from .forms import whole_number

EXPIRES_SOON = timedelta(days=45)
# What a page may say after something was done; the address carries the name only.
SAID: dict[str, str | Promise] = {
    "added": gettext_lazy("Your card is stored."),
    "left": gettext_lazy("No card was added."),
    "later": gettext_lazy("The payment provider does not answer just now. If you added a card, it appears here soon."),
    "first": gettext_lazy("This card is now charged first."),
    "removed": gettext_lazy("The card was removed. Receipts of what it paid stay."),
    "on": gettext_lazy("Automatic payment is on."),
    "off": gettext_lazy("Automatic payment is off. Please pay each bill yourself by its due date."),
}


@require_GET
@for_customers
def index(request: HttpRequest, account: Account) -> HttpResponse:
    """List the stored cards in the order in which they are charged."""
    return _show(request, account, said=str(SAID.get(request.GET.get("done", ""), "")))


@require_POST
@for_customers
def add(request: HttpRequest, account: Account) -> HttpResponse:
    """Open the provider's page on which a card is added, or one that may not be charged is entered again."""
    try:
        once = uuid.UUID(request.POST.get("once", ""))
    except ValueError:
        return _show(request, account, wrong=_("The form was incomplete. Please choose again."), status=400)
    back = settings.PUBLIC_BASE_URL + reverse("portal-card-added", args=[once])
    way = sources.Way(return_url=back, leave_url=back, language=language_of(request, account))
    try:
        page_to_add = sources.open_page_to_add(account, key=_key(account, once), rank=_place(request, account), way=way)
    except Refused as refusal:
        words = {
            "gateway_unavailable": _("The payment provider's page cannot be opened now. Please try again later."),
            "foreign_key": _("The form was incomplete. Please choose again."),
        }
        return _show(request, account, wrong=words.get(refusal.code, refusal.words), status=409)
    own = page_to_add.url.removeprefix(settings.PUBLIC_BASE_URL)
    if own != page_to_add.url or page_to_add.url.startswith(f"{gateway().page_origin}/"):
        return HttpResponseRedirect(own, status=303)
    return page(request, "portal/card_page.html", {"account": account, "address": page_to_add.url})


@require_GET
@for_customers
def added(request: HttpRequest, account: Account, once: uuid.UUID) -> HttpResponse:
    """Store the card that was added on the provider's page, once, and say so."""
    row = SourcePage.objects.filter(account=account, key=_key(account, once)).first()
    if row is None:
        return _to("left")
    try:
        sources.take_added(row.page_id)
    except (Unavailable, Refused):
        return _to("later")
    row.refresh_from_db()
    return _to("added" if row.taken_at is not None else "left")


@require_POST
@for_customers
def first(request: HttpRequest, account: Account, source_id: int) -> HttpResponse:
    """Have a card charged before the others."""
    try:
        cards.put_first(account, source_id, seen=request.POST.get("seen", ""))
    except Refused as refusal:
        return _show(request, account, wrong=refusal.words, status=409)
    return _to("first")


@require_http_methods(["GET", "HEAD", "POST"])
@for_customers
def remove(request: HttpRequest, account: Account, source_id: int) -> HttpResponse:
    """Ask whether a card is to be removed, and remove it."""
    own = cards.cards_of(account)
    card = next((row for row in own if row.pk == source_id), None)
    if card is None:
        return _show(request, account, wrong=_("This card is not stored any more; nothing was changed."), status=404)
    if request.method == "POST":
        try:
            cards.remove_card(account, source_id, seen=request.POST.get("seen", ""))
        except Refused as refusal:
            return _show(request, account, wrong=refusal.words, status=409)
        return _to("removed")
    context = {
        "account": account, "card": card, "seen": cards.mark_of(own),
        "why_not": cards.why_not_removed(account, own, card),
        "next_card": next((row for row in own if row.pk != card.pk and row.barred_at is None), None),
    }  # fmt: skip
    return page(request, "portal/card_remove.html", context)


@require_POST
@for_customers
def autopay(request: HttpRequest, account: Account) -> HttpResponse:
    """Turn automatic payment on or off."""
    on = request.POST.get("on") == "1"
    try:
        if on and not any(card.barred_at is None for card in cards.cards_of(account)):
            raise Refused("no_card", _("Automatic payment needs a card that can be charged. Please add one first."))
        set_autopay(account, on, why=f"turned {'on' if on else 'off'} by the customer in the portal")
    except Refused as refusal:
        words = _("Automatic payment cannot be changed yet. Please ask us.")
        return _show(request, account, wrong=words if refusal.code == "no_terms" else refusal.words, status=409)
    return _to("on" if on else "off")


def _show(
    request: HttpRequest, account: Account, *, wrong: str = "", said: str = "", status: int = 200
) -> HttpResponse:
    own, today = cards.cards_of(account), clock.today(account.timezone)
    charged = PaymentAttempt.objects.filter(account=account, state__in=UNDER_WAY_STATES)
    busy = set(charged.values_list("funding_source_id", flat=True))
    context: dict[str, Any] = {
        "account": account, "cards": [_as_shown(card, today, card.pk in busy) for card in own],
        "seen": cards.mark_of(own), "wrong": wrong, "said": said, "once": uuid.uuid4(),
        "may_add": len(own) < sources.RANKS_MAX, "autopay": autopay_of(account),
        "has_terms": BillingParameters.objects.filter(account=account).exists(),
        "usable": [card for card in own if card.barred_at is None],
    }  # fmt: skip
    return page(request, "portal/cards.html", context, status=status, form_to=gateway().page_origin)


def _as_shown(card: FundingSource, today: date, busy: bool) -> dict[str, Any]:
    """Return a card with what is to be said about its end: nothing, soon, or past."""
    ends = card.expires_on
    expiry = "" if ends is None else "past" if ends < today else "soon" if ends - today <= EXPIRES_SOON else "later"
    return {"row": card, "expiry": expiry, "busy": busy, "once": uuid.uuid4()}


def _place(request: HttpRequest, account: Account) -> int:
    """Return the place for a card: that of the one to be entered again, or the first free one.

    Raises Refused if all are taken.
    """
    own = cards.cards_of(account)
    again = whole_number(request.POST.get("again", ""))
    for card in own:
        if again and card.pk == again:
            return card.rank
    taken = {card.rank for card in own}
    free = next((rank for rank in range(1, sources.RANKS_MAX + 1) if rank not in taken), 0)
    if not free:
        words = _("You have %(most)s cards stored, and that is as many as we keep. Remove one first.")
        raise Refused("too_many", words % {"most": sources.RANKS_MAX})
    return free


def _key(account: Account, once: uuid.UUID) -> str:
    return f"portal-add:{account.pk}:{once}"


def _to(done: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(f"{reverse('portal-cards')}?done={done}", status=303)
