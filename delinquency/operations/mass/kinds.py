"""What an action on many has to know about its kind: one protocol, and the registry of those that there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol

from accounts.models import User
from billing_project.kernel.errors import Refused

from ...models import MassAction, MassItem

UNDO_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fits:
    """One object that the action can be done to: what it is now, and what that will touch.

    `before` is whatever must not have changed until it is done; `code` and `note` group what is special about it.
    """

    account_id: int
    label: str
    before: dict[str, Any] = field(default_factory=dict)
    amount: Decimal | None = None
    currency: str = ""
    notices: int = 0
    lines: int = 0
    code: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One object that the action cannot be done to, and why: a code to group by, and a sentence."""

    account_id: int | None
    label: str
    why: Refused


Verdict = Fits | LeftOut
Verdicts = Mapping[int, Verdict]


class MassKind(Protocol):
    """One kind of thing that can be done to many.

    `right` is the permission that whoever does it must hold, at the start as well as when each item is done;
    `undo_words` is what the page says where it cannot be undone, or of how money is taken back.
    """

    name: MassAction.Kind
    right: str
    undoes: bool
    undo_within: timedelta | None  # None: at any time, by a compensating entry
    undo_words: str
    is_money: bool

    def words(self, parameters: Mapping[str, Any]) -> list[str]:
        """Return what is asked for and what it means, in sentences."""

    def judge(self, keys: Sequence[int], action: MassAction, by: User) -> Verdicts:
        """Look at a chunk of objects in a constant number of queries; keys without a row are left out of the answer."""

    def carry_out(self, item: MassItem, action: MassAction, by: User) -> str:
        """Do it to one object, and return the name of the row that it wrote; raises Refused."""

    def undo(self, item: MassItem, action: MassAction, by: User) -> None:
        """Take back what was done to one object; raises Refused."""


KINDS: dict[str, MassKind] = {}


def register(kind: MassKind) -> None:
    """Make a kind known."""
    KINDS[kind.name] = kind


def kind_of(action: MassAction) -> MassKind:
    """Return the kind of an action."""
    return KINDS[action.kind]


def check_right(kind: MassKind, by: User) -> None:
    """Pass if somebody may do this to many; raises Refused."""
    if not (by.is_active and by.has_perm(kind.right)):
        raise Refused(
            "no_right", f"{by} may not do this to many ({kind.name.label}); an administrator gives that right."
        )


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return in words what is different from what was looked at; empty if nothing is."""
    found = [
        f"{name} was {before.get(name) or 'blank'}, and is {now.get(name) or 'blank'} now"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
    return "; ".join(found)
