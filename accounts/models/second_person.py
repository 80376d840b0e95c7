"""What one person asks for above their own limit and another decides (SEC-21): what all such requests share."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from billing_project.kernel import clock

from .user import User

# No request is decided by whoever asked, and each says who decided it and when; only what is taken back names nobody.
BY_ANOTHER = Q(decided_by__isnull=True) | ~Q(decided_by=F("asked_by"))
BY_SOMEBODY = (
    Q(state="waiting", decided_at__isnull=True, decided_by__isnull=True)
    | Q(state__in=["approved", "refused"], decided_at__isnull=False, decided_by__isnull=False)
    | Q(state="withdrawn", decided_at__isnull=False, decided_by__isnull=True)
)  # fmt: skip


def came_of_approval(field: str) -> Q:
    """Return the condition that just an approved request names what came of it in a field."""
    return Q(state="approved", **{f"{field}__isnull": False}) | (~Q(state="approved") & Q(**{f"{field}__isnull": True}))


class TwoPeople(models.Model):
    """Something that waits until a second person decides it, or whoever asked takes it back.

    Beside these fields each has an ``account``, who asked (``asked_by``) and who decided (``decided_by``).
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waits for a second person"
        APPROVED = "approved", "approved"
        REFUSED = "refused", "refused"
        WITHDRAWN = "withdrawn", "withdrawn"

    account_id: int
    asked_by: "models.ForeignKey[User, User]"
    asked_by_id: int
    decided_by: "models.ForeignKey[User | None, User | None]"
    decided_by_id: int | None

    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    asked_at = models.DateTimeField(default=clock.now)
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=200, blank=True, help_text="What the second person says to it.")

    class Meta:
        abstract = True
        ordering = ("-asked_at", "-pk")


class SecondPersonRequest(TwoPeople):
    """A request about an account as a whole; one of a kind waits at a time."""

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="%(class)ss")
    reason = models.CharField(max_length=300)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="%(class)ss_asked"
    )  # fmt: skip
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="%(class)ss_decided"
    )

    class Meta(TwoPeople.Meta):
        abstract = True
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="%(class)s_has_reason"),
            models.CheckConstraint(condition=BY_ANOTHER, name="%(class)s_by_a_second"),
            models.CheckConstraint(condition=BY_SOMEBODY, name="%(class)s_decided_by_somebody"),
            models.UniqueConstraint(fields=["account"], condition=Q(state="waiting"), name="%(class)s_asked_once"),
        ]  # fmt: skip
