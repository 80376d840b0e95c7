"""What no page of the back office may say: a day or a time in another form than the house's."""

import re
from html import unescape

from django.http import HttpResponseBase

_MONTH = r"(?:Jan|Feb|March|April|May|June|July|Aug|Sept|Oct|Nov|Dec)"
_OTHER = re.compile(rf"\b{_MONTH}\.? \d{{1,2}}, \d{{4}}|\d [ap]\.m\.|, (?:noon|midnight)\b")


def other_dates(response: HttpResponseBase) -> list[str]:
    """Return days and times of a page that are written as Django does by itself: “Jan. 1, 2026, 9 a.m.”."""
    return _OTHER.findall(unescape(getattr(response, "content", b"").decode()))
