"""What was found each time a device was read, and how far a role may free lines."""

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.admin.base import ReadOnlyAdmin, local_time
from accounts.admin.fresh import LimitAdmin
from accounts.admin.moments import local_column
from netenforce.models import DeviceReading, RadiusAnswer, ReleaseLimit


@admin.register(DeviceReading)
class DeviceReadingAdmin(ReadOnlyAdmin):
    """Each comparison of a device with what it should hold."""

    list_display = ("device", "read", "trigger", "held", "missing", "extra", "stale", "foreign", "repaired", "failure")
    list_select_related = ("device",)
    list_filter = ("device", "trigger", ("failure", admin.EmptyFieldListFilter))
    date_hierarchy = "at"
    fields = (
        "device", "read", "trigger", "by", "seconds", "held", "missing", "extra", "stale", "foreign", "repaired",
        "left", "failure", "found",
    )  # fmt: skip
    readonly_fields = ("read", "found")
    empty_words = "Every five minutes each device is read and compared with what it should hold."

    @admin.display(description="read at (UTC)", ordering="at")
    def read(self, reading: DeviceReading) -> SafeString | str:
        """Return when it was read."""
        return local_time(reading.at)

    @admin.display(description="the first addresses")
    def found(self, reading: DeviceReading) -> SafeString | str:
        """Return the first addresses of each class: what each should be, and what was seen."""
        rows = [
            (name, row.get("address", ""), row.get("wanted", ""), row.get("seen", ""))
            for name, some in reading.details.items()
            for row in some
        ]
        if not rows:
            return "none: everything was as it should be"
        lines = format_html_join("", "<li>{}: {} should be {}, seen {}</li>", rows)
        return format_html('<ul class="desk-list desk-scroll" tabindex="0">{}</ul>', lines)


@admin.register(RadiusAnswer)
class RadiusAnswerAdmin(ReadOnlyAdmin):
    """What RADIUS clients confirmed for running sessions."""

    list_display = ("username", "device", "session_id", "list_name", "answered")
    list_select_related = ("device",)
    list_filter = ("device",)
    search_fields = ("username", "session_id")
    empty_words = "A row is written when a RADIUS client confirms a change of a running session."
    answered = local_column("at", "answered")


@admin.register(ReleaseLimit)
class ReleaseLimitAdmin(LimitAdmin):
    """How long and how often a role may free a restricted line without payment; only superusers change it."""

    list_display = ("group", "hours_max", "releases_a_month")
    may_delete = True
    empty_words = "Without a row here, nobody but a superuser may free a line without payment."
