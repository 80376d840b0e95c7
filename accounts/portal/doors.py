"""What a browser holds while it comes in: two short-lived cookies, and the address it comes from."""

from datetime import timedelta
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts.client_address import client_address

# The pass that looking at a link gives; and the mark of the request for a link and a code.
PASS, ASKED = "portal_pass", "portal_asked"
PASS_GOOD_FOR, ASKED_GOOD_FOR = timedelta(minutes=10), timedelta(hours=1)


def held(request: HttpRequest, name: str) -> str:
    """Return what the browser's cookie of a name holds; empty without one."""
    return str(request.COOKIES.get(_full(name), ""))


def hand(response: HttpResponse, name: str, value: str, good_for: timedelta) -> None:
    """Give the browser a cookie that no script reads, no other site sends, and in production no plain line carries."""
    response.set_cookie(
        _full(name), value, max_age=good_for, path="/", secure=settings.SESSION_COOKIE_SECURE, httponly=True,
        samesite="Lax",
    )  # fmt: skip


def take_back(response: HttpResponse, name: str) -> None:
    """Take a cookie from the browser."""
    # With "secure": browsers ignore an answer about a __Host- cookie without it.
    response.set_cookie(
        _full(name), "", max_age=0, expires="Thu, 01 Jan 1970 00:00:00 GMT", path="/",
        secure=settings.SESSION_COOKIE_SECURE, httponly=True, samesite="Lax",
    )  # fmt: skip


def is_from_here(request: HttpRequest) -> bool:
    """Tell whether a form was sent from a page of ours, by the origin that browsers name with every form.

    For the one form that must work where no cookie is kept, and so without the usual token.
    """
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return False
    origin = request.headers.get("Origin", "")
    return not origin or urlsplit(origin).netloc in (request.get_host(), urlsplit(settings.PUBLIC_BASE_URL).netloc)


def address_of(request: HttpRequest) -> str:
    """Return where a request comes from, for counting: an IPv4 address, or the /64 of an IPv6 one; empty if unknown.

    Behind a proxy on this machine that ``TRUSTED_PROXIES`` does not name, its claim counts here all the same: whoever
    lies about it only counts for somebody else, and without it all customers would be counted as one.
    """
    address = client_address(request)
    claimed = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    if address is not None and address.is_loopback and claimed:
        try:
            address = ip_address(claimed)
        except ValueError:
            return str(address)
    if address is None:
        return ""
    return str(ip_network((address, 64), strict=False)) if address.version == 6 else str(address)


def _full(name: str) -> str:
    return f"__Host-{name}" if settings.SESSION_COOKIE_SECURE else name
