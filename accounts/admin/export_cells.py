"""A list's columns as a file has them: numbers as numbers, days as days, badges and links as their words."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from html import unescape
from itertools import chain, islice
from typing import Any

from django.contrib.admin.options import ModelAdmin
from django.contrib.admin.utils import flatten_fieldsets, label_for_field
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db.models import Field, Model, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.models import Account, Contact
from billing_project.kernel import clock
from billing_project.kernel.sheets import Cell

# One query for a chunk's contacts, and one for whatever the list prefetches.
CHUNK_ROWS = 1000
CONTACT_HEADS = ("billing contact", "e-mail", "phone", "address")
# Tables of a few rows that many rows belong to: read once for a chunk, not made anew for each of its rows.
_SHARED = frozenset({"accounts.accountstatus", "accounts.accounttype", "accounts.company", "accounts.user"})
# How many of the words that a list says again and again are remembered while a file is made.
_WORDS_KEPT = 2048
# What is never written into a file, whoever asks: secrets, and letters, which carry links that open doors.
_SECRET = re.compile(r"token|secret|password|credential|hash|mark|session|private|body|context|html|raw|payload|_url")
# What is a person's own data by its name, whatever list it stands in.
_PERSONAL = re.compile(r"e_?mail|phone|address|contact|ipv[46]|last_?4|radius")
# Lists that are about people through and through.
PERSONAL_MODELS = frozenset(
    {
        "accounts.contact", "accounts.suppression", "accounts.inboundmessage", "accounts.inboundattachment",
        "accounts.notice", "accounts.simulatedmessage", "accounts.callrecord", "accounts.user",
        "accounts.fundingsource", "accounts.templatetest",
    }
)  # fmt: skip

_MONEY = re.compile(r'<span class="desk-money">(-?[\d,]+\.\d{2})(?:&nbsp;([A-Z]{3}))?</span>')
_TAG = re.compile(r"<[^>]*>")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}")


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a file may have: its name in the code, what it is called, and whether the list shows it."""

    name: str
    words: str
    shown: bool


@dataclass(frozen=True, slots=True)
class _Value:
    cell: Cell
    currency: str = ""


def columns_of(desk: ModelAdmin[Any], request: HttpRequest, *, personal: bool) -> list[Column]:
    """Return the columns of a list, those that it shows first, then the other plain facts of its rows' pages."""
    listed = [str(name) for name in desk.get_list_display(request) if str(name) != "action_checkbox"]
    own = set(flatten_fieldsets(desk.get_fieldsets(request)))
    more = [
        field.name
        for field in desk.opts.concrete_fields
        if field.name in own and not field.is_relation and field.name not in listed
    ]
    return [
        Column(name, str(label_for_field(name, desk.model, desk)), name in listed)
        for name in (*listed, *more)
        if not _SECRET.search(name) and (personal or not _PERSONAL.search(name))
    ]


def has_account(model: type[Model]) -> bool:
    """Tell whether rows of a model belong to an account, so that its contact can be written beside them."""
    if model._meta.label_lower == "accounts.account":
        return True
    try:
        return model._meta.get_field("account").related_model is Account
    except FieldDoesNotExist:
        return False


def stream(rows: QuerySet[Any]) -> Iterator[Any]:
    """Return the rows of a list in chunks; those of small tables that they belong to are shared among a chunk."""
    joined = rows.query.select_related
    if isinstance(joined, Mapping):
        shared = [name for name, more in joined.items() if not more and _is_shared(rows.model, name)]
        kept = [path for path in _paths(joined) if path not in shared]
        rows = rows.select_related(None).select_related(*kept) if kept else rows.select_related(None)
        rows = rows.prefetch_related(*shared)
    return rows.iterator(chunk_size=CHUNK_ROWS)


