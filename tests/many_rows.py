"""The whole world of a test copied several times over, in the database alone: each row, pointing at its own copies."""

from typing import Any, cast

from django.apps import apps
from django.db import connection, models

# Keys of the copies lie so far apart that no copy meets a row or another copy.
APART = 1_000_000
# The program's own furniture: what names models, rights and schedules is there once.
ONCE = frozenset({"contenttypes", "auth.permission", "sessions", "django_celery_beat", "account", "mfa"})


def copy_everything(copies: int) -> None:
    """Copy every row ``copies`` times; call it in a transaction.

    A copied row points at the same copy of what it belongs to. Texts that must be unique get a number, dates move by
    years, and what can be there only once stays as it is. No trigger runs and no key is checked meanwhile.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for model in _copied():
            for copy in range(1, copies + 1):
                cursor.execute(_statement(model, copy))
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def _copied() -> list[type[models.Model]]:
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed
        and not model._meta.proxy
        and not {model._meta.app_label, model._meta.label_lower} & ONCE
        and not model.__name__.startswith("Historical")
    ]


def _statement(model: type[models.Model], copy: int) -> str:
    quote, names, values = connection.ops.quote_name, [], []
    unique = _unique(model)
    for field in model._meta.concrete_fields:
        if field.generated:
            continue
        names.append(quote(str(field.column)))
        values.append(_value(field, quote(str(field.column)), copy, unique))
    table = quote(model._meta.db_table)
    return (
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} FROM {table}"
        f" WHERE {_first(model)} ON CONFLICT DO NOTHING"
    )


def _first(model: type[models.Model]) -> str:
    """Return what tells a row from its copies, so that copies are not copied."""
    key: Any = model._meta.pk
    column = connection.ops.quote_name(str(key.column))
    if _is_number(key):
        return f"{column} < {APART}"
    return f"{column}::text NOT LIKE '%-copy_'"


def _value(field: Any, column: str, copy: int, unique: set[str]) -> str:
    key = field.target_field if field.remote_field else field
    if field.remote_field and field.related_model not in _copied():
        return column
    if (field.primary_key or field.remote_field) and _is_number(key):
        return f"{column} + {APART * copy}"
    if field.name not in unique or field.choices:
        return column
    if field.name in ("ipv4", "ipv6"):
        return f"CASE WHEN {column} = '' THEN '' ELSE host({column}::inet + {copy * 1000}) END"
    if isinstance(key, models.UUIDField):
        return "gen_random_uuid()"
    if _is_number(key):
        return f"{column} + {copy}"
    if isinstance(key, models.DateTimeField | models.DateField):
        return f"({column} + interval '{copy} years')::{key.db_type(connection)}"
    if isinstance(key, models.CharField | models.TextField):
        room = getattr(key, "max_length", None) or 1000
        return f"left({column}, {room - 6}) || '-copy{copy}'"
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
            found |= set(group)
    for one in model._meta.constraints:  # over expressions, such as a name in small letters
        if isinstance(one, models.UniqueConstraint) and not one.fields:
            parts: list[Any] = [part for expression in one.expressions for part in cast("Any", expression).flatten()]
            found |= {part.name for part in parts if isinstance(part, models.F)}
    return found
