"""Enter by a link or a code, ask for one, leave, choose the language.

Looking at a link opens nothing, whoever looks: it gives the browser a pass and leads to an address without the link's
secret. Only the button there, pressed in the browser with the pass, opens the account.
"""

import secrets

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import translation
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access, links, sign_in
from accounts.models import Account, PortalEntry
from accounts.sign_in import CHANNELS
from billing_project.kernel import clock

from . import doors

PASS_SALT = "portal.pass"  # noqa: S105 (names a use of the key)
Door = PortalEntry.Door


@require_safe
def enter(request: HttpRequest, token: str) -> HttpResponse:
    """Give whoever looks at a link a pass, and lead to a clean address; a link that is no more leads to a new one.

    A browser that asked for the link itself a moment ago is let in at once: nobody but its owner looks from there.
    """
    link = links.read_link(token)
    if link.account is None:
        with translation.override(access.language_of(request)):
            wrong = _("This link is not whole, or not ours. Please open it again from your message, or get a new one.")
            return _ask_page(request, wrong=wrong, status=410)
    again = links.make_again_token(link.account)
    if link.state is links.State.OLD:
        return _see(f"{reverse('portal-link')}?{urlencode({'again': again})}")
    to = access.page_within(request.GET.get("to", ""))
    present = access.signed_in(request)
    if present is not None and present.pk == link.account.pk:
        return _see(to)
    mark = doors.held(request, doors.ASKED)
    if request.method == "GET" and sign_in.asked_in(mark, link.account):
        # A second look from there is let in, too: it holds the mark, and the link is good.
        sign_in.enter(link.account, Door.OWN_LINK, secrets.token_urlsafe(16))
        access.sign_in(request, link.account)
        return _see(to)
    response = _see(f"{reverse('portal-open')}?{urlencode({'to': to, 'again': again})}")
    if request.method == "GET":
        doors.hand(response, doors.PASS, _make_pass(link), doors.PASS_GOOD_FOR)
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def open_account(request: HttpRequest) -> HttpResponse:
    """Show the button to the holder of a pass, and open the account when it is pressed; to others say what to do."""
    to = access.page_within(request.GET.get("to", ""))
    account, mark = _holder(request)
    if account is None:
        if access.signed_in(request) is not None:  # the button was pressed twice, or the way back taken
            return _see(to)
        with translation.override(access.language_of(request)):
            context = {"again": request.GET.get("again", "")[:200]}
            return access.page(request, "portal/no_pass.html", context, status=200 if request.method != "POST" else 403)
    if request.method == "POST":
        if sign_in.enter(account, Door.LINK, mark):
            access.sign_in(request, account)
        response = _see(to)
        doors.take_back(response, doors.PASS)
        return response
    with translation.override(access.language_of(request, account)):
        return access.page(request, "portal/enter.html", {"account": account})


# Without the usual token: this form must also work where no cookie is kept. It says itself where it comes from.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def ask_for_link(request: HttpRequest) -> HttpResponse:
    """Take down that somebody wants a link and a code; the answer is the same whether or not we know them."""
    with translation.override(access.language_of(request)):
        if request.method != "POST":
            return _ask_page(request)
        if not doors.is_from_here(request):
            return _ask_page(request, wrong=_("The form came from another site. Please fill it in here."), status=403)
        account = links.account_from_again(request.POST.get("again", "")[:200])
        typed = request.POST.get("who", "").strip()
        if account is None and not typed:
            wrong = _("Please write your account number, your e-mail address or your phone number.")
            return _ask_page(request, wrong=wrong, status=400)
    mark = sign_in.ask(typed, _channel(request), doors.address_of(request), account=account)
    response = _see(reverse("portal-link-asked"))
    doors.hand(response, doors.ASKED, mark, doors.ASKED_GOOD_FOR)
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def link_asked(request: HttpRequest) -> HttpResponse:
    """Say that a message is on its way if the account is known, and take its code."""
    mark = doors.held(request, doors.ASKED)
    with translation.override(access.language_of(request)):
        if request.method != "POST":
            if access.signed_in(request) is not None:
                return _see(reverse("portal-home"))
            return access.page(request, "portal/link_asked.html", {"asked": bool(mark)})
        tried = sign_in.try_code(mark, request.POST.get("code", ""))
        if tried.account is None:
            if access.signed_in(request) is not None:  # the code was sent twice
                return _see(reverse("portal-home"))
            wrong = (
                _("Code: these are not the six digits of the newest message. Please look again.")
                if tried.may_try_again
                else _("Code: it cannot be used any more. Please get a new one.")
            )
            context = {"asked": bool(mark), "wrong": wrong, "over": not tried.may_try_again}
            return access.page(request, "portal/link_asked.html", context, status=400)
    sign_in.enter(tried.account, Door.CODE, mark)
    access.sign_in(request, tried.account)
    response = _see(reverse("portal-home"))
    doors.take_back(response, doors.ASKED)
    return response


@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    """Close the account for this browser."""
    access.sign_out(request)
    return _left(request)


@require_POST
@access.for_customers
def leave_everywhere(request: HttpRequest, account: Account) -> HttpResponse:
    """Close the account in every browser, and all its links."""
    access.close_doors(account, "signed out everywhere, in the portal")
    access.sign_out(request)
    return _left(request)


@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Keep the language of the pages, and go back to where the customer was."""
    asked = request.POST.get("language", "")
    if asked in access.LANGUAGES:
        request.session[access.LANGUAGE] = asked
    return _see(access.page_within(request.POST.get("back", "")))


def _ask_page(request: HttpRequest, *, wrong: str = "", status: int = 200) -> HttpResponse:
    """Return the form; where an old link led here, one press asks for a new one."""
    again = request.GET.get("again", "")[:200]
    known = links.account_from_again(again) if again else None
    context = {
        "again": again if known else "", "known": known.company if known else None, "wrong": wrong,
        "invalid": status == 400, "who": request.POST.get("who", "")[:254], "channel": _channel(request),
        "days": links.LINK_AGE_MAX.days,
    }  # fmt: skip
    return access.page(request, "portal/link.html", context, status=status)


def _channel(request: HttpRequest) -> str:
    asked = request.POST.get("channel", "")
    return asked if asked in CHANNELS else CHANNELS[0]


def _make_pass(link: links.Link) -> str:
    """Return a pass for one entry: whose link, when it was made, when it was looked at, and a mark good for once."""
    assert link.account is not None
    assert link.made_at is not None
    words = f"{int(link.made_at.timestamp())}-{secrets.token_urlsafe(12)}"
    return links.signed(PASS_SALT, link.account.pk, clock.now(), words)


def _holder(request: HttpRequest) -> tuple[Account | None, str]:
    """Return the account that the browser's pass opens, and the pass's mark; an account whose links were closed not."""
    found = links.unsigned(PASS_SALT, doors.held(request, doors.PASS))
    if found is None or clock.now() - found.moment > doors.PASS_GOOD_FOR:
        return None, ""
    account = links.account_of(found.pk)
    made_at = links.at_second(int(found.more.partition("-")[0]))
    return (account, found.more) if account is not None and links.is_open_since(account, made_at) else (None, "")


def _left(request: HttpRequest) -> HttpResponse:
    """Go to the way in, without what could open it again."""
    response = _see(reverse("portal-link"))
    for name in (doors.PASS, doors.ASKED):
        doors.take_back(response, name)
    return response


def _see(address: str) -> HttpResponse:
    return HttpResponseRedirect(address, status=303)
