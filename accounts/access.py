"""Who may see which account in the portal: signed links, the session they open, and the frame of every portal page.

Customers have no user and no password. A link opens one account for viewing and paying, nothing else.
"""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.http import base36_to_int, int_to_base36, url_has_allowed_host_and_scheme, urlencode

from billing_project.kernel import clock

from .models import Account, Contact, Notice
from .outreach.outbox import NoticeRequest, enqueue

SALT = "portal.view-and-pay"
SIGNATURE_BYTES = 15
LINK_AGE_MAX = timedelta(days=30)
SESSION_AGE_MAX = timedelta(hours=4)
LINKS_PER_HOUR = 3
LANGUAGES = tuple(code for code, _name in Contact.Language.choices)
KEY, UNTIL, LANGUAGE = "portal_account", "portal_until", "portal_language"

P = ParamSpec("P")
PortalView = Callable[Concatenate[HttpRequest, Account, P], HttpResponse]


# --- Links ---


def make_link_token(account: Account) -> str:
    """Return the signed part of a link that opens an account for viewing and paying; short, since texts carry it."""
    words = f"{int_to_base36(account.pk)}.{int_to_base36(int(clock.now().timestamp()) // 60)}"
    return f"{words}.{_signature(words, settings.SECRET_KEY)}"


def account_from_token(token: str, max_age: timedelta = LINK_AGE_MAX) -> Account | None:
    """Return the account a link opens, or None if it is forged, too old, or the account's doors are shut."""
    words, _, signature = token.rpartition(".")
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    if not any(constant_time_compare(signature, _signature(words, key)) for key in keys):
        return None
    pk, _, minute = words.partition(".")
    made_at = datetime.fromtimestamp(base36_to_int(minute) * 60, tz=UTC)
    if clock.now() - made_at > max_age:
        return None
    return Account.objects.select_related("company", "status").filter(pk=base36_to_int(pk)).first()


def _signature(words: str, key: str | bytes) -> str:
    signed = salted_hmac(SALT, words, secret=key, algorithm="sha256").digest()
    return urlsafe_b64encode(signed[:SIGNATURE_BYTES]).decode()


def link_to(account: Account, to: str = "") -> str:
    """Return the whole address of an account's link, to a page of the portal if one is named.

    Its host comes from the settings alone.
    """
    address = f"{settings.PUBLIC_BASE_URL.rstrip('/')}{reverse('portal-enter', args=[make_link_token(account)])}"
    return f"{address}?{urlencode({'to': to})}" if to else address


def page_within(path: str) -> str:
    """Return a path if it is a page of the portal, or else the portal's first page."""
    safe = url_has_allowed_host_and_scheme(path, allowed_hosts=None) and path.startswith("/portal/")
    return path if safe and "\\" not in path and ".." not in path else reverse("portal-home")


def send_link(account: Account, channels: Sequence[str] = ("email", "sms")) -> list[Notice]:
    """Write the billing contact a letter with a link; nothing after three within an hour, and the list is empty."""
    step, anchor = "portal-link", f"account:{account.pk}"
    earlier = Notice.objects.filter(account=account, step_key=step, anchor_key=anchor)
    recent = earlier.filter(created_at__gt=clock.now() - timedelta(hours=1))
    if recent.values("occurrence").distinct().count() >= LINKS_PER_HOUR:
        return []
    last = earlier.order_by("-occurrence").values_list("occurrence", flat=True).first() or 0
    return enqueue(
        NoticeRequest(
            account_id=account.pk, anchor_key=anchor, step_key=step, occurrence=last + 1, template="portal_link",
            channels=channels, context={"pay_url": link_to(account), "amount_due": "", "currency": ""},
            why="a link to the portal was asked for",
        )
    )  # fmt: skip


def account_named(words: str) -> Account | None:
    """Return the account that a number, or its billing contact's e-mail address, names; None if that is not one."""
    words = words.strip()[:254]
    if not words:
        return None
    found = list(Account.objects.filter(number=words)[:2])
    if not found and "@" in words:
        found = list(Account.objects.filter(contacts__email__iexact=words, contacts__is_billing_contact=True)[:2])
    return found[0] if len(found) == 1 else None


# --- The session ---


def sign_in(request: HttpRequest, account: Account) -> None:
    """Open the account for this browser; a new session key keeps an old one from being reused."""
    request.session.cycle_key()
    request.session[KEY] = account.pk
    request.session[UNTIL] = (clock.now() + SESSION_AGE_MAX).timestamp()


def sign_out(request: HttpRequest) -> None:
    """Close the account for this browser."""
    for name in (KEY, UNTIL):
        request.session.pop(name, None)


def signed_in(request: HttpRequest) -> Account | None:
    """Return the account this browser may see, or None."""
    pk, until = request.session.get(KEY), request.session.get(UNTIL)
    if not isinstance(pk, int) or not isinstance(until, int | float) or until < clock.now().timestamp():
        return None
    return Account.objects.select_related("company", "status").filter(pk=pk).first()


def for_customers(view: PortalView[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Let a view run for the signed-in account only, which it gets as its second argument; others ask for a link."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        account = signed_in(request)
        if account is None:
            return HttpResponseRedirect(reverse("portal-link"), status=303)
        with translation.override(language_of(request, account)):
            return view(request, account, *args, **kwargs)

    return cast(Callable[Concatenate[HttpRequest, P], HttpResponse], guarded)


def language_of(request: HttpRequest, account: Account | None = None) -> str:
    """Return the page's language: chosen here, else the billing contact's, else the browser's."""
    chosen = request.session.get(LANGUAGE)
    if chosen in LANGUAGES:
        return str(chosen)
    if account is not None:
        known = (
            Contact.objects.filter(account=account, is_billing_contact=True).values_list("language", flat=True).first()
        )
        return known if known in LANGUAGES else LANGUAGES[0]
    asked = translation.get_language_from_request(request).partition("-")[0]
    return asked if asked in LANGUAGES else LANGUAGES[0]


# --- The frame of every page ---


def page(
    request: HttpRequest, template: str, context: dict[str, Any] | None = None, *, status: int = 200, form_to: str = ""
) -> HttpResponse:
    """Answer with a portal page: no script, nothing from elsewhere, nothing kept by caches, no address passed on.

    ``form_to`` is the one origin elsewhere to which the answer to its form may lead on; browsers refuse every other.
    """
    nonce = secrets.token_urlsafe(16)
    account = (context or {}).get("account")
    company = account.company if isinstance(account, Account) else None
    everything = {
        **(context or {}), "nonce": nonce, "company": company, "languages": Contact.Language.choices,
        "language": translation.get_language(),
    }  # fmt: skip
    response = HttpResponse(render_to_string(template, everything, request=request), status=status)
    leads_on = f" {form_to}" if form_to else ""
    response["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; form-action 'self'{leads_on};"
        " base-uri 'none'; frame-ancestors 'none'"
    )
    # Not no-referrer: browsers then send "Origin: null" with forms, which the check against forged forms refuses.
    response["Referrer-Policy"] = "same-origin"
    response["Cache-Control"] = "no-store"
    response["Content-Language"] = str(translation.get_language())
    return response
