"""Pages of long lists: counted only as far as people turn pages, and the last page in reach however long they are."""

from typing import Any

from django.core.paginator import Page, Paginator
from django.utils.functional import cached_property

COUNTED_MAX = 10_000


class MoreThan(int):
    """A number of rows that was not counted to its end: it compares as one more than was counted."""

    def __str__(self) -> str:
        """Return it as people read it, such as "10,000+"."""
        return f"{self - 1:,}+"


class LongPaginator(Paginator[Any]):
    """Count no further than COUNTED_MAX rows; beyond them comes one more page, which shows the last rows.

    Counting a million rows, or skipping as many to come to the last ones, takes seconds. The last rows are the first
    ones of the opposite order, and cost as little.
    """

    template_name = "admin/long_pages.html"

    @cached_property
    def count(self) -> int:
        """Return the number of rows, or a MoreThan."""
        rows: Any = self.object_list
        counted = int(rows.order_by()[: COUNTED_MAX + 1].count())
        return MoreThan(counted) if counted > COUNTED_MAX else counted

    @property
    def goes_on(self) -> bool:
        """Tell whether there are more rows than were counted."""
        return isinstance(self.count, MoreThan)

    @property
    def counted_words(self) -> str:
        """Return how many rows the numbered pages show."""
        return f"{COUNTED_MAX:,}"

    @cached_property
    def num_pages(self) -> int:
        """Return the number of pages; the one with the last rows is one of them."""
        return COUNTED_MAX // self.per_page + 1 if self.goes_on else int(super().num_pages)

    def page(self, number: int | str) -> Page[Any]:
        """Return a page; the last one of a list that goes on holds its last rows, whatever lies between.

        Of such a list the keys are read first, so that no more than those are put in order.
        """
        number = self.validate_number(number)
        if not self.goes_on:
            return super().page(number)
        rows: Any = self.object_list
        skipped = (number - 1) * self.per_page if number < self.num_pages else 0
        ordered = rows if number < self.num_pages else rows.reverse()
        keys = list(ordered.values_list("pk", flat=True)[skipped : skipped + self.per_page])
        return Page(rows.filter(pk__among=keys), number, self)


def whole_count(found: Any) -> int:
    """Return how many rows a list has, all of them: for what is done with every one of them."""
    return int(found.queryset.count() if isinstance(found.result_count, MoreThan) else found.result_count)
