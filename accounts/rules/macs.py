"""Hardware addresses (MAC): every usual writing is one address. Pure."""

import re

_WRITINGS = (
    r"[0-9a-f]{12}",
    r"[0-9a-f]{1,2}(?P<sign>[:\-. ])[0-9a-f]{1,2}(?:(?P=sign)[0-9a-f]{1,2}){4}",
    r"[0-9a-f]{4}(?P<mark>[:\-. ])[0-9a-f]{4}(?P=mark)[0-9a-f]{4}",
    r"[0-9a-f]{6}(?P<dash>[:\-. ])[0-9a-f]{6}",
)
_SHAPE = re.compile("|".join(f"(?:{writing})" for writing in _WRITINGS), re.ASCII)


def tidy_mac(text: str) -> str:
    """Return an address as it is kept, such as ``4c:5e:0c:12:ab:9f``; empty if the text is none.

    >>> tidy_mac("4C5E.0C12.AB9F")
    '4c:5e:0c:12:ab:9f'
    """
    typed = text.strip().lower()
    if not _SHAPE.fullmatch(typed):
        return ""
    parts = re.split(r"[:\-. ]", typed)
    # Some devices leave out a leading zero in pairs: 0:1b:44:11:3a:b7.
    digits = "".join(part.zfill(2) for part in parts) if len(parts) == 6 else "".join(parts)
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def why_no_mac(text: str) -> str:
    """Return why a text cannot be the address of a customer's device, or an empty string."""
    mac = tidy_mac(text)
    if not mac:
        return f"{text!r} is no MAC: write twelve of 0-9 and a-f, such as 4c:5e:0c:12:ab:9f."
    if mac in ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"):
        return f"{mac} is on no device: it stands for none, or for all."
    if int(mac[:2], 16) & 1:
        return f"{mac} is an address of a group of devices; write the one on the device's own label."
    return ""
