"""At which accounts something may be due, walked in chunks: the cost grows with what is due, not with who exists."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.db.models import Q, QuerySet

from .models import Standing
from .operations.kept import accounts_to_hear

# A chunk is one transaction, so that nobody who pays waits for more than so many accounts.
CHUNK = 250
PAGE = 5000


@dataclass(frozen=True)
class DueLooks:
    """The looks of a delinquency tick as of an instant; for one account, or for those of some zones, if so named."""

    at: datetime
    account_number: str | None = None
    zones: Collection[str] | None = None

    def chunks(self) -> Iterator[list[int]]:
        """Walk the accounts whose moment has come, in chunks, those first whose moment came first.

        It goes on while others look: what they looked at meanwhile is not met again. Read page by page; no statement
        stays open.
        """
        return _in_chunks(self._by_moment())

    def to_hear(self) -> Iterator[list[int]]:
        """Walk the accounts whose promise is over though their moment has not come, in chunks.

        A promise is broken when the day after it begins, whether or not its account is due for a look.
        """
        heard = accounts_to_hear(self.at)
        rows = self._narrowed().filter(account_id__among=heard).exclude(next_look_at__lte=self.at)
        return _in_chunks(iter(rows.order_by("account_id").values_list("account_id", flat=True) if heard else ()))

    def account_ids(self) -> Iterator[int]:
        """Yield the accounts to look at, each once."""
        yield from self._by_moment()
        for chunk in self.to_hear():
            yield from chunk

    def count(self) -> int:
        """Return how many accounts there are."""
        return self._rows().count() + sum(map(len, self.to_hear()))

    def still(self, account_ids: Collection[int]) -> list[int]:
        """Return those of some accounts whose moment has come."""
        rows = self._rows().filter(account_id__among=account_ids).order_by("account_id")
        return list(rows.values_list("account_id", flat=True)) if account_ids else []

    def _rows(self) -> "QuerySet[Standing]":
        return self._narrowed().filter(next_look_at__lte=self.at)

    def _narrowed(self) -> "QuerySet[Standing]":
        rows = Standing.objects.filter(account__parked_at__isnull=True)
        if self.account_number is not None:
            rows = rows.filter(account__number=self.account_number)
        return rows if self.zones is None else rows.filter(account__timezone__in=self.zones)

    def _by_moment(self) -> Iterator[int]:
        ordered = self._rows().order_by("next_look_at", "account_id").values_list("next_look_at", "account_id")
        rows = ordered
        while True:
            page = list(rows[:PAGE])
            yield from (account_id for _, account_id in page)
            if len(page) < PAGE:
                return
            moment, last_id = page[-1]
            # The first condition alone tells the index where to begin.
            after = Q(next_look_at__gt=moment) | Q(account_id__gt=last_id)
            rows = ordered.filter(after, next_look_at__gte=moment)


def _in_chunks(ids: Iterator[int]) -> Iterator[list[int]]:
    while chunk := list(islice(ids, CHUNK)):
        yield chunk
