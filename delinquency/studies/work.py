"""What both kinds of study have in common: which accounts they play, and chunk by chunk what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.db.models import QuerySet

from accounts.models import Account

from ..models import Study


@dataclass(slots=True)
class Found:
    """An account for which the studied version decides differently."""

    account_id: int
    differences: list[dict[str, Any]] = field(default_factory=list)
    newly_cut: bool = False
    spared: bool = False
    paid_by_itself: bool | None = None


class Work(Protocol):
    """A study at work. Between two chunks everything it knows is in what `put_by` returns."""

    def accounts(self) -> QuerySet[Account]:
        """Return the accounts it plays."""

    def take(self, account_ids: Sequence[int]) -> list[Found]:
        """Play a chunk of accounts, count what happens, and return those that differ."""

    def put_by(self) -> dict[str, Any]:
        """Return the counts so far, as JSON takes them."""

    def document(self) -> dict[str, Any]:
        """Return the counts as the result page shows them."""


def in_scope(study: Study) -> QuerySet[Account]:
    """Return the accounts that a study is about."""
    rows = Account.objects.all()
    if study.scope == Study.Scope.POLICY:
        rows = rows.filter(standing__policy_version__policy=study.scope_policy_id)
    return rows
