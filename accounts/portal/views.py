"""Enter by a link, ask for a new one, leave, choose the language."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import translation
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import access


@require_http_methods(["GET", "HEAD", "POST"])
def enter(request: HttpRequest, token: str) -> HttpResponse:
    """Show a button, and open the account when it is pressed: scanners that follow links in mails open nothing."""
    account = access.account_from_token(token)
    with translation.override(access.language_of(request, account)):
        if account is None:
            return access.page(request, "portal/link.html", {"expired": True}, status=410)
        if request.method == "POST":
            access.sign_in(request, account)
            return HttpResponseRedirect(access.page_within(request.GET.get("to", "")), status=303)
        return access.page(request, "portal/enter.html", {"account": account})


@require_http_methods(["GET", "HEAD", "POST"])
def ask_for_link(request: HttpRequest) -> HttpResponse:
    """Send a link to the address on file; the answer is the same whether or not there is such an account."""
    if request.method == "POST":
        account = access.account_named(request.POST.get("who", ""))
        if account is not None:
            access.send_link(account)
        return HttpResponseRedirect(reverse("portal-link-asked"), status=303)
    with translation.override(access.language_of(request)):
        return access.page(request, "portal/link.html")


@require_GET
def link_asked(request: HttpRequest) -> HttpResponse:
    """Say that a link is on its way if the account is known."""
    with translation.override(access.language_of(request)):
        return access.page(request, "portal/link_asked.html")


@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    """Close the account for this browser."""
    access.sign_out(request)
    return HttpResponseRedirect(reverse("portal-link"), status=303)


@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Keep the language of the pages, and go back to where the customer was."""
    asked = request.POST.get("language", "")
    if asked in access.LANGUAGES:
        request.session[access.LANGUAGE] = asked
    return HttpResponseRedirect(access.page_within(request.POST.get("back", "")), status=303)
