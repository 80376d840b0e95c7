"""Accounts moved from one policy version to another: each move, and the batches in which people make them (A36)."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from billing_project.kernel import clock

from .policy import PolicyVersion


class MoveBatch(models.Model):
    """Accounts that are to be moved together: first compared, then, if somebody says so, moved chunk by chunk."""

    class State(models.TextChoices):
        COMPARING = "comparing", "being compared"
        READY = "ready", "compared, nobody moved yet"
        MOVING = "moving", "being moved"
        DONE = "done", "done"
        CANCELLED = "cancelled", "cancelled"

    state = models.CharField(max_length=10, choices=State.choices, default=State.COMPARING)
    to_version = models.ForeignKey(
        PolicyVersion,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="move_batches",
        help_text="Blank when a batch is undone: each account goes back to the version it came from.",
    )
    undo_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="undone_by")
    reason = models.CharField(max_length=200, blank=True)
    made_at = models.DateTimeField(default=clock.now)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="move_batches"
    )
    compared_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    account_ids = models.JSONField(default=list, help_text="Which accounts, in the order in which they are taken.")
    total = models.PositiveIntegerField(default=0)
    place = models.PositiveIntegerField(default=0, help_text="How many of them are compared, or then moved, by now.")
    moved = models.PositiveIntegerField(default=0)
    left_out = models.JSONField(default=dict, help_text="Why accounts were not moved: how many, and which first.")
    difference = models.JSONField(default=dict, help_text="What the move changes, as it was compared.")

    class Meta:
        permissions = [("move_accounts", "Can move accounts to another version of a policy")]
        verbose_name = "move of accounts"
        verbose_name_plural = "moves of accounts"
        ordering = ("-made_at", "-pk")
        indexes = [
            models.Index(fields=["id"], condition=Q(state__in=["comparing", "moving"]), name="move_batch_at_work"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(to_version__isnull=True, undo_of__isnull=False)
                | Q(to_version__isnull=False, undo_of__isnull=True),
                name="move_batch_goes_somewhere",
            ),
            models.CheckConstraint(
                condition=Q(place__lte=F("total"), moved__lte=F("total")), name="move_batch_within_total"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["moving", "done"]) | ~Q(reason=""), name="move_batch_has_reason"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["done", "cancelled"], finished_at__isnull=False)
                | Q(~Q(state__in=["done", "cancelled"]), finished_at__isnull=True),
                name="move_batch_finished_has_time",
            ),
        ]

    def __str__(self) -> str:
        goal = f"to {self.to_version}" if self.to_version_id else f"undoing {self.undo_of}"
        return f"move {self.pk} {goal}"


class PolicyMove(models.Model):
    """One account moved from one policy version to another: by whom and why. Append-only (by trigger)."""

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="policy_moves")
    from_version = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="moves_away")
    to_version = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="moves_here")
    moved_at = models.DateTimeField(default=clock.now)
    moved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="policy_moves"
    )
    reason = models.CharField(max_length=200)
    batch = models.ForeignKey(MoveBatch, null=True, blank=True, on_delete=models.PROTECT, related_name="moves")

    class Meta:
        verbose_name = "move to another policy version"
        verbose_name_plural = "moves to another policy version"
        ordering = ("-moved_at", "-pk")
        constraints = [
            models.CheckConstraint(condition=~Q(from_version=F("to_version")), name="policy_move_changes_version"),
            models.CheckConstraint(condition=~Q(reason=""), name="policy_move_has_reason"),
            models.UniqueConstraint(fields=["batch", "account"], name="policy_move_once_per_batch"),
        ]
        indexes = [
            models.Index(fields=["moved_at", "id"], name="policy_move_by_day"),
        ]

    def __str__(self) -> str:
        return f"{self.from_version} → {self.to_version}"
