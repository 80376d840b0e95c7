"""Marks that lead from what comes back (an answer, a provider's event) to the notice it is about.

A mark is signed, so that nobody can make one up; it says nothing but the notice's key.
"""

import re
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac

_SALT = "accounts.outreach.references"
_LENGTH = 20
_TOKEN = re.compile(r"n(\d{1,18})-([0-9a-f]{20})", re.IGNORECASE)


def token_of(notice_id: int) -> str:
    """Return the signed mark of a notice, such as n123-0a1b…; it fits into an address and a URL."""
    return f"n{notice_id}-{_signature(notice_id)}"


def notice_in(text: str) -> int | None:
    """Return the notice that the first true mark in a text leads to, or None."""
    for found in _TOKEN.finditer(text[:20_000]):
        notice_id = int(found[1])
        if constant_time_compare(found[2].lower(), _signature(notice_id)):
            return notice_id
    return None


def message_id(notice_id: int) -> str:
    """Return the Message-ID of a notice by e-mail: the same each time, so that a doubled mail can be recognised."""
    return f"<{token_of(notice_id)}@{urlsplit(settings.PUBLIC_BASE_URL).hostname}>"


def answer_address(mailbox: str, notice_id: int) -> str:
    """Return the address to which answers to a notice go: the mailbox with the mark after a plus sign."""
    name, _, domain = mailbox.partition("@")
    return f"{name}+{token_of(notice_id)}@{domain}"


def hook(name: str, notice_id: int) -> str:
    """Return the public address at which a provider reports about a notice."""
    return f"{settings.PUBLIC_BASE_URL.rstrip('/')}{reverse(name, args=[token_of(notice_id)])}"


def _signature(notice_id: int) -> str:
    return salted_hmac(_SALT, str(notice_id), algorithm="sha256").hexdigest()[:_LENGTH]
