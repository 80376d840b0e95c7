"""Devices: how they are reached, whether they answer, and the lines on them."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminPasswordWidget

from accounts.admin.base import (
    BAD,
    GOOD,
    QUIET,
    WARN,
    HistoryAdmin,
    ReadOnlyAdmin,
    badge,
    local_time,
)
from billing_project.kernel.errors import Refused
from netenforce.models import Device, LinePlacement, LineState, SimulatedEntry
from netenforce.models.hold import Level
from netenforce.queries import why_host_taken, why_not_switched_off
from netenforce.rules.options import check_options

LEVEL_TONES = {Level.OPEN: GOOD, Level.THROTTLE: WARN, Level.WALLED_GARDEN: BAD, Level.SUSPEND: BAD}
SHOWN_LINES_MAX = 500


def level_badge(level: str) -> SafeString:
    """Return how hard a line is restricted, in words and colour."""
    known = level in Level.values
    return badge(
        Level(level).label if known else level or "not there",
        LEVEL_TONES.get(Level(level), QUIET) if known else QUIET,
    )


class DeviceForm(forms.ModelForm[Device]):
    """A device; its secret goes in and never comes out."""

    new_secret = forms.CharField(
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        label="Secret",
        help_text="Write-only: kept encrypted, never shown again. Blank: the stored one stays.",
    )

    class Meta:
        model = Device
        exclude: ClassVar[list[str]] = ["secret"]

    def clean_options(self) -> Any:
        """Refuse options that this kind of device does not have, with the way to mend them."""
        options = self.cleaned_data.get("options") or {}
        try:
            check_options(self.cleaned_data.get("driver", ""), options)
        except Refused as refusal:
            raise forms.ValidationError(refusal.words, refusal.code) from refusal
        return options

    def clean_host(self) -> str:
        """Refuse an address that a customer's line has."""
        host: str = self.cleaned_data.get("host") or ""
        words = why_host_taken(host)
        if words:
            raise forms.ValidationError(words, "host_is_a_line")
        return host

    def clean_enabled(self) -> bool:
        """Refuse to switch a device off while lines on it are restricted: nobody could free them there."""
        enabled: bool = self.cleaned_data["enabled"]
        words = "" if enabled or self.instance.pk is None else why_not_switched_off(self.instance)
        if words:
            raise forms.ValidationError(words, "lines_restricted")
        return enabled

    def save(self, commit: bool = True) -> Device:
        """Keep the stored secret unless a new one was entered."""
        if self.cleaned_data.get("new_secret"):
            self.instance.secret = self.cleaned_data["new_secret"]
        return super().save(commit)


@admin.register(Device)
class DeviceAdmin(HistoryAdmin):
    """Routers and RADIUS servers that can slow or block a line."""

    form = DeviceForm
    list_display = ("name", "driver", "host", "health", "contact", "lines_total", "lines_differ")
    list_filter = ("driver", "enabled", ("failing_since_at", admin.EmptyFieldListFilter))
    search_fields = ("name", "host")
    empty_words = "Add a device; a simulated one needs nothing but a name. Then place lines on it."
    fieldsets = (
        (None, {"fields": ("name", "driver", "enabled", "health", "contact")}),
        ("How to reach it", {"fields": ("host", "port", "username", "new_secret", "options")}),
    )
    readonly_fields = ("health", "contact")
    change_form_outer_after_template = "admin/device_lines.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Device]:
        """Count the lines, and those whose device has not confirmed what they should be."""
        states = LineState.objects.filter(device=OuterRef("pk")).exclude(desired_level=F("observed_level"))
        rows: QuerySet[Device] = super().get_queryset(request)
        return rows.annotate(
            lines_total=_count(LinePlacement.objects.filter(device=OuterRef("pk"))),
            lines_differ=_count(states),
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Add the lines of the device: what they should be beside what the device says."""
        found = {"device_lines": device_lines(object_id)} if object_id.isdigit() else {}
        return super().change_view(request, object_id, form_url, {**found, **(extra_context or {})})

    @admin.display(description="health", ordering="failing_since_at")
    def health(self, device: Device) -> SafeString:
        """Tell whether it answers, and since when not."""
        if not device.enabled:
            return badge("switched off", QUIET)
        if device.failing_since_at:
            since = local_time(device.failing_since_at)
            return format_html("{} since {} UTC: {}", badge("failing", BAD), since, device.failure)
        return badge("answers", GOOD) if device.last_contact_at else badge("not asked yet", QUIET)

    @admin.display(description="last contact (UTC)", ordering="last_contact_at")
    def contact(self, device: Device) -> SafeString | str:
        """Return when it last answered."""
        return local_time(device.last_contact_at)

    @admin.display(description="lines", ordering="lines_total")
    def lines_total(self, device: Any) -> int:
        """Return how many lines are on it."""
        return int(device.lines_total)

    @admin.display(description="not as they should be", ordering="lines_differ")
    def lines_differ(self, device: Any) -> SafeString | str:
        """Return how many lines the device has not confirmed yet."""
        return badge(device.lines_differ, WARN) if device.lines_differ else "0"


def _count(rows: QuerySet[Any]) -> Coalesce:
    """Count rows by a subquery, so that one count does not multiply another."""
    counted = rows.order_by().values("device").annotate(total=Count("pk")).values("total")
    return Coalesce(Subquery(counted), 0)


def device_lines(device_id: str) -> dict[str, Any]:
    """Return what each line of a device should be, what it was last seen as, and the simulated device's own memory."""
    placed = (
        LinePlacement.objects.filter(device_id=device_id)
        .select_related("line__account")
        .order_by("line__ipv4", "line_id")[:SHOWN_LINES_MAX]
    )
    memory = {
        entry.address: entry for entry in SimulatedEntry.objects.filter(device_id=device_id)[: SHOWN_LINES_MAX * 2]
    }
    states = {state.line_id: state for state in LineState.objects.filter(device_id=device_id)}
    rows = []
    for placement in placed:
        line = placement.line
        state = states.get(line.pk)
        entries = [memory.pop(address) for address in (line.ipv4, line.ipv6, line.radius_username) if address in memory]
        rows.append(
            {
                "line": line, "account": line.account,
                "desired": level_badge(state.desired_level if state else Level.OPEN),
                "observed": level_badge(state.observed_level if state else Level.OPEN),
                "seen": local_time(state.observed_at, line.account.timezone) if state else "",
                "entries": entries,
                "differs": bool(state and state.desired_level != state.observed_level),
            }
        )  # fmt: skip
    return {"rows": rows, "strangers": list(memory.values()), "most": SHOWN_LINES_MAX}


@admin.register(SimulatedEntry)
class SimulatedEntryAdmin(ReadOnlyAdmin):
    """The simulated devices' own memory."""

    list_display = ("address", "device", "level_shown", "list_name", "since")
    list_select_related = ("device",)
    list_filter = ("device", "level")
    search_fields = ("address",)
    empty_words = "No simulated device holds anybody back at the moment."

    @admin.display(description="level", ordering="level")
    def level_shown(self, entry: SimulatedEntry) -> SafeString:
        """Return the level in words and colour."""
        return level_badge(entry.level)

    @admin.display(description="since (UTC)", ordering="since_at")
    def since(self, entry: SimulatedEntry) -> SafeString | str:
        """Return since when it is there."""
        return local_time(entry.since_at)
