"""Links that open one account for viewing and paying: made, read, and led on from.

Why not django-sesame: it signs for a row of the user table and reads the machine's own clock. Customers have no such
row, and here only ``kernel.clock`` tells the time. So a link carries the account's key and the second it was made,
signed; it needs no row of its own, and an account's links are closed by writing down until when they were made.
"""

import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.http import base36_to_int, int_to_base36, urlencode

from billing_project.kernel import clock

from .models import Account

SALT, AGAIN_SALT = "portal.view-and-pay", "portal.one-more-link"
SIGNATURE_BYTES = 15
# Thirty days after the due date is what people know; a letter may come a month before it, or long after. At most 120.
LINK_AGE_MAX = timedelta(days=60)
# How long the page of an old link may be left open before its one press.
AGAIN_AGE_MAX = timedelta(hours=1)
_PAGE = re.compile(
    r"/portal/(?:[A-Za-z0-9_-]+/)*(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9]+)?)?(?:\?[A-Za-z0-9_=&%.-]*)?(?:#[A-Za-z0-9_-]*)?"
)
_PAGE_LENGTH_MAX = 300


class State(StrEnum):
    """What a link is worth."""

    GOOD = "good"
    OLD = "old"  # genuine, but too old or closed: its account may be sent a new one
    FORGED = "forged"


@dataclass(frozen=True, slots=True)
class Link:
    """A link as it was read; a forged one has no account."""

    state: State
    account: Account | None = None
    made_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signed text says: a row's key, a moment, and maybe another word."""

    pk: int
    moment: datetime
    more: str


def make_link_token(account: Account) -> str:
    """Return the signed part of a link that opens an account for viewing and paying; short, since texts carry it."""
    return signed(SALT, account.pk, clock.now())


def read_link(token: str, max_age: timedelta = LINK_AGE_MAX) -> Link:
    """Return what the signed part of a link says, and whether it still opens its account."""
    found = unsigned(SALT, token)
    account = account_of(found.pk) if found else None
    if found is None or account is None:
        return Link(State.FORGED)
    old = clock.now() - found.moment > max_age or not is_open_since(account, found.moment)
    return Link(State.OLD if old else State.GOOD, account, found.moment)


def account_from_token(token: str, max_age: timedelta = LINK_AGE_MAX) -> Account | None:
    """Return the account a link opens, or None if it is forged, too old, or was closed."""
    link = read_link(token, max_age)
    return link.account if link.state is State.GOOD else None


def make_again_token(account: Account) -> str:
    """Return a mark with which a page may ask for a new link for an account, for an hour; it opens nothing."""
    return signed(AGAIN_SALT, account.pk, clock.now())


def account_from_again(token: str) -> Account | None:
    """Return the account for which a page may ask for a new link, or None."""
    found = unsigned(AGAIN_SALT, token)
    return account_of(found.pk) if found and clock.now() - found.moment <= AGAIN_AGE_MAX else None


def is_open_since(account: Account, moment: datetime) -> bool:
    """Tell whether what was made or opened at a moment was not closed since (one query, unless it was joined)."""
    door = getattr(account, "portal_door", None)
    return door is None or moment > door.closed_at


def link_to(account: Account, to: str = "") -> str:
    """Return the whole address of an account's link, to a page of the portal if one is named.

    Its host comes from the settings alone.
    """
    address = f"{settings.PUBLIC_BASE_URL.rstrip('/')}{reverse('portal-enter', args=[make_link_token(account)])}"
    return f"{address}?{urlencode({'to': to})}" if to else address


def page_within(path: str) -> str:
    """Return a path if it is a page of the portal, or else the portal's first page.

    Plain signs only: what a browser might read otherwise than we do (a backslash, %2e%2e, //) is no page of ours.
    """
    return path if len(path) <= _PAGE_LENGTH_MAX and _PAGE.fullmatch(path) else reverse("portal-home")


# --- Signatures ---


def signed(salt: str, pk: int, moment: datetime, more: str = "") -> str:
    """Return a key and a moment (to the second), and maybe another word, as a short signed text."""
    words = f"{int_to_base36(pk)}.{int_to_base36(int(moment.timestamp()))}{'.' if more else ''}{more}"
    return f"{words}.{_signature(salt, words, settings.SECRET_KEY)}"


def unsigned(salt: str, text: str) -> Signed | None:
    """Return the key, the moment and the other word of a signed text, or None if it is not ours."""
    words, _, signature = text[:200].rpartition(".")
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    if not any(constant_time_compare(signature, _signature(salt, words, key)) for key in keys):
        return None
    pk, second, more = [*words.split(".", 2), ""][:3]
    return Signed(base36_to_int(pk), at_second(base36_to_int(second)), more)


def at_second(second: int) -> datetime:
    """Return the instant of a second since 1970."""
    return datetime.fromtimestamp(second, tz=UTC)


def _signature(salt: str, words: str, key: str | bytes) -> str:
    made = salted_hmac(salt, words, secret=key, algorithm="sha256").digest()
    return urlsafe_b64encode(made[:SIGNATURE_BYTES]).decode()


def account_of(pk: int) -> Account | None:
    """Return an account with what a page of the portal needs of it, or None."""
    return Account.objects.select_related("company", "status", "portal_door").filter(pk=pk).first()
