"""An audit entry in words: what the row is called, where its page is, and what changed from what to what."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from django.apps import apps
from django.db.models import DecimalField, ForeignKey, Model

from accounts.models import AuditEntry
from billing_project.kernel import clock

from .tables import WATCHED

EMPTY = "empty"
# An instant as PostgreSQL writes it into JSON.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d")
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


@dataclass(frozen=True, slots=True)
class _Column:
    """What is known of a column: its name, which table its key leads to, its choices in words, its decimals."""

    name: str
    leads_to: str = ""
    choices: Mapping[Any, Any] | None = None
    places: int | None = None


@cache
def _columns(table: str) -> dict[str, _Column]:
    """Return the columns of a table."""
    model = model_of(table)
    return {
        str(field.column): _Column(
            str(field.verbose_name),
            field.related_model._meta.db_table if isinstance(field, ForeignKey) else "",
            dict(field.flatchoices) or None,
            field.decimal_places if isinstance(field, DecimalField) else None,
        )
        for field in (model._meta.concrete_fields if model else ())
    }


def names_for(entries: Iterable[AuditEntry], *, only_small: bool = True) -> Names:
    """Return the names behind the keys in some entries: (table, key) to words, a query for each table."""
    wanted: dict[str, set[str]] = {}
    for entry in entries:
        columns = _columns(entry.table)
        for values in (entry.before or {}, entry.after or {}):
            for column, value in values.items():
                leads_to = columns[column].leads_to if column in columns else ""
                if leads_to and value is not None and (leads_to in SMALL or not only_small):
                    wanted.setdefault(leads_to, set()).add(str(value))
    names: dict[tuple[str, str], str] = {}
    for table, keys in wanted.items():
        model = model_of(table)
        assert model is not None  # a foreign key leads to it
        for row in model._base_manager.select_related().filter(pk__in=keys):
            names[table, str(row.pk)] = str(row)
    return names


def lines_of(entry: AuditEntry, names: Names, zone: str = "UTC") -> list[Line]:
    """Return what an entry says, column by column; of a row that came or went all that was in it but its keys."""
    before, after = entry.before, entry.after
    columns = _columns(entry.table)
    left_out = {"id", "account_id"} if before is None or after is None else set()
    return [
        Line(
            columns[column].name if column in columns else column,
            None if before is None else _words(before.get(column), columns.get(column), names, zone),
            None if after is None else _words(after.get(column), columns.get(column), names, zone),
        )
        for column in sorted({*(before or {}), *(after or {})} - left_out)
    ]


def line_words(line: Line) -> str:
    """Return one column's change in words."""
    if line.hidden:
        return "value not kept" if line.before is None or line.after is None else "changed, value not kept"
    if line.before is None:
        return line.after or ""
    return f"was {line.before}" if line.after is None else f"{line.before} → {line.after}"


def _words(value: Any, column: _Column | None, names: Names, zone: str) -> str:
    column = column or _Column("")
    if value is None or value == "":
        return EMPTY
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column.leads_to:
        return names.get((column.leads_to, str(value)), f"{WATCHED.get(column.leads_to, 'row')} {value}")
    if column.choices and not isinstance(value, list | dict) and value in column.choices:
        return str(column.choices[value])
    if column.places is not None and value != HIDDEN:
        return f"{Decimal(str(value)):,.{column.places}f}"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or EMPTY
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return clock.local(datetime.fromisoformat(value), zone).strftime("%Y-%m-%d %H:%M:%S")
    return str(value)[:_TEXT_MAX]
