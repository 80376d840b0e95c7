"""Pure: e-mail addresses as people write them, checked where they are entered."""

import re

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from billing_project.kernel.errors import Refused

# So many people are there that one wrong letter in the name is a mistake, and hardly ever another provider.
LARGE = ("gmail.com", "yahoo.com", "hotmail.com", "outlook.com", "icloud.com", "comcast.net", "verizon.net")
# One letter away from a large one, and real.
REAL = frozenset({"mail.com", "email.com", "ymail.com", "gmail.co.uk"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def checked_email(written: str, *, sure: bool = False) -> str:
    """Return an address as it is kept, its domain in small letters; raises Refused.

    A domain one letter away from a large provider's is asked about, unless the writer is ``sure``.
    """
    if _CONTROL.search(written):
        raise Refused("bad_email", "The address has a line break or a hidden sign in it. Type it again, on one line.")
    text = written.strip()
    try:
        validate_email(text)
    except ValidationError:
        raise Refused(
            "bad_email", f"{text[:60]!r} is no e-mail address. Write it like ann@example.com, without spaces."
        ) from None
    name, _, domain = text.rpartition("@")
    found = f"{name}@{domain.lower()}"
    meant = meant_domain(domain.lower())
    if meant and not sure:
        raise Refused(
            "mistyped_email",
            f"Did you mean {name}@{meant}? {domain} looks like a slip of the finger. Correct it, or tick “The address"
            " is right as it is” on the contact's own page.",
        )
    return found


def meant_domain(domain: str) -> str:
    """Return the large provider that a domain is one slip away from, or an empty text."""
    if domain in LARGE or domain in REAL:
        return ""
    return next((large for large in LARGE if _one_slip(domain, large)), "")


def _one_slip(written: str, meant: str) -> bool:
    """Tell whether one letter is missing, too many, wrong, or two neighbours are swapped."""
    if written == meant or abs(len(written) - len(meant)) > 1:
        return False
    same = 0
    while same < min(len(written), len(meant)) and written[same] == meant[same]:
        same += 1
    ours, theirs = written[same:], meant[same:]
    return (
        ours[1:] == theirs
        or ours == theirs[1:]
        or ours[1:] == theirs[1:]
        or (ours[:2] == theirs[1::-1] and ours[2:] == theirs[2:])
    )