class Sheet:
    """The head and the rows of a file made of a list; rows are read in chunks, and counted as they go out."""

    def __init__(
        self, desk: ModelAdmin[Any], rows: Iterable[Model], columns: Sequence[Column], *, contacts: bool
    ) -> None:
        self._columns, self._contacts = columns, contacts
        kept = lru_cache(_WORDS_KEPT)(_of_words)
        words = lambda value: kept(value) if isinstance(value, str) else _of_words(value)  # noqa: E731
        self._readers = [_reader(desk, column.name, words) for column in columns]
        source = iter(rows)
        first = self._cells(list(islice(source, CHUNK_ROWS)))
        self._priced = any(currency for _cells, currency in first)
        self._chunks: Iterator[list[tuple[list[Cell], str]]] = chain([first], self._rest(source))
        self.done = 0

    @property
    def head(self) -> list[str]:
        """Return what the columns are called."""
        return [
            *(column.words for column in self._columns), *(["currency"] if self._priced else []),
            *(CONTACT_HEADS if self._contacts else ()),
        ]  # fmt: skip

    def rows(self) -> Iterator[list[Cell]]:
        """Yield the rows."""
        for chunk in self._chunks:
            for cells, currency in chunk:
                at = len(self._columns)
                yield [*cells[:at], *([currency] if self._priced else []), *cells[at:]]
            self.done += len(chunk)

    def _rest(self, source: Iterator[Model]) -> Iterator[list[tuple[list[Cell], str]]]:
        while chunk := list(islice(source, CHUNK_ROWS)):
            yield self._cells(chunk)

    def _cells(self, chunk: list[Model]) -> list[tuple[list[Cell], str]]:
        people = _contacts_of(chunk) if self._contacts else {}
        found = []
        for row in chunk:
            values = [_value(read, row) for read in self._readers]
            cells = [value.cell for value in values]
            if self._contacts:
                cells += people.get(_account_id(row), ["", "", "", ""])
            found.append((cells, next((value.currency for value in values if value.currency), "")))
        return found


def _is_shared(model: type[Model], name: str) -> bool:
    try:
        found: Any = model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return bool(found.many_to_one) and found.related_model._meta.label_lower in _SHARED


def _paths(joined: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Return what is read along with a row, as it was asked for: status, policy_version__policy."""
    for name, more in joined.items():
        if more:
            yield from _paths(more, f"{before}{name}__")
        else:
            yield before + name


def _reader(desk: ModelAdmin[Any], name: str, words: Callable[[Any], _Value]) -> Callable[[Any], _Value]:
    """Return what reads a column from a row as its list shows it; found out once, since a file has many rows."""
    try:
        field = desk.opts.get_field(name)
    except FieldDoesNotExist:
        own = getattr(desk, name, None) if name != "__str__" else None
        if callable(own):
            return lambda row: words(own(row))
        return lambda row: words(_called(getattr(row, name)))
    return lambda row: _Value(_of_field(field, row, getattr(row, name)))


def _value(read: Callable[[Any], _Value], row: Any) -> _Value:
    """Return one cell of a row; nothing where what it is about is not there."""
    try:
        return read(row)
    except ObjectDoesNotExist:
        return _Value(None)


def _called(value: Any) -> Any:
    return value() if callable(value) else value


def _of_field(field: Any, row: Any, value: Any) -> Cell:
    if isinstance(field, Field) and field.flatchoices:
        return str(getattr(row, f"get_{field.name}_display")())
    if isinstance(value, datetime):
        return clock.local(value, _zone(row))
    if value is None or isinstance(value, bool | int | Decimal | date):
        return value
    return str(value)


def _of_words(value: Any) -> _Value:
    """Return what a column that is worked out says, without its marks."""
    if isinstance(value, SafeString) and (found := _MONEY.fullmatch(value)):
        return _Value(Decimal(found[1].replace(",", "")), found[2] or "")
    if isinstance(value, datetime):
        return _Value(clock.local(value, "UTC"))
    if value is None or isinstance(value, bool | int | Decimal | date):
        return _Value(value)
    if isinstance(value, list | tuple):
        return _Value(", ".join(_plain(part) for part in value if part))
    text = _plain(value)
    if text == "–":
        return _Value(None)
    try:
        if _TIME.fullmatch(text):
            return _Value(datetime.fromisoformat(text))
        if _DAY.fullmatch(text):
            return _Value(date.fromisoformat(text))
    except ValueError:
        return _Value(text)
    return _Value(text)


def _plain(value: Any) -> str:
    if isinstance(value, SafeString):
        return " ".join(unescape(_TAG.sub(" ", value)).split())
    return str(value)


def _zone(row: Any) -> str:
    account = row if isinstance(row, Account) else getattr(row, "account", None)
    return account.timezone if isinstance(account, Account) else "UTC"


def _account_id(row: Any) -> int:
    return int(row.pk if isinstance(row, Account) else row.account_id or 0)


def _contacts_of(chunk: list[Model]) -> dict[int, list[Cell]]:
    """Return the billing contacts of a chunk's accounts; one query."""
    ids = {_account_id(row) for row in chunk}
    people = Contact.objects.filter(account__in=ids, is_billing_contact=True).values_list(
        "account_id", "name", "email", "phone", "account__address"
    )
    return {
        account_id: [name, email, phone, " ".join(address.split())]
        for account_id, name, email, phone, address in people
    }
