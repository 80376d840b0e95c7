"""Pure: what the options of every kind of device have in common: how they are read, and how a bad one is told."""

import re
import ssl
from collections.abc import Collection, Mapping
from typing import Any

from billing_project.kernel.errors import Refused

from .desired import LEVELS, OPEN

RESTRICTIONS = tuple(level for level in LEVELS if level != OPEN)
_LIST = re.compile(r"[A-Za-z0-9_.-]{1,60}")


def bad(key: str, words: str) -> Refused:
    """Return the refusal of an option: what is wrong with it, and how to mend it."""
    return Refused("bad_options", f"options: {key!r} {words}.")


def refuse_unknown(given: Any, known: Collection[str], *, kind: str, example: str) -> None:
    """Raise Refused("bad_options") unless options are a JSON object with none but the known keys."""
    if not isinstance(given, dict):
        raise Refused("bad_options", f"options: this is no JSON object; write it like {example}.")
    unknown = sorted(given.keys() - set(known))
    if unknown:
        raise bad(unknown[0], f"is no option of {kind}; it knows {', '.join(known)}")


def switch(given: Mapping[str, Any], key: str, *, default: bool) -> bool:
    """Return an option that is on or off; raises Refused("bad_options")."""
    value = given.get(key, default)
    if not isinstance(value, bool):
        raise bad(key, f"is {value!r}; write true or false, without quotes")
    return value


def number(given: Mapping[str, Any], key: str, default: int, bounds: tuple[int, int], what: str = "") -> int:
    """Return an option that is a whole number within bounds, of something; raises Refused("bad_options")."""
    value = given.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not bounds[0] <= value <= bounds[1]:
        of = f" of {what}" if what else ""
        raise bad(key, f"is {value!r}; write a whole number{of} from {bounds[0]} to {bounds[1]}")
    return value


def certificate(given: Mapping[str, Any]) -> str:
    """Return the certificate authority in ``ca_pem``, blank if none is given; raises Refused("bad_options")."""
    if "ca_pem" not in given:
        return ""
    text = given["ca_pem"]
    try:
        if isinstance(text, str) and text.strip():
            ssl.create_default_context(cadata=text)
            return text
    except (ssl.SSLError, ValueError):
        text = ""  # said below
    raise bad("ca_pem", "holds no certificate; paste the authority's, from BEGIN CERTIFICATE to END CERTIFICATE")


def address_lists(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the list of each level that ``address_list`` names on a device; raises Refused("bad_options")."""
    if "address_list" not in given:
        return {}
    value = given["address_list"]
    lists = dict.fromkeys(RESTRICTIONS, value) if isinstance(value, str) else value
    if not isinstance(lists, dict) or not lists:
        raise bad("address_list", 'is neither a name nor names by level; write "Delinquent" or {"suspend": "Off"}')
    for level, name in lists.items():
        if level not in RESTRICTIONS:
            raise bad("address_list", f"names a level {level!r}; there are {', '.join(RESTRICTIONS)}")
        if not isinstance(name, str) or not _LIST.fullmatch(name):
            raise bad("address_list", f"names a list {name!r}; use 1 to 60 letters, digits, _ . and -")
    return dict(lists)
