"""Who may see which account in the portal: signed links, the session they open, and the frame of every portal page.

Customers have no user and no password. A link opens one account for viewing and paying, nothing else.
"""

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation

from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import advisory_lock, lock_row

from .links import LINK_AGE_MAX, account_from_token, is_open_since, link_to, make_link_token, page_within
from .models import Account, Contact, Notice, PortalDoor, SignInRequest, User
from .operations import REASON_LENGTH
from .outreach.outbox import NoticeRequest, enqueue

__all__ = [
    "LINK_AGE_MAX", "account_from_token", "close_doors", "for_customers", "language_of", "link_to", "make_link_token",
    "page", "page_within", "send_link", "sign_in", "sign_out", "signed_in",
]  # fmt: skip

SESSION_AGE_MAX = timedelta(hours=4)
LINKS_PER_HOUR = 3
LANGUAGES = tuple(code for code, _name in Contact.Language.choices)
KEY, SINCE, UNTIL, LANGUAGE = "portal_account", "portal_since", "portal_until", "portal_language"

P = ParamSpec("P")
PortalView = Callable[Concatenate[HttpRequest, Account, P], HttpResponse]


# --- Links ---


@transaction.atomic
def send_link(account: Account, channels: Sequence[str] = ("email", "sms"), *, code: str = "") -> list[Notice]:
    """Write the billing contact a letter with a link, and with a code if there is one.

    Nothing after three within an hour, however many ask at once, and the list is empty.
    """
    step, anchor = "portal-link", f"account:{account.pk}"
    advisory_lock(f"accounts.portal-link:{account.pk}")
    earlier = Notice.objects.filter(account=account, step_key=step, anchor_key=anchor)
    recent = earlier.filter(created_at__gt=clock.now() - timedelta(hours=1))
    if recent.values("occurrence").distinct().count() >= LINKS_PER_HOUR:
        return []
    last = earlier.order_by("-occurrence").values_list("occurrence", flat=True).first() or 0
    return enqueue(
        NoticeRequest(
            account_id=account.pk, anchor_key=anchor, step_key=step, occurrence=last + 1, template="portal_link",
            channels=channels,
            context={"pay_url": link_to(account), "amount_due": "", "currency": "", "sign_in_code": code},
            why="a link to the portal was asked for",
        )
    )  # fmt: skip


@transaction.atomic
def close_doors(account: Account, why: str, *, by: User | None = None) -> PortalDoor:
    """Close all links of an account that were made until now, all codes, and end all its sessions.

    Links in letters from now on are good. Raises Refused without a reason.
    """
    if not why.strip():
        raise Refused("no_reason", "Say why the links are closed, such as “Customer passed a letter on”.")
    lock_row(Account.objects.all(), account.pk)
    door = PortalDoor.objects.filter(account=account).first() or PortalDoor(account=account, times=0)
    door.closed_at, door.why, door.times = clock.now(), why.strip()[:200], door.times + 1
    door._change_reason = door.why[:REASON_LENGTH]  # type: ignore[attr-defined]
    door._history_date = clock.now()  # type: ignore[attr-defined]
    if by is not None:
        door._history_user = by  # type: ignore[attr-defined]
    door.save()
    SignInRequest.objects.filter(account=account).exclude(code_hash="").update(code_hash="")
    return door


# --- The session ---


def sign_in(request: HttpRequest, account: Account) -> None:
    """Open the account for this browser; a new session key keeps an old one from being reused."""
    request.session.cycle_key()
    request.session[KEY] = account.pk
    request.session[SINCE] = clock.now().timestamp()
    request.session[UNTIL] = (clock.now() + SESSION_AGE_MAX).timestamp()


def sign_out(request: HttpRequest) -> None:
    """Close the account for this browser."""
    for name in (KEY, SINCE, UNTIL):
        request.session.pop(name, None)


def signed_in(request: HttpRequest) -> Account | None:
    """Return the account this browser may see, or None; closing an account's links ends its sessions, too."""
    pk, since, until = (request.session.get(name) for name in (KEY, SINCE, UNTIL))
    if not isinstance(pk, int) or not isinstance(since, int | float) or not isinstance(until, int | float):
        return None
    if until < clock.now().timestamp():
        return None
    account = Account.objects.select_related("company", "status", "portal_door").filter(pk=pk).first()
    if account is None or not is_open_since(account, datetime.fromtimestamp(since, tz=UTC)):
        return None
    return account


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
