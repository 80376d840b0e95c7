"""Filters whose choices are what the rows hold, found without reading every row."""

from typing import TYPE_CHECKING, Any

from django.contrib.admin import AllValuesFieldListFilter, ModelAdmin, RelatedOnlyFieldListFilter
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import CharField, Exists, IntegerField, OuterRef, Q
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

LOOKED_AT_MAX = 20_000

if TYPE_CHECKING:
    _Admin = ModelAdmin[Any]
else:
    _Admin = object


class NewestValuesFilter(AllValuesFieldListFilter):
    """Offer the values of the newest rows; every other one can still stand in the address.

    Codes, templates and days are a handful, and what LOOKED_AT_MAX rows do not hold is no longer in use.
    """

    def __init__(
        self, field: Any, request: HttpRequest, params: Any, model: Any, model_admin: Any, field_path: str
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)  # its choices are not read yet
        newest = model._base_manager.order_by("-pk").values(field.name)[:LOOKED_AT_MAX]

        def held() -> list[Any]:
            values = newest.aggregate(held=ArrayAgg(field.name, distinct=True))["held"]
            return sorted(values or (), key=lambda value: (value is None, value))

        choices: Any = SimpleLazyObject(held)
        self.lookup_choices = choices


class ActiveOnlyFilter(RelatedOnlyFieldListFilter):
    """Offer what rows belong to, each asked for by its own index instead of read out of all rows."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        """Return the choices: those to which a row belongs."""
        belongs = Exists(model_admin.model._base_manager.filter(**{self.field_path: OuterRef("pk")}))
        ordering = self.field_admin_ordering(field, request, model_admin)
        return field.get_choices(include_blank=False, limit_choices_to=Q(belongs), ordering=ordering)


class QuickFilters(_Admin):
    """Let a list offer the values of a field without reading its whole table for them."""

    def get_list_filter(self, request: HttpRequest) -> Any:
        """Return the list's filters; a field of few values that are not known beforehand has them looked up."""
        return [self._quick(entry) for entry in super().get_list_filter(request)]

    def _quick(self, entry: Any) -> Any:
        if not isinstance(entry, str) or "__" in entry:
            return entry
        field: Any = get_fields_from_path(self.model, entry)[-1]
        known = field.remote_field is not None or bool(field.flatchoices)
        plain = isinstance(field, CharField | IntegerField) and not known
        return (entry, NewestValuesFilter) if plain else entry
