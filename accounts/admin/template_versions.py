"""What was published when and why, and which tests were sent: to be read only."""

from typing import Any

from django.contrib import admin

from accounts.models import NoticeTemplateVersion, TemplateTest

from .base import HistoryAdmin, ReadOnlyAdmin, local_time


@admin.register(NoticeTemplateVersion)
class NoticeTemplateVersionAdmin(HistoryAdmin):
    """Every version of every text: who published what, when and why; drafts with their history."""

    may_add = False
    may_change = False

    list_display = ("template", "number", "state", "note", "published", "published_by")
    list_select_related = ("template", "published_by")
    list_filter = ("state", "template__channel", "template__language")
    search_fields = ("template__key", "note", "body", "subject")
    fields = ("template", "number", "state", "subject", "body", "note", "is_shipped", "published", "published_by")
    readonly_fields = ("published", "published_by")
    empty_words = "No text was changed yet: letters go out as they ship. Choose one under Templates to change it."
    empty_link = ("Templates", "admin:accounts_noticetemplate_changelist")

    @admin.display(description="published (UTC)", ordering="published_at")
    def published(self, version: NoticeTemplateVersion) -> Any:
        """Return when it became live."""
        return local_time(version.published_at)


@admin.register(TemplateTest)
class TemplateTestAdmin(ReadOnlyAdmin):
    """Test letters: who sent which to what address, and what came of it."""

    list_display = ("template_key", "channel", "language", "to_address", "sent", "sent_by", "outcome", "detail")
    list_select_related = ("sent_by",)
    list_filter = ("channel", "outcome")
    search_fields = ("template_key", "to_address")
    fields = ("template_key", "channel", "language", "to_address", "sent", "sent_by", "outcome", "detail")
    readonly_fields = ("sent",)
    empty_words = "Nobody has sent a test yet. The preview of a text offers to send it to you."
    empty_link = ("Templates", "admin:accounts_noticetemplate_changelist")

    @admin.display(description="sent (UTC)", ordering="sent_at")
    def sent(self, test: TemplateTest) -> Any:
        """Return when it was handed to the channel."""
        return local_time(test.sent_at)
