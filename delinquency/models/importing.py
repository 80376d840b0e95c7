"""Files that operators bring their data in with: what was uploaded, what was found in it, and how columns are named."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from billing_project.kernel import clock


class ImportFile(models.Model):
    """One uploaded file, from the choice of columns to the day its content is deleted. It is applied at most once."""

    class Kind(models.TextChoices):
        ACCOUNTS = "accounts", "accounts"
        SERVICES = "services", "services of accounts"
        INVOICES = "invoices", "invoices"
        PAYMENTS = "payments", "payments"
        FUNDING_SOURCES = "funding_sources", "funding sources"
        DEVICES = "devices", "devices"
        HOLDS = "holds", "holds and more time"
        OLD_STATES = "old_states", "states in the old system"

    class State(models.TextChoices):
        COLUMNS = "columns", "columns to choose"
        CHECKING = "checking", "being checked"
        CHECKED = "checked", "checked, nothing written"
        APPLYING = "applying", "being imported"
        APPLIED = "applied", "imported"
        FAILED = "failed", "of no use"
        DROPPED = "dropped", "put aside"

    AT_WORK = (State.CHECKING, State.APPLYING)

    kind = models.CharField(max_length=15, choices=Kind.choices)
    source = models.CharField(
        max_length=40, help_text="Which program wrote it. The choice of columns is remembered for each."
    )
    name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64, help_text="Of its content, as it was uploaded.")
    size = models.PositiveIntegerField(help_text="In bytes.")
    content = models.BinaryField(null=True, blank=True, help_text="Kept for 30 days, for nobody to download.")
    encoding = models.CharField(max_length=20, blank=True)
    delimiter = models.CharField(max_length=1, blank=True)
    headers = models.JSONField(default=list, blank=True, help_text="The names of its columns, in its order.")
    sample = models.JSONField(default=list, blank=True, help_text="Its first rows, as they are written in it.")
    mapping = models.JSONField(default=dict, blank=True, help_text="Which of its columns is which of ours.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.COLUMNS)
    rows_total = models.PositiveIntegerField(default=0)
    rows_read = models.PositiveIntegerField(default=0, help_text="How far the reading of its rows has come.")
    created = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    wrong = models.PositiveIntegerField(default=0, help_text="Rows with a mistake; with one nothing is imported.")
    preview = models.JSONField(default=list, blank=True, help_text="The first rows as they would be.")
    words = models.CharField(max_length=500, blank=True, help_text="Why it is of no use, or what came of it.")
    checked_sha256 = models.CharField(
        max_length=64, blank=True, help_text="Of the content and the columns that were checked: just that is imported."
    )
    leased_until_at = models.DateTimeField(null=True, blank=True, editable=False)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    uploaded_at = models.DateTimeField(default=clock.now)
    checked_at = models.DateTimeField(null=True, blank=True)
    applied_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    applied_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "import"
        ordering = ("-uploaded_at", "-pk")
        permissions = (
            ("import_data", "Can import files of every kind"),
            ("import_payments", "Can import files of payments"),
        )
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "sha256"],
                condition=Q(state__in=["columns", "checking", "checked", "applying"]),
                name="import_file_open_once",
            ),
            models.CheckConstraint(
                condition=Q(state="applied", applied_at__isnull=False, wrong=0)
                | Q(~Q(state="applied"), applied_at__isnull=True),
                name="import_file_applied_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["checked", "applying", "applied"]) | ~Q(checked_sha256=""),
                name="import_file_checked_before_applied",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["columns", "checking", "checked", "applying"]) | Q(content__isnull=False),
                name="import_file_open_has_content",
            ),
            models.CheckConstraint(condition=Q(rows_read__lte=F("rows_total")), name="import_file_reads_within_total"),
            models.CheckConstraint(condition=~Q(state="failed") | ~Q(words=""), name="import_file_failed_has_words"),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(state__in=["checking", "applying"]), name="import_file_at_work"),
        ]

    def __str__(self) -> str:
        return self.name


class ImportProblem(models.Model):
    """Something wrong in an uploaded file: where, what, and how to mend it."""

    file = models.ForeignKey(ImportFile, on_delete=models.CASCADE, related_name="problems")
    line = models.PositiveIntegerField(help_text="In the file; its header is line 1.")
    column = models.CharField(max_length=200, blank=True, help_text="The file's own name of it; blank for the row.")
    value = models.CharField(max_length=100, blank=True)
    message = models.CharField(max_length=500)

    class Meta:
        ordering = ("file", "line", "pk")
        indexes = [models.Index(fields=["file", "line"], name="import_problem_line")]

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class ImportMapping(models.Model):
    """How the columns of a program's file were chosen last time, so that the next file of its shape needs no choice."""

    kind = models.CharField(max_length=15, choices=ImportFile.Kind.choices)
    source = models.CharField(max_length=40)
    shape = models.CharField(max_length=64, help_text="Of the names of its columns.")
    headers = models.JSONField(default=list, blank=True)
    mapping = models.JSONField(default=dict)
    saved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    saved_at = models.DateTimeField(default=clock.now)

    class Meta:
        verbose_name = "remembered choice of columns"
        verbose_name_plural = "remembered choices of columns"
        ordering = ("kind", "source", "-saved_at")
        constraints = [
            models.UniqueConstraint(fields=["kind", "source", "shape"], name="import_mapping_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.source}"
