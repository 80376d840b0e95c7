"""``field__among=keys``: rows whose field is one of many values, in a statement that reads the same however many.

``field__in`` writes one placeholder a value, so that a chunk of 500 is a statement of its own to write and to parse;
here all of them are one parameter. Registered for every field when this module is imported.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import Field, ForeignObject, Lookup


@ForeignObject.register_lookup  # keeps a table of its own
@Field.register_lookup
class Among(Lookup[Any]):
    """``= ANY(list)``; the values are what the driver takes, and none at all finds nothing."""

    lookup_name = "among"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Return the condition, with one placeholder and the list that fills it."""
        values: Iterable[Any] = self.rhs
        left, params = self.process_lhs(compiler, connection)
        return f"{left} = ANY(%s)", [*params, list(values)]
