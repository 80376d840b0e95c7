"""An audit entry in words: what the row is called, where its page is, and what changed from what to what."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.apps import apps
from django.db.models import ForeignKey, Model

from accounts.models import AuditEntry

from .tables import WATCHED

EMPTY = "empty"
_TEXT_MAX = 200
# Keys of these are read as names on lists, at one query each; on an entry's own page all are.
SMALL = frozenset(
    (
        "accounts_accountstatus", "accounts_accounttype", "accounts_user", "auth_group", "auth_permission",
        "delinquency_policyversion", "invoicing_billingdefault",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One column of a change: its name, and its value before and after; None where there was no row."""

    column: str
    before: str | None
    after: str | None

    @property
    def hidden(self) -> bool:
        """Tell whether only the fact of the change is kept, not the values."""
        return self.before == HIDDEN or self.after == HIDDEN


HIDDEN = "(not shown)"
Names = Mapping[tuple[str, str], str]


@cache
def model_of(table: str) -> type[Model] | None:
    """Return the model that keeps its rows in a table, or None if it is gone."""
    found = [one for one in apps.get_models(include_auto_created=True) if one._meta.db_table == table]
    return found[0] if found else None


def row_words(entry: AuditEntry) -> str:
    """Return what the row is called, such as "contact 17"."""
    return f"{WATCHED.get(entry.table, entry.table)} {entry.row_key}"


@cache
def _columns(table: str) -> dict[str, tuple[str, str]]:
    """Return for each column of a table what it is called, and which table its key leads to, if any."""
    model = model_of(table)
    found = {}
    for field in model._meta.concrete_fields if model else ():
        leads_to = field.related_model._meta.db_table if isinstance(field, ForeignKey) else ""
        found[str(field.column)] = (str(field.verbose_name), leads_to)
    return found


def names_for(entries: Iterable[AuditEntry], *, only_small: bool = True) -> Names:
    """Return the names behind the keys in some entries: (table, key) to words, a query for each table."""
    wanted: dict[str, set[str]] = {}
    for entry in entries:
        columns = _columns(entry.table)
        for values in (entry.before or {}, entry.after or {}):
            for column, value in values.items():
                leads_to = columns.get(column, ("", ""))[1]
                if leads_to and value is not None and (leads_to in SMALL or not only_small):
                    wanted.setdefault(leads_to, set()).add(str(value))
    names: dict[tuple[str, str], str] = {}
    for table, keys in wanted.items():
        model = model_of(table)
        assert model is not None  # a foreign key leads to it
        for row in model._base_manager.select_related().filter(pk__in=keys):
            names[table, str(row.pk)] = str(row)
    return names


def lines_of(entry: AuditEntry, names: Names) -> list[Line]:
    """Return what an entry says, column by column; of a row that came or went all that was in it."""
    before, after = entry.before, entry.after
    columns = _columns(entry.table)
    found = []
    for column in sorted({*(before or {}), *(after or {})} - ({"id"} if before is None or after is None else set())):
        name, leads_to = columns.get(column, (column, ""))
        found.append(
            Line(
                name,
                None if before is None else _words(before.get(column), leads_to, names),
                None if after is None else _words(after.get(column), leads_to, names),
            )
        )
    return found


def _words(value: Any, leads_to: str, names: Names) -> str:
    if value is None or value == "":
        return EMPTY
    if isinstance(value, bool):
        return "yes" if value else "no"
    if leads_to:
        return names.get((leads_to, str(value)), f"{WATCHED.get(leads_to, 'row')} {value}")
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or EMPTY
    return str(value)[:_TEXT_MAX]
