"""The whole world of a test copied several times over, in the database alone: each row, pointing at its own copies."""

from typing import Any, cast

from django.apps import apps
from django.db import connection, models

# Keys of the copies lie so far apart that no copy meets a row or another copy.
APART = 1_000_000
# What many rows have in common; where it is part of a key, another column of the key tells the copies apart.
SHARED = frozenset({"provider", "code"})
# The program's own furniture: what names models, rights and schedules is there once.
ONCE = frozenset({"contenttypes", "auth.permission", "sessions", "django_celery_beat", "account", "mfa"})


def copy_everything(copies: int, *, once: frozenset[str] = ONCE, history: bool = False, spread: bool = False) -> None:
    """Copy every row ``copies`` times; call it in a transaction.

    A copied row points at the same copy of what it belongs to. Texts that must be unique get a number, dates move by
    years, and what can be there only once (``once``: rooms and models) stays as it is. With ``history`` the histories
    of rows are copied too; with ``spread`` each copy happened on another day of the half year before. No trigger runs
    and no key is checked meanwhile.
    """
    copied = [model for model in _models(once) if history or not _is_history(model)]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for model in copied:
            cursor.execute(_Copying(model, frozenset(copied), spread).statement(), [copies])
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def _models(once: frozenset[str]) -> list[type[models.Model]]:
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed
        and not model._meta.proxy
        and not {model._meta.app_label, model._meta.label_lower, _whose(model)} & once
    ]


def _is_history(model: type[models.Model]) -> bool:
    return model.__name__.startswith("Historical")


def _whose(model: type[models.Model]) -> str:
    """Return the model whose rows a history keeps, or the model itself."""
    return model._meta.label_lower.replace(".historical", ".")


class _Copying:
    """The statement that copies the rows of one table; ``copy.n`` in it is the number of the copy."""

    def __init__(self, model: type[models.Model], copied: frozenset[type[models.Model]], spread: bool) -> None:
        self.model, self.copied, self.spread = model, copied, spread
        self.unique = _unique(model)

    def statement(self) -> str:
        """Return it; its parameter is the number of copies."""
        quote, names, values = connection.ops.quote_name, [], []
        for field in self.model._meta.concrete_fields:
            if field.generated or (field.primary_key and _is_history(self.model)):  # a history counts by itself
                continue
            names.append(quote(str(field.column)))
            values.append(self._value(field, quote(str(field.column))))
        table = quote(self.model._meta.db_table)
        return (
            f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)}"
            f" FROM {table}, generate_series(1, %s) AS copy(n) WHERE {_first(self.model)} ON CONFLICT DO NOTHING"
        )

    def _value(self, field: Any, column: str) -> str:
        key = field.target_field if field.remote_field else field
        if field.remote_field and field.related_model not in self.copied:
            return column
        if (field.primary_key or field.remote_field or self._is_row_of_history(field)) and _is_number(key):
            return f"{column} + {APART}::bigint * copy.n"
        if self.spread and isinstance(key, models.DateTimeField | models.DateField) and field.name not in self.unique:
            return f"({column} - copy.n %% 180 * interval '1 day')::{key.db_type(connection)}"
        if field.name not in self.unique or field.choices:
            return column
        return _another(field, key, column)

    def _is_row_of_history(self, field: Any) -> bool:
        """Tell whether a column of a history holds the key of the row whose history it is."""
        if not _is_history(self.model):
            return False
        model: Any = apps.get_model(_whose(self.model))
        return model in self.copied and bool(field.name == model._meta.pk.name)


def _first(model: type[models.Model]) -> str:
    """Return what tells a row from its copies, so that copies are not copied."""
    key: Any = apps.get_model(_whose(model))._meta.pk
    column = connection.ops.quote_name(str(key.column))
    if _is_number(key):
        return f"{column} < {APART}"
    return f"{column}::text NOT LIKE '%%-copy%%'"


def _another(field: Any, key: Any, column: str) -> str:
    """Return a value that no other copy has."""
    if field.name in ("ipv4", "ipv6"):
        return f"CASE WHEN {column} = '' THEN '' ELSE host({column}::inet + copy.n) END"
    if isinstance(key, models.UUIDField):
        return "gen_random_uuid()"
    if _is_number(key):
        return f"{column} + copy.n"
    if isinstance(key, models.DateTimeField | models.DateField):
        return f"({column} + copy.n * interval '1 month')::{key.db_type(connection)}"
    if isinstance(key, models.CharField | models.TextField):
        room = getattr(key, "max_length", None) or 1000
        named = f"left({column}, {room} - 5 - length(copy.n::text)) || '-copy' || copy.n"
        return f"CASE WHEN {column} = '' THEN '' ELSE {named} END" if field.blank else named
    return column


def _is_number(field: Any) -> bool:
    return isinstance(field, models.IntegerField)


def _unique(model: type[models.Model]) -> set[str]:
    """Return the fields that make a row different from all others, unless a row it belongs to does so already."""
    found = {field.name for field in model._meta.concrete_fields if field.unique}
    groups: list[Any] = [
        *model._meta.unique_together,
        *(one.fields for one in model._meta.constraints if isinstance(one, models.UniqueConstraint)),
    ]
    for group in groups:
        if not any(model._meta.get_field(name).remote_field for name in group):
            found |= set(group) - SHARED
    for one in model._meta.constraints:  # over expressions, such as a name in small letters
        if isinstance(one, models.UniqueConstraint) and not one.fields:
            parts: list[Any] = [part for expression in one.expressions for part in cast("Any", expression).flatten()]
            found |= {part.name for part in parts if isinstance(part, models.F)}
    return found
