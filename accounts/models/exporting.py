"""What staff took out of the program as files, and the filters of lists that they keep."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from billing_project.kernel import clock


class DataExport(models.Model):
    """One file that was made of a list or a report: who took what, by which filter, and how many rows (U13, SEC-09).

    Small ones are handed over at once. One above the limit is made by a task into a private file, which only the
    person who asked may fetch, for seven days.
    """

    class Kind(models.TextChoices):
        CSV = "csv", "CSV"
        XLSX = "xlsx", "XLSX (Excel)"
        PDF = "pdf", "PDF"
        JSON = "json", "JSON"

    # What lists and reports are taken out as; the other kinds are those of evidence packs.
    SHEETS: ClassVar = {Kind.CSV.value: Kind.CSV.label, Kind.XLSX.value: Kind.XLSX.label}

    class State(models.TextChoices):
        HANDED_OVER = "handed_over", "handed over"
        BROKEN_OFF = "broken_off", "broken off"
        WAITING = "waiting", "waiting"
        RUNNING = "running", "being made"
        READY = "ready", "ready to fetch"
        FAILED = "failed", "failed"
        GONE = "gone", "file deleted"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    source = models.CharField("list", max_length=80, help_text="The list, such as accounts.account, or the report.")
    title = models.CharField(max_length=120, help_text="What it is called.")
    filter_words = models.CharField("filter", max_length=300, blank=True, help_text="How it was narrowed.")
    query = models.TextField(blank=True, help_text="The list's address after the question mark.")
    columns = models.JSONField(default=list)
    kind = models.CharField(max_length=4, choices=Kind.choices, default=Kind.CSV)
    with_contacts = models.BooleanField("with contact data", default=False)
    file_name = models.CharField(max_length=200)
    state = models.CharField(max_length=12, choices=State.choices, default=State.HANDED_OVER)
    rows_total = models.PositiveIntegerField(null=True, blank=True)
    rows_done = models.PositiveIntegerField("rows", default=0)
    why = models.CharField(max_length=300, blank=True, help_text="Why it failed.")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="data_exports"
    )
    asked_at = models.DateTimeField(default=clock.now)
    lease_until_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)
    kept_until_at = models.DateTimeField(null=True, blank=True, help_text="When its file is deleted.")

    class Meta:
        verbose_name = "export"
        ordering = ("-asked_at", "-pk")
        permissions = [
            ("export_data", "Can take lists and reports out as files"),
            ("export_contacts", "Can take contact data out with them"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="ready") | Q(finished_at__isnull=False, kept_until_at__isnull=False),
                name="export_ready_has_times",
            ),
            models.CheckConstraint(condition=~Q(state="failed") | ~Q(why=""), name="export_failed_says_why"),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(state__in=["waiting", "running"]), name="export_to_make"),
            models.Index(fields=["kept_until_at"], condition=Q(state="ready"), name="export_to_delete"),
        ]

    def __str__(self) -> str:
        return self.file_name


class SavedFilter(models.Model):
    """A list's filter, search and order, kept under a name: one's own queue, or one for everybody (U03)."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_filters")
    source = models.CharField("list", max_length=80, help_text="The list, such as accounts.account.")
    name = models.CharField(max_length=60, help_text="Such as “Suspended, over 60 days”.")
    query = models.CharField(
        max_length=1000, blank=True, help_text="The list's address after the question mark, such as status__exact=2."
    )
    shared = models.BooleanField("for everybody", default=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    history = HistoricalRecords()

    class Meta:
        ordering = ("-shared", "name", "pk")
        permissions = [("share_savedfilter", "Can keep filters of lists for everybody")]
        constraints = [
            models.UniqueConstraint(fields=["owner", "source", "name"], name="saved_filter_name_once"),
            models.CheckConstraint(condition=~Q(name="") & ~Q(source=""), name="saved_filter_has_name"),
        ]
        indexes = [models.Index(fields=["source"], name="saved_filter_of_list")]

    def __str__(self) -> str:
        return self.name
