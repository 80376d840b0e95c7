"""Who has which page open: so light that it is forgotten within minutes (U20)."""

from django.conf import settings
from django.db import models


class Presence(models.Model):
    """A page that a member of staff has opened just now; written at most once a minute, and soon overwritten."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    page = models.CharField(max_length=40, help_text="Such as account:12.")
    seen_at = models.DateTimeField(help_text="When it was opened last, to the minute.")

    class Meta:
        verbose_name = "open page"
        verbose_name_plural = "open pages"
        ordering = ("-seen_at", "-pk")
        constraints = [
            models.UniqueConstraint(fields=["user", "page"], name="presence_once_per_page"),
            models.CheckConstraint(condition=~models.Q(page=""), name="presence_has_page"),
        ]
        indexes = [models.Index(fields=["page", "seen_at"], name="presence_of_page")]

    def __str__(self) -> str:
        return f"{self.user} at {self.page}"
