"""The dates above a list, by which it is narrowed to a year, a month or a day."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from django import template
from django.contrib.admin.templatetags.admin_list import date_hierarchy
from django.utils import formats
from django.utils.text import capfirst

from billing_project.kernel import clock

register = template.Library()


@register.inclusion_tag("admin/date_hierarchy.html")
def list_dates(found: Any) -> dict[str, Any]:
    """Return the dates that a list offers: those with rows, or in a long list all between its first and its last.

    Which days have rows is known only by reading every row; the first and the last are the ends of an index.
    """
    if not found.date_hierarchy:
        return {"show": False}
    if not getattr(found.paginator, "goes_on", False):
        return date_hierarchy(found) or {"show": False}
    name = found.date_hierarchy
    ends = _end(found, name), _end(found, f"-{name}")
    if ends[0] is None or ends[1] is None:
        return {"show": False}
    return _Dates(found, ends[0], ends[1]).offered()


def _end(found: Any, order: str) -> date | None:
    name = order.lstrip("-")
    rows = found.queryset.filter(**{f"{name}__isnull": False}).order_by(order).values_list(name, flat=True)
    end = next(iter(rows[:1]), None)
    return clock.local(end, "UTC").date() if isinstance(end, datetime) else end


class _Dates:
    """The years, months or days between the first and the last date of a list."""

    def __init__(self, found: Any, first: date, last: date) -> None:
        self.found, self.first, self.last = found, first, last
        self.asked = {part: found.params.get(f"{found.date_hierarchy}__{part}") for part in ("year", "month", "day")}

    def offered(self) -> dict[str, Any]:
        """Return what the template shows: the dates one step narrower than what was asked for, and the way back."""
        year, month, day = (bool(self.asked[part]) for part in ("year", "month", "day"))
        if year and month and day:
            words = formats.date_format(self.first, "MONTH_DAY_FORMAT")
            back = self._link(self._month(self.first), formats.date_format(self.first, "YEAR_MONTH_FORMAT"))
            return {"show": True, "back": back, "choices": [{"title": capfirst(words)}]}
        if self._in_one("%Y-%m") and (month or not year):
            back = self._link({"year": self.first.year}, str(self.first.year))
            return {"show": True, "back": back, "choices": [*self._days()]}
        if self._in_one("%Y"):
            back = self._link({}, "All dates")
            return {"show": True, "back": back, "choices": [*self._months()]}
        years = range(self.first.year, self.last.year + 1)
        return {"show": True, "back": None, "choices": [self._link({"year": one}, str(one)) for one in years]}

    def _in_one(self, shape: str) -> bool:
        return self.first.strftime(shape) == self.last.strftime(shape)

    def _days(self) -> Iterator[dict[str, str]]:
        for back in range((self.last - self.first).days + 1):
            day = self.first + timedelta(days=back)
            yield self._link(self._month(day) | {"day": day.day}, formats.date_format(day, "MONTH_DAY_FORMAT"))

    def _months(self) -> Iterator[dict[str, str]]:
        for month in range(self.first.month, self.last.month + 1):
            first = self.first.replace(month=month, day=1)
            yield self._link(self._month(first), formats.date_format(first, "YEAR_MONTH_FORMAT"))

    def _month(self, day: date) -> dict[str, int]:
        return {"year": day.year, "month": day.month}

    def _link(self, parts: dict[str, int], words: str) -> dict[str, str]:
        name = self.found.date_hierarchy
        asked = {f"{name}__{part}": value for part, value in parts.items()}
        return {"link": self.found.get_query_string(asked, [f"{name}__"]), "title": capfirst(words)}
