"""Pure: how long a text message is, what it costs, and which of its characters make it dear; how long a call takes.

A text message in the GSM 7-bit alphabet (3GPP TS 23.038) carries 160 characters, or 153 in each part of a longer
one. A single character outside of it turns the whole message into UCS-2: 70, or 67 in each part.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("^{}\\[~]|€\f")
# What a person can write instead without anybody minding.
_STAND_INS = {
    "á": "a", "í": "i", "ó": "o", "ú": "u", "Á": "A", "Í": "I", "Ó": "O", "Ú": "U", "â": "a", "ê": "e",
    "’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", "\u00a0": " ", "•": "-", "ã": "a", "õ": "o",
}  # fmt: skip
SINGLE = {"GSM-7": 160, "UCS-2": 70}
PART = {"GSM-7": 153, "UCS-2": 67}
SPOKEN_A_SECOND = 15


@dataclass(frozen=True, slots=True)
class Measure:
    """How long a text message is."""

    encoding: str
    units: int
    segments: int
    room: int
    costly: tuple[str, ...] = ()
    segments_without: int = 0

    @property
    def words(self) -> str:
        """Return the length in a sentence."""
        plural = "" if self.segments == 1 else "s"
        return f"{self.segments} segment{plural}: {self.units} of {self.room} units in {self.encoding}."

    @property
    def advice(self) -> str:
        """Return which characters make the message longer and what to write instead; empty if none does."""
        if self.segments_without >= self.segments:
            return ""
        these = ", ".join(f"“{sign}”" for sign in self.costly[:8])
        instead = ", ".join(f"{_STAND_INS[sign]} for {sign}" for sign in self.costly if sign in _STAND_INS)
        verb = "makes" if len(self.costly) == 1 else "make"
        mend = f" Write {instead} to save {self.segments - self.segments_without}." if instead else ""
        return f"{these} {verb} this {self.segments} segments instead of {self.segments_without}.{mend}"


def measure(text: str) -> Measure:
    """Return the encoding, length in units, and number of segments of a text message."""
    costly = tuple(dict.fromkeys(sign for sign in text if sign not in _BASIC and sign not in _EXTENDED))
    if not costly:
        units = sum(2 if sign in _EXTENDED else 1 for sign in text)
        return _measured("GSM-7", units, _gsm_parts(text, units), (), 0)
    units = sum(2 if ord(sign) > 0xFFFF else 1 for sign in text)
    plain = "".join(_STAND_INS.get(sign, "?") if sign in costly else sign for sign in text)
    return _measured("UCS-2", units, _ucs_parts(text, units), costly, measure(plain).segments)


def _measured(encoding: str, units: int, segments: int, costly: tuple[str, ...], without: int) -> Measure:
    room = SINGLE[encoding] if segments <= 1 else PART[encoding] * segments
    return Measure(encoding, units, segments, room, costly, without or segments)


def _gsm_parts(text: str, units: int) -> int:
    if units <= SINGLE["GSM-7"]:
        return 1 if text else 0
    return _parts(text, PART["GSM-7"], lambda sign: 2 if sign in _EXTENDED else 1)


def _ucs_parts(text: str, units: int) -> int:
    if units <= SINGLE["UCS-2"]:
        return 1
    return _parts(text, PART["UCS-2"], lambda sign: 2 if ord(sign) > 0xFFFF else 1)


def _parts(text: str, size: int, width: Callable[[str], int]) -> int:
    """Count the parts; a sign of two units is not torn apart, so a part may end one unit early."""
    parts, used = 1, 0
    for sign in text:
        wide = width(sign)
        if used + wide > size:
            parts, used = parts + 1, 0
        used += wide
    return parts


def spoken_seconds(text: str) -> int:
    """Return about how many seconds it takes to speak a text."""
    return math.ceil(len(" ".join(text.split())) / SPOKEN_A_SECOND)


def billed_minutes(seconds: int) -> int:
    """Return how many minutes a call of that length is billed: each one that has begun."""
    return max(1, math.ceil(seconds / 60))
