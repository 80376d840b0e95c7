"""The customer's page of preferences: by which ways, in which language, at which hours."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import access
from accounts import preferences as operations
from accounts.models import Account
from accounts.preferences import CHANNELS, WORDS, ZONES
from billing_project.kernel.errors import Refused, StaleState

SAVED = "saved"


@require_http_methods(["GET", "HEAD", "POST"])
@access.for_customers
def preferences(request: HttpRequest, account: Account) -> HttpResponse:
    """Show how the customer is reached, and change one thing at a time, at once."""
    if request.method != "POST":
        return _page(request, account)
    try:
        done = _change(request, account)
    except StaleState as stale:
        return _page(request, account, stale.words, status=409)
    except Refused as refusal:
        return _page(request, account, refusal.words, status=400)
    return HttpResponseRedirect(f"{reverse('portal-preferences')}?done={done}", status=303)


def _change(request: HttpRequest, account: Account) -> str:
    """Do what the form asks, and return what to say; raises Refused."""
    seen = request.POST.get("seen", "")[:40]
    if "language" in request.POST:
        language = request.POST["language"][:5]
        operations.set_reading(account, language=language, timezone=request.POST.get("timezone", "")[:64], seen=seen)
        request.session[access.LANGUAGE] = language
        return SAVED
    channel, do = request.POST.get("channel", "")[:8], request.POST.get("do")
    if channel not in CHANNELS or do not in ("on", "off"):
        raise Refused("incomplete", _("The form was incomplete. Please choose again."))
    operations.switch(account, channel, on=do == "on", seen=seen)
    return f"{channel}-{do}"


def _page(request: HttpRequest, account: Account, wrong: str = "", *, status: int = 200) -> HttpResponse:
    contact = operations.billing_contact(account)
    context: dict[str, Any] = {"account": account, "contact": contact, "wrong": wrong, "done": _done(request)}
    if contact is not None:
        zones = [(name, str(words)) for name, words in ZONES]
        if contact.timezone and contact.timezone not in dict(ZONES):
            zones.insert(0, (contact.timezone, contact.timezone))
        context |= {
            "ways": operations.ways_of(contact), "seen": operations.seen_of(contact), "zones": zones,
            "why_last": operations.why_last(), "own_zone": dict(ZONES).get(account.timezone, account.timezone),
        }  # fmt: skip
    return access.page(request, "portal/preferences.html", context, status=status)


def _done(request: HttpRequest) -> str:
    """Return what was just saved, in words."""
    asked = request.GET.get("done", "")
    channel, _dash, state = asked.partition("-")
    if asked == SAVED:
        return _("Saved.")
    if channel not in CHANNELS or state not in ("on", "off"):
        return ""
    if state == "on":
        return _("%(way)s: switched on.") % {"way": WORDS[channel]}
    return _("%(way)s: switched off, from this moment on.") % {"way": WORDS[channel]}
