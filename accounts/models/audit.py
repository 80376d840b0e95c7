"""The audit record: what was changed, by whom, and the seals that show whether it is whole (SEC-12).

Entries are written by triggers of PostgreSQL (kernel/audited.py), never by Python; entries, links and seals are
append-only, which PostgreSQL sees to as well.
"""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models

from .account import Account


class AuditEntry(models.Model):
    """One row of a table that was added, changed or deleted."""

    class Act(models.TextChoices):
        ADDED = "added", "added"
        CHANGED = "changed", "changed"
        DELETED = "deleted", "deleted"

    at = models.DateTimeField()
    # Plain numbers: the record outlives the rows that it speaks of.
    by_id = models.BigIntegerField(null=True)
    by = models.CharField(max_length=320, help_text="Who: a user's name, a task, a command, or a role of the database.")
    at_place = models.CharField(max_length=320, blank=True, help_text="From where: the page, the task or the command.")
    mark = models.CharField(
        max_length=64, blank=True, help_text="The same for all changes of one request, task or command."
    )
    table = models.CharField(max_length=63)
    row_key = models.CharField(max_length=255)
    account = models.ForeignKey(Account, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True)
    act = models.CharField(max_length=8, choices=Act.choices)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    why = models.TextField(blank=True)

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        ordering = ("-id",)
        default_permissions = ("view",)
        permissions = [
            ("verify_audit", "Can check whether the audit record is whole"),
            ("make_evidence_pack", "Can make the evidence pack of an account"),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(act__in=("added", "changed", "deleted")), name="audit_act_known")
        ]
        indexes = [
            models.Index(fields=["account", "-id"], name="audit_account", condition=models.Q(account__isnull=False)),
            models.Index(fields=["by_id", "-id"], name="audit_by", condition=models.Q(by_id__isnull=False)),
            models.Index(fields=["table", "row_key"], name="audit_row"),
            models.Index(fields=["mark"], name="audit_mark"),
            BrinIndex(fields=["at"], name="audit_at", autosummarize=True),
        ]

    def __str__(self) -> str:
        return f"{self.table} {self.row_key} {self.act}"


class AuditLink(models.Model):
    """One link of the chain: the entry's hash over the link before it and the entry itself."""

    number = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(AuditEntry, on_delete=models.DO_NOTHING, db_constraint=False, related_name="link")
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ("number",)
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.number} {self.hash}"


class AuditSeal(models.Model):
    """One pass of sealing: which links it made, on which day (UTC), and the hash at its end, the head.

    ``floor_id``: of all entries up to this key nothing can come any more. ``ceiling_id`` will be the next floor as soon
    as every transaction before ``next_xid`` has ended.
    """

    sealed_at = models.DateTimeField()
    day = models.DateField()
    first_number = models.BigIntegerField(unique=True)
    last_number = models.BigIntegerField(unique=True)
    head = models.CharField(max_length=64)
    floor_id = models.BigIntegerField()
    ceiling_id = models.BigIntegerField()
    next_xid = models.BigIntegerField()

    class Meta:
        ordering = ("pk",)
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=models.Q(last_number__gte=models.F("first_number")), name="audit_seal_has_links"
            )
        ]
        indexes = [models.Index(fields=["day"], name="audit_seal_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.last_number} {self.head}"


class AuditCheck(models.Model):
    """One check of the whole record, asked for by a person: how far it is, and what it found."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        WHOLE = "whole", "the record is whole"
        BROKEN = "broken", "the record is broken"

    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    asked_at = models.DateTimeField()
    asked_by = models.CharField(max_length=320, blank=True)
    lease_until_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    head = models.CharField(max_length=64, blank=True)
    head_number = models.BigIntegerField(default=0)
    findings_total = models.BigIntegerField(default=0)
    findings = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ("-pk",)
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=models.Q(finished_at__isnull=False) | models.Q(state__in=("waiting", "running")),
                name="audit_check_finished",
            ),
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state="waiting"), name="audit_check_one_waits"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.asked_at:%Y-%m-%d %H:%M} {self.get_state_display()}"
