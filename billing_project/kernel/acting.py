"""Who is at work, from where and why: told to PostgreSQL before the first write, so that its triggers can note it.

A door sets it (a request, a task, a command), and whatever is written inside carries it into the audit record::

    with acting.as_program("task invoicing.tick"):
        run_tick()
    with acting.because("asked for by phone"):
        account.save()

It is one setting of the database session, ``billing.acting``, as JSON. It is only sent when something is about to be
written and what PostgreSQL was told last is not true any more; a page that only reads costs nothing.
"""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

SETTING = "billing.acting"
_WRITES = ("INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "TRUNCATE")
_TEXT_MAX = 300

Told = dict[str, Any]
_who: ContextVar[Callable[[], Told] | None] = ContextVar("acting_who", default=None)
_why: ContextVar[str] = ContextVar("acting_why", default="")
_row_why: ContextVar[str] = ContextVar("acting_row_why", default="")


def new_mark() -> str:
    """Return a mark by which all changes of one request, task or command are found again."""
    return uuid.uuid4().hex[:16]


@contextmanager
def as_described(describe: Callable[[], Told]) -> Iterator[None]:
    """Let the running context act as described; ``describe`` is only called before a write.

    It returns ``by`` (a name), and may return ``by_id`` (a user's key), ``at`` (a path, a task) and ``mark``.
    """
    token = _who.set(describe)
    _row_why.set("")
    try:
        yield
    finally:
        _who.reset(token)


@contextmanager
def as_program(name: str, mark: str = "") -> Iterator[None]:
    """Let a task or a command act, by its name; inside something that acts already, that keeps its name."""
    if _who.get() is not None:
        yield
        return
    told: Told = {"by": f"system: {name}", "at": name, "mark": mark or new_mark()}
    with as_described(lambda: told):
        yield


@contextmanager
def because(reason: str) -> Iterator[None]:
    """Give the reason of what is written inside, for rows that hold none themselves."""
    token = _why.set(reason[:_TEXT_MAX] or _why.get())
    try:
        yield
    finally:
        _why.reset(token)


def before_save(instance: Any, **_: Any) -> None:
    """Take the reason that a row brings along for its history; a receiver of ``pre_save``."""
    _row_why.set(str(getattr(instance, "_change_reason", None) or "")[:_TEXT_MAX])


def after_save(**_: Any) -> None:
    """Forget the reason of the row that was saved; a receiver of ``post_save``."""
    if _row_why.get():
        _row_why.set("")


class _Told:
    """What a connection has been told: for good, and in its running transaction (None: nothing; "?": not known)."""

    def __init__(self) -> None:
        self.session = ""
        self.local: str | None = None


def listen(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Watch a new connection; a receiver of ``connection_created``."""
    connection.__dict__["acting_told"] = _Told()
    if connection.vendor == "postgresql" and _tell_first not in connection.execute_wrappers:
        connection.execute_wrappers.append(_tell_first)


def tell(connection: BaseDatabaseWrapper) -> None:
    """Tell PostgreSQL who acts, if it does not know; for writes that go past Django's cursor, such as COPY."""
    state: _Told = connection.__dict__.setdefault("acting_told", _Told())
    driver: Any = connection.connection
    if driver is None or driver.info.transaction_status == TransactionStatus.INERROR:
        return
    if driver.info.transaction_status == TransactionStatus.IDLE:
        state.local = None  # a transaction that is over takes with it what it was told
    wanted = _described()
    if wanted == (state.session if state.local is None else state.local):
        return
    inside = connection.in_atomic_block or not connection.get_autocommit()
    with connection.wrap_database_errors, driver.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, %s)", [SETTING, wanted, inside])
    if inside:
        state.local = wanted
    else:
        state.session = wanted


def _tell_first(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    connection = context["connection"]
    driver = connection.connection
    if driver is not None and driver.info.transaction_status == TransactionStatus.IDLE:
        connection.__dict__.setdefault("acting_told", _Told()).local = None
    if isinstance(sql, str):
        head = sql[:24].lstrip("( \n\t").upper()
        if head.startswith(_WRITES) or (head.startswith("WITH") and any(word in sql for word in _WRITES)):
            tell(connection)
        elif head.startswith("ROLLBACK TO"):
            connection.__dict__.setdefault("acting_told", _Told()).local = "?"
    return execute(sql, params, many, context)


def _described() -> str:
    describe, why = _who.get(), _row_why.get() or _why.get()
    if describe is None and not why:
        return ""
    told = {name: value for name, value in (describe() if describe else {}).items() if value}
    if why:
        told["why"] = why
    return json.dumps({name: v[:_TEXT_MAX] if isinstance(v, str) else v for name, v in told.items()}).replace(
        "\\u0000", ""
    )
