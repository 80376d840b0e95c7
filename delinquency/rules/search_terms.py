"""Pure: what a typed text may be: a number, a name, a phone, an address, a card's last digits (U04)."""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass

from accounts.rules.macs import tidy_mac
from billing_project.kernel.texts import one_line

LONGEST = 100
# A part of a phone number must be this long, or half the customers have it.
PHONE_PART = 6
# The index of names knows them in threes of letters.
NAME_PART = 3
WORDS_MAX = 6

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PHONE = re.compile(r"\+?[\d\s().\-/–]+")
_LAST4 = re.compile(r"[•*x.\s]*(\d{4})", re.IGNORECASE)
_TICKET = re.compile(r"(?:#\s*|T-0*)?(\d{1,12})", re.IGNORECASE)
_BEGINNING = re.compile(r"(\d{1,3}\.){1,3}")
_RUNS = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Term:
    """A text as it was typed, and what it may stand for; whatever it cannot be is blank or None."""

    text: str
    cut: bool = False
    words: tuple[str, ...] = ()
    name_begins: str = ""
    phone: str = ""
    last4: str = ""
    ticket: int | None = None
    email: str = ""
    mac: str = ""
    network: Network | None = None
    one_address: bool = False


def read_term(typed: str) -> Term:
    """Return what a typed text may be; anything at all may be typed."""
    text = one_line(_ascii_digits(typed[: LONGEST * 10]))
    cut = len(text) > LONGEST or len(typed) > LONGEST * 10
    text = text[:LONGEST].strip()
    if not text:
        return Term("", cut=cut)
    network = _network(text)
    email = text.strip("<>") if "@" in text and " " not in text else ""
    mac = tidy_mac(text).replace(":", "")
    words, begins = ((), "") if network or email else _name(text)
    last4, ticket = _LAST4.fullmatch(text), _TICKET.fullmatch(text)
    return Term(
        text=text,
        cut=cut,
        words=words,
        name_begins=begins,
        phone="" if network else _phone(text),
        last4=last4[1] if last4 else "",
        ticket=int(ticket[1]) if ticket else None,
        email=email,
        mac=mac,
        network=network,
        one_address=network is not None and network.num_addresses == 1,
    )


def _ascii_digits(text: str) -> str:
    """Return a text whose digits are plain ones, whatever script they were typed in."""
    return "".join(str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in text)


def _name(text: str) -> tuple[tuple[str, ...], str]:
    """Return the words that a name must hold, or, where all are too short for that, how it begins."""
    words = tuple(text.split())[:WORDS_MAX]
    if any(len(run) >= NAME_PART for word in words for run in _RUNS.findall(word)):
        return words, ""
    return (), text if any(sign.isalnum() for sign in text) else ""


def _phone(text: str) -> str:
    """Return the digits of what looks like a phone number or its end, without what is dialled before it."""
    if not _PHONE.fullmatch(text):
        return ""
    digits = re.sub(r"\D", "", text).lstrip("0")
    return digits if len(digits) >= PHONE_PART else ""


def _network(text: str) -> Network | None:
    """Return the address or prefix that a text is, also one that was only begun, such as 100.64.3."""
    plain = text.strip("[]")
    if _BEGINNING.fullmatch(plain):
        parts = plain.rstrip(".").split(".")
        plain = ".".join([*parts, *["0"] * (4 - len(parts))]) + f"/{8 * len(parts)}"
    if "%" in plain or not ("." in plain or ":" in plain):
        return None
    try:
        return ipaddress.ip_network(plain, strict=False)
    except ValueError:
        return None
