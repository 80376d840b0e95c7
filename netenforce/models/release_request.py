"""Releases without payment that wait for a second person (SEC-21)."""

from django.db import models
from django.db.models import Q

from accounts.models.second_person import SecondPersonRequest, came_of_approval

from .window import PaymentWindow


class ReleaseRequest(SecondPersonRequest):
    """Some hours of full access that somebody asks for above their limit and another person decides."""

    hours = models.PositiveSmallIntegerField(help_text="For how many hours.")
    window = models.OneToOneField(
        PaymentWindow, null=True, blank=True, on_delete=models.PROTECT, related_name="request",
        help_text="The release that came of it.",
    )  # fmt: skip

    class Meta(SecondPersonRequest.Meta):
        verbose_name = "request for a release"
        verbose_name_plural = "requests for releases"
        permissions = [("approve_release", "Can decide releases that others ask for above their limit")]
        constraints = [
            *SecondPersonRequest.Meta.constraints,
            models.CheckConstraint(condition=Q(hours__gte=1, hours__lte=168), name="releaserequest_within_a_week"),
            models.CheckConstraint(condition=came_of_approval("window"), name="releaserequest_approved_is_open"),
        ]

    def __str__(self) -> str:
        return f"release for {self.hours} hours"
