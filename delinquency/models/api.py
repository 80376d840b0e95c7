"""Integrators' access: tokens by role, how often they come, and the answers that are given twice alike."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from billing_project.kernel import clock


class ApiToken(models.Model):
    """A program's key to the API. It acts as a user of its own, who holds one role and can never sign in."""

    name = models.CharField(
        max_length=60, unique=True, help_text="Which program it is for, such as Website or Provisioning."
    )
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="api_token")
    role = models.ForeignKey(
        "auth.Group", on_delete=models.PROTECT, related_name="api_tokens",
        help_text="It may do what this role may, within its limits; Auditors only reads.",
    )  # fmt: skip
    prefix = models.CharField(max_length=8, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    per_minute_max = models.PositiveIntegerField(
        default=300, validators=[MinValueValidator(1), MaxValueValidator(6000)],
        help_text="Calls in a minute, such as 300; the next one is answered 429.",
    )  # fmt: skip
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Blank: until it is revoked.")
    made_at = models.DateTimeField(default=clock.now, editable=False)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="api_tokens_made", editable=False
    )
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    revoked_why = models.CharField(max_length=200, blank=True, editable=False)

    class Meta:
        verbose_name = "API token"
        ordering = ("name",)
        permissions = [("make_apitoken", "Can make API tokens and revoke them")]
        constraints = [
            models.CheckConstraint(
                condition=Q(per_minute_max__gte=1, per_minute_max__lte=6000), name="api_token_rate_in_range"
            ),
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=True, revoked_why="")
                | Q(Q(revoked_at__isnull=False), ~Q(revoked_why="")),
                name="api_token_revoked_with_reason",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ApiUse(models.Model):
    """How many calls a token made in one minute."""

    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="uses")
    minute_at = models.DateTimeField()
    calls = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = "API use"
        ordering = ("-minute_at",)
        constraints = [models.UniqueConstraint(fields=["token", "minute_at"], name="api_use_once_a_minute")]

    def __str__(self) -> str:
        return f"{self.token} {self.minute_at:%Y-%m-%d %H:%M}: {self.calls}"


class ApiRequest(models.Model):
    """An act under a key of the caller's: the same key gets the same answer, and nothing happens twice."""

    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="requests")
    key = models.CharField(max_length=64)
    what = models.CharField(max_length=200, help_text="Method and path.")
    body_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    answer = models.JSONField(default=dict)
    asked_at = models.DateTimeField(default=clock.now)

    class Meta:
        verbose_name = "API request"
        ordering = ("-asked_at",)
        constraints = [models.UniqueConstraint(fields=["token", "key"], name="api_request_once")]
        indexes = [models.Index(fields=["asked_at"], name="api_request_asked")]

    def __str__(self) -> str:
        return f"{self.what} {self.key}"
