"""Write many rows, with their history rows, in one stroke: the sweeps' only way out.

COPY writes a few hundred rows in the time that ``bulk_create`` needs for a few, and django-simple-history
writes nothing on bulk methods. So here a chunk's rows and their history rows go out together, in the caller's
transaction::

    reserve_keys(invoices)                      # primary keys first: other rows point at them
    copy_rows(Invoice, invoices)
    insert_with_history(parameters)
    update_with_history(parameters, ["next_bill_on"], reason="billed")

No signals of ``django.db.models`` are sent and no ``save()`` runs; callers have checked what these would
check.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

from django.db import connections, models, router
from django.db.models import Model

from . import acting, clock

M = TypeVar("M", bound=Model)
Values = tuple[Any, ...]

# The column of the history tables is this long.
_REASON_LENGTH = 100
# What these fields hold in Python is what the driver takes; asking them for every value is most of the cost of a row.
_PLAIN = {
    models.AutoField, models.BigAutoField, models.BigIntegerField, models.BooleanField, models.CharField,
    models.DateField, models.DateTimeField, models.DecimalField, models.EmailField, models.ForeignKey,
    models.IntegerField, models.OneToOneField, models.PositiveIntegerField, models.PositiveSmallIntegerField,
    models.SmallIntegerField, models.TextField, models.UUIDField,
}  # fmt: skip


def reserve_keys(objects: Sequence[Model]) -> None:
    """Give unsaved objects of one model their primary keys from the table's own sequence."""
    wanting = [row for row in objects if row.pk is None]
    if not wanting:
        return
    options = type(wanting[0])._meta
    with connections[_database(type(wanting[0]))].cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)",
            [f'"{options.db_table}"', options.pk.column, len(wanting)],
        )
        for row, (key,) in zip(wanting, cursor.fetchall(), strict=True):
            row.pk = key


def copy_rows(model: type[M], rows: Iterable[M]) -> int:
    """Insert rows by COPY and return how many; constraints and triggers apply as ever.

    Objects without a primary key are given theirs first. Raises IntegrityError like any insert.
    """
    objects = list(rows)
    if not objects:
        return 0
    reserve_keys(objects)
    alias = _database(model)
    fields: Sequence[Any] = model._meta.concrete_fields
    values = _reader(model, tuple(field.attname for field in fields), alias)
    _copy(model, [field.column for field in fields], map(values, objects))
    for row in objects:
        row._state.adding, row._state.db = False, alias
    return len(objects)


def copy_values(model: type[Model], fields: Sequence[str], rows: Iterable[Values]) -> None:
    """Insert plain values of the named fields by COPY, without an object a row; the key is the table's own sequence's.

    For rows that nothing else points at. All fields but the key are named, and each is one that holds what the driver
    takes: text, numbers, dates, and JSON as its text. Raises ValueError otherwise.
    """
    chosen: list[Any] = [model._meta.get_field(name) for name in fields]
    missing = {field.name for field in model._meta.concrete_fields if not field.primary_key} - {f.name for f in chosen}
    strange = {field.name for field in chosen if not (_is_plain(field) or isinstance(field, models.JSONField))}
    if missing or strange:
        raise ValueError(f"{model._meta.label}: not named {sorted(missing)}, not plain {sorted(strange)}")
    _copy(model, [field.column for field in chosen], rows)


def insert_missing(objects: Sequence[Model]) -> int:
    """Insert rows of one model but those that a unique constraint says are there already; return how many were not.

    One statement; the objects do not get to know their keys.
    """
    if not objects:
        return 0
    model = type(objects[0])
    fields = tuple(field for field in model._meta.concrete_fields if not field.primary_key)
    values = _reader(model, tuple(field.attname for field in fields), _database(model))
    return _execute(model, _insert_missing_statement(model), _columns(map(values, objects)))


def insert_with_history(objects: Sequence[Model], *, reason: str = "") -> int:
    """Insert rows of one model, and a "created" history row for each; return how many."""
    if not objects:
        return 0
    model = type(objects[0])
    with acting.because(reason):
        written = copy_rows(model, objects)
        source = f'"{model._meta.db_table}" AS written WHERE written."{model._meta.pk.column}" = ANY(%s)'
        _execute(model, _history_of(model, source), [*_moment("+", reason), [row.pk for row in objects]])
    return written


def update_rows(objects: Sequence[Model], fields: Sequence[str]) -> int:
    """Write the named fields of rows of one model by a single UPDATE; return how many rows there were.

    For rows that keep no history; the caller has locked them.
    """
    if not objects:
        return 0
    statement, columns = _update(objects, fields)
    return _execute(type(objects[0]), statement, columns)


def update_with_history(
    objects: Sequence[Model], fields: Sequence[str], *, reason: str = "", by_id: int | None = None
) -> int:
    """Write the named fields of rows of one model, and a "changed" history row for each; return how many.

    One statement: the history rows are the rows as they now stand. `by_id` is the key of the user who wanted it, if a
    person did.
    """
    if not objects:
        return 0
    statement, columns = _update(objects, fields)
    return _with_history(type(objects[0]), statement, columns, reason, by_id)


