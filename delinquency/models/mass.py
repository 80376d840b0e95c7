"""One thing done to many at once: what is to be done, to what, and what became of each (U05, U07)."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from billing_project.kernel import clock


class MassAction(models.Model):
    """Something that is to be done to many: first looked at item by item, then, if somebody says so, carried out."""

    class State(models.TextChoices):
        PICKING = "picking", "being picked"
        COUNTING = "counting", "being looked at"
        READY = "ready", "looked at, nothing done yet"
        RUNNING = "running", "being done"
        PAUSED = "paused", "paused"
        DONE = "done", "done"
        CANCELLED = "cancelled", "cancelled"

    class Kind(models.TextChoices):
        GRACE = "grace", "Grace until"
        HOLD = "hold", "Put on hold"
        WAIVE = "waive", "Waive fees"
        RESEND = "resend", "Send notices again"
        HAND_OVER = "hand_over", "Hand over tickets"
        STATUS = "status", "Change the status"
        REVERSE = "reverse", "Reverse payments"

    class From(models.TextChoices):
        LIST = "list", "the rows of a list"
        UNDONE = "undone", "what another action did"
        AGAIN = "again", "its own items, all of them"
        FAILED = "failed", "its own items that failed"

    kind = models.CharField(max_length=12, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.COUNTING)
    parameters = models.JSONField(default=dict, blank=True, help_text="What was asked for, such as the date.")
    chosen = models.JSONField(
        default=dict, blank=True, help_text="The list's query, or the area, that it was chosen by."
    )
    chosen_words = models.CharField(max_length=300, blank=True, help_text="The same in words.")
    picked_from = models.CharField(max_length=6, choices=From.choices, default=From.LIST)
    pick_query = models.TextField(blank=True, editable=False, help_text="The rows to pick, signed by the program.")
    picked_to = models.BigIntegerField(default=0, help_text="Up to which key its rows are picked.")
    pick_until = models.BigIntegerField(default=0, help_text="The largest key when it was asked for.")
    outcomes = models.JSONField(default=list, blank=True, help_text="What its items come to, once they are many.")
    reason = models.CharField(max_length=200, blank=True)
    undo_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="undone_by")
    asked_at = models.DateTimeField(default=clock.now)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="mass_actions"
    )
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="mass_actions_confirmed"
    )
    looked_at_at = models.DateTimeField(null=True, blank=True, help_text="When all of it had been looked at.")
    started_at = models.DateTimeField(null=True, blank=True)
    resumed_at = models.DateTimeField(null=True, blank=True, help_text="Since when it has been at work.")
    resumed_from = models.PositiveIntegerField(default=0, help_text="How many it had dealt with by then.")
    finished_at = models.DateTimeField(null=True, blank=True)
    paused_why = models.CharField(max_length=200, blank=True)
    total = models.PositiveIntegerField(default=0)
    looked_at = models.PositiveIntegerField(default=0)
    to_do = models.PositiveIntegerField(default=0, help_text="How many of them it can be done to.")
    done = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0, help_text="How many changed after they were looked at.")

    class Meta:
        verbose_name = "action on many"
        verbose_name_plural = "actions on many"
        ordering = ("-asked_at", "-pk")
        permissions = (
            ("mass_grace", "Can give many accounts more time at once"),
            ("hold_accounts", "Can put the accounts of an area on hold"),
        )
        indexes = [
            models.Index(
                fields=["id"], condition=Q(state__in=["picking", "counting", "running"]), name="mass_action_at_work"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(looked_at__lte=F("total"), to_do__lte=F("looked_at")), name="mass_action_within_total"
            ),
            models.CheckConstraint(
                condition=Q(to_do__gte=F("done") + F("failed") + F("changed")), name="mass_action_within_to_do"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["picking", "counting", "ready", "cancelled"])
                | (~Q(reason="") & Q(confirmed_by__isnull=False, started_at__isnull=False)),
                name="mass_action_is_confirmed",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["done", "cancelled"], finished_at__isnull=False)
                | Q(~Q(state__in=["done", "cancelled"]), finished_at__isnull=True),
                name="mass_action_finished_has_time",
            ),
            models.CheckConstraint(
                condition=Q(picked_to__gte=0, picked_to__lte=F("pick_until")), name="mass_action_picked_within"
            ),
            models.UniqueConstraint(
                fields=["undo_of"], condition=Q(state__in=["picking", "counting", "ready", "running", "paused"]),
                name="mass_action_undone_once_at_a_time",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        undo = "undo of " if self.undo_of_id else ""
        return f"action {self.pk}: {undo}{self.get_kind_display()}"

    @property
    def dealt_with(self) -> int:
        """Return how many of those to be done are done, failed or found changed."""
        return self.done + self.failed + self.changed


class MassItem(models.Model):
    """One object of an action on many: whether it can be done, whether it was, and why not."""

    class State(models.TextChoices):
        NEW = "new", "not looked at yet"
        WAITING = "waiting", "to be done"
        DONE = "done", "done"
        EXCLUDED = "excluded", "left out"
        FAILED = "failed", "failed"
        UNDONE = "undone", "undone"

    # The indexes below begin with it; another one would only make a million rows slower to write.
    action = models.ForeignKey(MassAction, on_delete=models.CASCADE, related_name="items", db_index=False)
    object_id = models.BigIntegerField(help_text="Key of the account, charge, notice or ticket.")
    account = models.ForeignKey("accounts.Account", null=True, on_delete=models.PROTECT, related_name="mass_items")
    state = models.CharField(max_length=8, choices=State.choices, default=State.NEW)
    label = models.CharField(max_length=200, blank=True)
    code = models.CharField(max_length=40, blank=True, help_text="Why it is left out, in one word for grouping.")
    reason = models.CharField(max_length=400, blank=True)
    before = models.JSONField(default=dict, blank=True, help_text="What it was when it was looked at.")
    amount = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    notices = models.PositiveIntegerField(default=0, help_text="How many notices it sends.")
    lines = models.PositiveIntegerField(default=0, help_text="How many lines it touches.")
    effect = models.CharField(max_length=60, blank=True, help_text="The row that it wrote; no other item names it.")
    undoes = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="undone_by", db_index=False
    )
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "item of an action on many"
        verbose_name_plural = "items of actions on many"
        ordering = ("pk",)
        indexes = [
            models.Index(fields=["action", "state", "code"], name="mass_item_by_outcome"),
            models.Index(fields=["action", "id"], condition=Q(state="new"), name="mass_item_new"),
            models.Index(fields=["action", "id"], condition=Q(state="waiting"), name="mass_item_waiting"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["action", "object_id"], name="mass_item_once_per_action"),
            models.UniqueConstraint(fields=["effect"], condition=~Q(effect=""), name="mass_item_effect_once"),
            models.UniqueConstraint(
                fields=["undoes"], condition=Q(state="done", undoes__isnull=False), name="mass_item_undone_once"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["excluded", "failed"]) | ~Q(reason=""), name="mass_item_left_out_says_why"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["done", "undone"]) | ~Q(effect=""), name="mass_item_done_has_effect"
            ),
        ]

    def __str__(self) -> str:
        return self.label or f"item {self.object_id}"
