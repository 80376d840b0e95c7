"""Searching a list through the indexes of what its rows belong to, instead of joining every row to it."""

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import FieldDoesNotExist
from django.db.models import CharField, Model, Q, QuerySet, TextField
from django.http import HttpRequest
from django.utils.text import smart_split, unescape_string_literal

from .pages import COUNTED_MAX

RELATED_MAX = 1_000
LOOKUPS = {"^": "istartswith", "=": "exact"}

if TYPE_CHECKING:
    _Admin = ModelAdmin[Any]
else:
    _Admin = object


class QuickSearch(_Admin):
    """Find rows as the admin does, each word in one of the fields, but in steps that each can use an index.

    Joined to accounts, contacts and invoices, no index can tell which rows hold a word in one place or another, and
    every row is read: for the page, for its count and for its dates. So what rows belong to is found first, by its own
    indexes; and the rows that are found once are known by their keys from then on. A field with ``^`` is searched by
    its beginning, one with ``=`` for the whole word as it is written.
    """

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows that hold every word of the search, and that none of them comes twice."""
        paths = [_Path.read(self.model, field) for field in self.get_search_fields(request)]
        words = [*_words(search_term)]
        if not words or not paths or None in paths:
            return super().get_search_results(request, queryset, search_term)
        found = queryset
        for word in words:
            found = found.filter(reduce(or_, (path.holds(word) for path in paths if path is not None)))
        keys = list(found.order_by().values_list("pk", flat=True)[: COUNTED_MAX + 1])
        return (found if len(keys) > COUNTED_MAX else queryset.filter(pk__among=keys)), False


def _words(term: str) -> Iterable[str]:
    for word in smart_split(term):
        quoted = word[:1] in ("'", '"') and len(word) > 1 and word[0] == word[-1]
        yield unescape_string_literal(word) if quoted else word


class _Path:
    """A field that is searched: one of the rows' own, or one of what they belong to or of what belongs to them."""

    def __init__(self, model: type[Model], relation: Any, name: str, lookup: str) -> None:
        self.model, self.relation = model, relation
        self.condition = f"{name}__{lookup}"

    @classmethod
    def read(cls, model: type[Model], text: str) -> "_Path | None":
        """Return what an entry of ``search_fields`` means; None for one that is left to the admin."""
        lookup, path = LOOKUPS.get(text[0], "icontains"), text.lstrip("^=")
        first, _, rest = path.partition("__")
        try:
            field: Any = model._meta.get_field(first)
            last: Any = field
            for name in rest.split("__") if rest else ():
                last = last.related_model._meta.get_field(name)
        except (FieldDoesNotExist, AttributeError):
            return None
        by_key = not field.concrete or not rest or field.target_field.primary_key
        if not isinstance(last, CharField | TextField) or not by_key:
            return None
        return cls(model, field if rest else None, path if not rest or not field.concrete else rest, lookup)

    def holds(self, word: str) -> Q:
        """Return the condition that the field holds a word."""
        condition = Q(**{self.condition: word})
        if self.relation is None:
            return condition
        # Of the field's own table when rows point at it; of the rows themselves when it points at them.
        forward = self.relation.concrete
        model, column = (self.relation.related_model, self.relation.name) if forward else (self.model, "pk")
        keys = model._base_manager.filter(condition).order_by().values_list("pk", flat=True)
        few = list(keys[: RELATED_MAX + 1])
        if len(few) > RELATED_MAX:
            return Q(**{f"{column}__in": keys})
        return Q(**{f"{column}__among": few})
