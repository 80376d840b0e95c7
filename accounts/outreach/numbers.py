"""Pure: what a phone number says about itself. Kept numbers are in international form, such as +15550109999."""

from dataclasses import dataclass
from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from phonenumbers import timezone as number_zones

from billing_project.kernel.errors import Refused

_TAKES_MONEY = frozenset({PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST})
_UNKNOWN_ZONE = "Etc/Unknown"


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """The country of a number (two capitals), whether calling it costs extra, and its zone where it has just one."""

    country: str
    takes_money: bool
    zone: str


@lru_cache(maxsize=4096)
def facts_of(number: str) -> NumberFacts:
    """Return what a number in international form says; a number of no known country has country ""."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return NumberFacts("", False, "")
    country = phonenumbers.region_code_for_number(parsed)
    if not country:  # an area code that is given to nobody: the country of the code
        country = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    zones = number_zones.time_zones_for_number(parsed)
    # A toll-free or mobile number of a large country may be anywhere in it: then it says nothing.
    zone = zones[0] if len(zones) == 1 and zones[0] != _UNKNOWN_ZONE else ""
    known = "" if country in (None, "ZZ", "001") else str(country)
    return NumberFacts(known, phonenumbers.number_type(parsed) in _TAKES_MONEY, zone)


def in_international_form(written: str, *, country: str = "US") -> str:
    """Return a number as people write it, such as (555) 010-9999, as +15550109999; raises Refused.

    ``country`` is where a number without a country code is dialled from.
    """
    text = written.strip()
    mend = "Write it with its country code, such as +1 555 010 9999."
    try:
        parsed = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        raise Refused("bad_number", f"{text[:40]!r} is no phone number. {mend}") from None
    if parsed.extension:
        raise Refused("bad_number", f"{text[:40]!r} has an extension, which cannot be texted. Leave it out.")
    reason = phonenumbers.is_possible_number_with_reason(parsed)
    if reason == phonenumbers.ValidationResult.TOO_SHORT:
        raise Refused("bad_number", f"{text[:40]!r} has too few digits. {mend}")
    if reason == phonenumbers.ValidationResult.TOO_LONG:
        raise Refused("bad_number", f"{text[:40]!r} has too many digits. {mend}")
    if reason != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise Refused("bad_number", f"{text[:40]!r} cannot be a phone number. {mend}")
    return str(phonenumbers.format_number(parsed, PhoneNumberFormat.E164))
