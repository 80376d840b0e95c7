"""Files from the bank: transfers that came in, and payments that came back."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing_project.kernel import clock


class BankFile(models.Model):
    """A file of a bank, looked at before anything of it is recorded, and recorded once."""

    class Kind(models.TextChoices):
        TRANSFERS = "transfers", "transfers that came in"
        RETURNS = "returns", "payments that came back"

    class State(models.TextChoices):
        DRAFT = "draft", "nothing recorded yet"
        APPLYING = "applying", "being recorded"
        APPLIED = "applied", "recorded"
        DROPPED = "dropped", "put aside"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64, help_text="Of its content: one file is recorded once.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.DRAFT)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="bank_files"
    )
    uploaded_at = models.DateTimeField(default=clock.now)
    applied_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="bank_files_applied"
    )
    applied_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-uploaded_at", "-pk")
        constraints = [
            models.UniqueConstraint(fields=["kind", "sha256"], condition=~Q(state="dropped"), name="bank_file_once"),
            models.CheckConstraint(
                condition=Q(state__in=["draft", "dropped"], applied_at__isnull=True)
                | Q(state__in=["applying", "applied"], applied_at__isnull=False),
                name="bank_file_applied_has_time",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class BankFileRow(models.Model):
    """One row of a bank's file: what it says, what was found about it, and what came of it."""

    class Finding(models.TextChoices):
        FINE = "fine", "can be recorded"
        CHECK = "check", "please correct"
        KNOWN = "known", "recorded already"

    class Outcome(models.TextChoices):
        WAITING = "waiting", "not yet"
        DONE = "done", "recorded"
        FAILED = "failed", "failed"
        LEFT_OUT = "left_out", "left out"

    file = models.ForeignKey(BankFile, on_delete=models.CASCADE, related_name="rows")
    line = models.PositiveIntegerField(help_text="In the file; its header is line 1.")
    cells = models.JSONField(help_text="The row by column, as corrected.")
    left_out = models.BooleanField(default=False)
    finding = models.CharField(max_length=5, choices=Finding.choices, default=Finding.CHECK)
    wrong = models.JSONField(default=dict, blank=True, help_text="What is wrong, by column.")
    candidates = models.JSONField(default=list, blank=True, help_text="What it may mean: value and words.")
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.WAITING)
    words = models.CharField(max_length=300, blank=True)
    payment = models.ForeignKey(
        "invoicing.Payment", null=True, blank=True, on_delete=models.PROTECT, related_name="bank_file_rows"
    )

    class Meta:
        ordering = ("file", "line")
        constraints = [
            models.UniqueConstraint(fields=["file", "line"], name="bank_file_row_once"),
            models.CheckConstraint(
                condition=~Q(outcome="done") | Q(payment__isnull=False), name="bank_file_row_done_has_payment"
            ),
        ]
        indexes = [
            models.Index(fields=["file", "line"], condition=Q(outcome="waiting"), name="bank_file_row_waiting"),
        ]

    def __str__(self) -> str:
        return f"line {self.line}"
