"""The filter of lists of invoices by how late they are."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from invoicing.lateness import BUCKETS, bucket, open_around_today, past_due, with_days_late
from invoicing.models import Invoice

__all__ = ["BUCKETS", "LatenessFilter", "bucket", "open_around_today", "past_due", "with_days_late"]


class LatenessFilter(admin.SimpleListFilter):
    """Open invoices by how late they are."""

    title = "lateness"
    parameter_name = "late"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [
            ("today", "due today"),
            ("yes", "past due"),
            *((name, f"{words} days late" if low else "not yet late") for name, words, low, _high in BUCKETS),
        ]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Invoice]) -> QuerySet[Invoice]:
        """Narrow the list."""
        value = self.value()
        if value == "today":
            return open_around_today(rows)
        if value == "yes":
            return past_due(rows)
        for name, _words, low, high in BUCKETS:
            if value == name:
                return with_days_late(rows.filter(state="open")).filter(bucket(low, high))
        return rows
