"""Which paper a company prints on: US Letter where that is what shops sell, A4 everywhere else."""

from functools import lru_cache
from importlib import resources

import phonenumbers

LETTER, A4 = "us-letter", "a4"
# By ISO code: North America, Central America, the north of South America, the Philippines.
LETTER_COUNTRIES = frozenset(
    ("BZ", "CA", "CL", "CO", "CR", "DO", "GT", "GU", "HN", "MX", "NI", "PA", "PH", "PR", "SV", "US", "VE", "VI")
)


def paper_for(phone: str, zone: str) -> str:
    """Return the paper of a company by the country of its telephone number, else by that of its time zone."""
    country = _country_of_phone(phone) or _countries_of_zones().get(zone, "")
    return LETTER if country in LETTER_COUNTRIES or zone.startswith("US/") else A4


def _country_of_phone(phone: str) -> str:
    try:
        number = phonenumbers.parse(phone)
    except phonenumbers.NumberParseException:
        return ""
    return phonenumbers.region_code_for_number(number) or ""


@lru_cache(maxsize=1)
def _countries_of_zones() -> dict[str, str]:
    # zone.tab: country, coordinates, zone; one country for each zone.
    table = resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.splitlines() if line and not line.startswith("#"))
    return {row[2]: row[0] for row in rows}