def update_values(model: type[Model], fields: Sequence[str], rows: Sequence[Values], *, reason: str) -> int:
    """Write plain values of the named fields, and a "changed" history row for each; return how many.

    Each row is the key and then the values, in the order of the fields. For rows that need not be read to be changed.
    """
    if not rows:
        return 0
    return _with_history(model, _update_statement(model, tuple(fields)), _columns(rows), reason)


def _with_history(
    model: type[Model], statement: str, columns: list[list[Any]], reason: str, by_id: int | None = None
) -> int:
    both = f"WITH written AS ({statement} RETURNING t.*) {_history_of(model, 'written')}"
    with acting.because(reason):
        return _execute(model, both, [*columns, *_moment("~", reason, by_id)])


def _columns(rows: Iterable[Values]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _update(objects: Sequence[Model], fields: Sequence[str]) -> tuple[str, list[list[Any]]]:
    """Return one UPDATE of the named fields of all these rows, and its parameters: a list for each column."""
    model = type(objects[0])
    names = tuple(dict.fromkeys(fields))
    chosen: list[Any] = [model._meta.pk, *(model._meta.get_field(name) for name in names)]
    values = _reader(model, tuple(field.attname for field in chosen), _database(model))
    return _update_statement(model, names), _columns(map(values, objects))


@cache
def _update_statement(model: type[Model], fields: tuple[str, ...]) -> str:
    connection = connections[_database(model)]
    chosen: list[Any] = [model._meta.pk, *(model._meta.get_field(name) for name in fields)]
    # Only names of our own models and columns are written into the statement; the values are parameters.
    casts = ", ".join(f"%s::{_type(field, connection)}[]" for field in chosen)
    names = ", ".join(f'"{field.column}"' for field in chosen)
    sets = ", ".join(f'"{field.column}" = v."{field.column}"' for field in chosen[1:])
    return (
        f'UPDATE "{model._meta.db_table}" t SET {sets} FROM unnest({casts}) AS v({names})'  # noqa: S608
        f' WHERE t."{chosen[0].column}" = v."{chosen[0].column}"'
    )


@cache
def _insert_missing_statement(model: type[Model]) -> str:
    connection = connections[_database(model)]
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    # Only names of our own models and columns are written into the statement; the values are parameters.
    casts = ", ".join(f"%s::{_type(field, connection)}[]" for field in fields)
    names = ", ".join(f'"{field.column}"' for field in fields)
    return (
        f'INSERT INTO "{model._meta.db_table}" ({names}) SELECT * FROM unnest({casts})'  # noqa: S608
        " ON CONFLICT DO NOTHING"
    )


@cache
def _history_of(model: type[Model], source: str) -> str:
    """Return the statement that writes history rows of rows of a model, which are called ``written``."""
    history: Any = model.history.model  # type: ignore[attr-defined]  # put there by simple-history
    columns = [(history._meta.get_field(field.name).column, field.column) for field in history.tracked_fields]
    into = ", ".join(f'"{kept}"' for kept, _ in columns)
    read = ", ".join(f'written."{own}"' for _, own in columns)
    return (
        f'INSERT INTO "{history._meta.db_table}" ({into}, history_date, history_type, history_change_reason,'  # noqa: S608
        f" history_user_id) SELECT {read}, %s, %s, %s, %s FROM {source}"
    )


def _moment(kind: str, reason: str, by_id: int | None = None) -> list[Any]:
    return [clock.now(), kind, reason[:_REASON_LENGTH] or None, by_id]


def _execute(model: type[Model], statement: str, values: Sequence[Any]) -> int:
    with connections[_database(model)].cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def _copy(model: type[Model], columns: Sequence[str], rows: Iterable[Values]) -> None:
    connection = connections[_database(model)]
    names = ", ".join(f'"{column}"' for column in columns)
    acting.tell(connection)
    # Through the driver's own cursor: Django has no word for COPY.
    copy = f'COPY "{model._meta.db_table}" ({names}) FROM STDIN'
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(copy) as sink:
        for row in rows:
            sink.write_row(row)


@cache
def _reader(model: type[Model], names: tuple[str, ...], alias: str) -> Callable[[Any], Values]:
    """Return what takes the values of the named attributes from an object, as the driver takes them."""
    fields = {field.attname: field for field in model._meta.concrete_fields}
    # More than one name, or the getter would return a bare value.
    plain = attrgetter(*names)
    others = [(place, fields[name]) for place, name in enumerate(names) if not _is_plain(fields[name])]
    if len(names) > 1 and not others:
        return plain
    connection = connections[alias]

    def read(row: Any) -> Values:
        values = list(plain(row)) if len(names) > 1 else [plain(row)]
        for place, field in others:
            values[place] = field.get_db_prep_save(field.pre_save(row, add=row._state.adding), connection)
        return tuple(values)

    return read


def _is_plain(field: Any) -> bool:
    return type(field) in _PLAIN and not (getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False))


def _type(field: Any, connection: Any) -> str:
    """Return the column's type as a cast takes it: a serial is an integer to anybody but its table."""
    return str(field.rel_db_type(connection) if field.primary_key else field.db_type(connection))


def _database(model: type[Model]) -> str:
    return router.db_for_write(model)
