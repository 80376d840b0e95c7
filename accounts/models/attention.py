"""The clerks' exception queue."""

from django.conf import settings
from django.db import models

from billing_project.kernel import clock

from .account import Account


class Attention(models.Model):
    """Something a person must look at: a held cut, no billing contact, a bill date nobody runs (A26, A30, D9)."""

    account = models.ForeignKey(Account, null=True, blank=True, on_delete=models.CASCADE, related_name="attention_rows")
    code = models.CharField(max_length=40, help_text="What kind of thing it is, such as cut-held.")
    key = models.CharField(max_length=120, help_text="What exactly it is about; open once.")
    words = models.TextField(help_text="What happened, and what would mend it.")
    raised_at = models.DateTimeField(default=clock.now)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    resolution = models.CharField(max_length=300, blank=True)

    class Meta:
        permissions = [("resolve_exception", "Can resolve exceptions")]
        verbose_name = "exception"
        verbose_name_plural = "exceptions"
        ordering = ("-raised_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=["code", "key"], condition=models.Q(resolved_at__isnull=True), name="attention_open_once"
            )
        ]
        indexes = [
            models.Index(fields=["raised_at", "id"], name="attention_by_day"),
            models.Index(fields=["-raised_at"], condition=models.Q(resolved_at__isnull=True), name="attention_open"),
        ]

    def __str__(self) -> str:
        return self.words
