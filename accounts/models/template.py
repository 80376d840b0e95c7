"""The texts of letters that staff have edited: every published version stays, and the newest one is live."""

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual
from simple_history.models import HistoricalRecords

from billing_project.kernel import clock

from .notice import Channel

BODY_LENGTH = 20_000
SUBJECT_LENGTH = 500


class NoticeTemplate(models.Model):
    """One letter by one channel in one language, once somebody has edited it; before that the shipped text is used."""

    channel = models.CharField(max_length=8, choices=Channel.choices)
    key = models.CharField(
        "letter",
        max_length=60,
        validators=[RegexValidator(r"^[a-z0-9][a-z0-9_-]*$", "Small letters, digits, _ and - only, such as past_due.")],
    )
    language = models.CharField(max_length=5, choices=[("en", "English"), ("es", "Spanish")])
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        verbose_name = "template"
        ordering = ("key", "channel", "language")
        permissions = [("publish_noticetemplate", "Can publish the texts of letters")]
        constraints = [
            models.UniqueConstraint(fields=["key", "channel", "language"], name="template_once"),
            models.CheckConstraint(condition=Q(channel__in=Channel.values), name="template_channel_known"),
            models.CheckConstraint(condition=Q(key__regex=r"^[a-z0-9][a-z0-9_-]*$"), name="template_key_plain"),
            models.CheckConstraint(condition=Q(language__in=["en", "es"]), name="template_language_known"),
        ]

    def __str__(self) -> str:
        return f"{self.key}, {self.get_channel_display()}, {self.get_language_display()}"


class NoticeTemplateVersion(models.Model):
    """One version of a text. A draft is edited, a published one never changes again; the highest published is live."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        PUBLISHED = "published", "published"

    template = models.ForeignKey(NoticeTemplate, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=9, choices=State.choices, default=State.DRAFT)
    subject = models.CharField(max_length=SUBJECT_LENGTH, blank=True)
    body = models.TextField()
    is_shipped = models.BooleanField(
        default=False, help_text="This version went back to the text that ships with the program, and follows it."
    )
    note = models.CharField(max_length=200, blank=True, help_text="Why the text was changed.")
    made_at = models.DateTimeField(default=clock.now, editable=False)
    changed_at = models.DateTimeField(default=clock.now, editable=False)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.PROTECT, related_name="+"
    )
    published_at = models.DateTimeField(null=True, editable=False)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.PROTECT, related_name="+"
    )
    history = HistoricalRecords()

    class Meta:
        verbose_name = "template version"
        ordering = ("template", "-number")
        constraints = [
            models.UniqueConstraint(fields=["template", "number"], name="template_version_once"),
            models.UniqueConstraint(fields=["template"], condition=Q(state="draft"), name="template_version_one_draft"),
            models.CheckConstraint(condition=Q(number__gte=1), name="template_version_counts_from_one"),
            models.CheckConstraint(condition=~Q(body=""), name="template_version_has_body"),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("body"), BODY_LENGTH), name="template_version_bounded"
            ),
            models.CheckConstraint(
                condition=Q(state="draft", published_at__isnull=True, is_shipped=False)
                | Q(Q(state="published", published_at__isnull=False) & ~Q(note="")),
                name="template_version_published_has_time_and_note",
            ),
        ]

    def __str__(self) -> str:
        return f"version {self.number} of {self.template}"


class TemplateTest(models.Model):
    """A letter that a member of staff sent to themselves to see how it looks. Append-only but for its outcome."""

    template_key = models.CharField(max_length=60)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    language = models.CharField(max_length=5)
    to_address = models.CharField(max_length=254)
    sent_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="template_tests")
    sent_at = models.DateTimeField(default=clock.now)
    outcome = models.CharField(max_length=12, blank=True)
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = "test letter"
        ordering = ("-sent_at", "-pk")
        indexes = [models.Index(fields=["sent_by", "-sent_at"], name="template_test_of_user")]

    def __str__(self) -> str:
        return f"test of {self.template_key} to {self.to_address}"
