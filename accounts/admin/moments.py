"""Instants of rows, in the account's local time where there is an account; UTC shows on hover (U21)."""

from collections.abc import Callable
from datetime import datetime
from functools import reduce
from typing import Any

from django.contrib import admin
from django.db.models import DateTimeField
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import Account
from billing_project.kernel.errors import Refused

from .base import NOTHING, local_time


def local_column(field: str, words: str, *, account: str = "") -> Callable[[Any, Any], SafeString | str]:
    """Return a list's column for an instant of its rows, in the time of the account at a path such as notice__account.

    Without a path there is no account: it is shown in UTC, and says so.
    """

    @admin.display(description=words, ordering=field)
    def column(_desk: Any, row: Any) -> SafeString | str:
        of = reduce(getattr, account.split("__"), row) if account else None
        return moment_of(of, getattr(row, field))

    return column


def moment_of(account: Account | None, moment: datetime | None) -> SafeString | str:
    """Return an instant in the account's time; without an account in UTC, which stands behind it then."""
    if moment is None:
        return NOTHING
    return local_time(moment, account.timezone) if account is not None else format_html("{} UTC", local_time(moment))


def shown_in(field: Any, page_row: Any) -> Any:
    """Return what a read-only field of a form shows: an instant in its account's time, all else as it is.

    A row in a table of the page that has no account itself is of the account of the page's row.
    """
    row, name = field.form.instance, field.field["field"]
    known = {one.name for one in row._meta.concrete_fields if isinstance(one, DateTimeField)}
    if not isinstance(name, str) or name not in known:
        return field.contents
    moment = getattr(row, name)
    try:
        return moment_of(_account_of(row) or _account_of(page_row), moment)
    except Refused:  # a form that was refused still holds the zone that somebody typed
        return moment_of(None, moment)


def _account_of(row: Any) -> Account | None:
    found = row if isinstance(row, Account) else getattr(row, "account", None)
    return found if isinstance(found, Account) else None
