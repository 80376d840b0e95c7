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

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from django.db import connections, router
from django.db.models import Model

from . import acting, clock

M = TypeVar("M", bound=Model)

# The column of the history tables is this long.
_REASON_LENGTH = 100


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
    connection = connections[_database(model)]
    fields = model._meta.concrete_fields
    columns = ", ".join(f'"{field.column}"' for field in fields)
    # Through the driver's own cursor: Django has no word for COPY.
    copy = f'COPY "{model._meta.db_table}" ({columns}) FROM STDIN'
    acting.tell(connection)
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(copy) as sink:
        for row in objects:
            sink.write_row([field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields])
    for row in objects:
        row._state.adding, row._state.db = False, connection.alias
    return len(objects)


def insert_with_history(objects: Sequence[Model], *, reason: str = "") -> int:
    """Insert rows of one model, and a "created" history row for each; return how many."""
    if not objects:
        return 0
    with acting.because(reason):
        written = copy_rows(type(objects[0]), objects)
        _write_history(objects, "+", reason)
    return written


def update_rows(objects: Sequence[Model], fields: Sequence[str]) -> int:
    """Write the named fields of rows of one model by a single UPDATE; return how many rows there were.

    For rows that keep no history; the caller has locked them.
    """
    if not objects:
        return 0
    model = type(objects[0])
    connection = connections[_database(model)]
    chosen: list[Any] = [model._meta.pk, *(model._meta.get_field(name) for name in fields)]
    # Only names of our own models and columns are written into the statement; the values are parameters.
    casts = ", ".join(f"%s::{_type(field, connection)}[]" for field in chosen)
    names = ", ".join(f'"{field.column}"' for field in chosen)
    sets = ", ".join(f'"{field.column}" = v."{field.column}"' for field in chosen[1:])
    statement = (
        f'UPDATE "{model._meta.db_table}" t SET {sets} FROM unnest({casts}) AS v({names})'  # noqa: S608
        f' WHERE t."{chosen[0].column}" = v."{chosen[0].column}"'
    )
    values = [[field.get_db_prep_save(getattr(row, field.attname), connection) for row in objects] for field in chosen]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def update_with_history(
    objects: Sequence[Model], fields: Sequence[str], *, reason: str = "", by_id: int | None = None
) -> int:
    """Write the named fields of rows of one model, and a "changed" history row for each; return how many.

    `by_id` is the key of the user who wanted it, if a person did.
    """
    with acting.because(reason):
        written = update_rows(objects, fields)
        _write_history(objects, "~", reason, by_id)
    return written


def _write_history(objects: Sequence[Model], kind: str, reason: str, by_id: int | None = None) -> None:
    if not objects:
        return
    history: Any = type(objects[0]).history  # type: ignore[attr-defined]  # put there by simple-history
    model = history.model
    moment = clock.now()
    copy_rows(
        model,
        [
            model(
                history_date=moment,
                history_type=kind,
                history_change_reason=reason[:_REASON_LENGTH] or None,
                history_user_id=by_id,
                **{field.attname: getattr(row, field.attname) for field in model.tracked_fields},
            )
            for row in objects
        ],
    )


def _type(field: Any, connection: Any) -> str:
    """Return the column's type as a cast takes it: a serial is an integer to anybody but its table."""
    return str(field.rel_db_type(connection) if field.primary_key else field.db_type(connection))


def _database(model: type[Model]) -> str:
    return router.db_for_write(model)
