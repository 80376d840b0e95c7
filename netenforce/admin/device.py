"""Devices, address lists, and which line is on which device."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
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
    number_of,
)
from accounts.admin.fresh import FreshChanges
from billing_project.kernel.errors import Refused
from netenforce.models import Device, LinePlacement, LineState, SimulatedEntry
from netenforce.queries import why_host_taken, why_not_switched_off
from netenforce.rules.options import check_options, check_secret

from .device_lines import DIFFERS_STATE, drift_of, lines_of
from .device_views import DeviceViews
from .device_words import breaker_of, capabilities_of, drivers_help, duration
from .levels import level_badge

__all__ = ["level_badge"]


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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Let the limit of a comparison be left blank."""
        super().__init__(*args, **kwargs)
        if "repairs_max" in self.fields:
            self.fields["repairs_max"].required = False

    def clean_repairs_max(self) -> int:
        """Return the limit; blank is the usual one."""
        given = self.cleaned_data.get("repairs_max")
        return int(given if given is not None else Device._meta.get_field("repairs_max").default)

    def clean_options(self) -> Any:
        """Refuse options that this kind of device does not have, with the way to mend them."""
        options = self.cleaned_data.get("options") or {}
        try:
            check_options(self.cleaned_data.get("driver", ""), options)
        except Refused as refusal:
            raise forms.ValidationError(refusal.words, refusal.code) from refusal
        return options

    def clean_new_secret(self) -> str:
        """Refuse a secret that this kind of device cannot use, without repeating it."""
        secret: str = self.cleaned_data.get("new_secret") or ""
        if secret:
            try:
                check_secret(str(self.data.get(self.add_prefix("driver"), self.instance.driver)), secret)
            except Refused as refusal:
                raise forms.ValidationError(refusal.words, refusal.code) from None
        return secret

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
class DeviceAdmin(FreshChanges, DeviceViews, HistoryAdmin):
    """Routers and RADIUS servers that can slow or block a line."""

    form = DeviceForm
    list_display = ("name", "driver", "host", "health", "contact", "breaker", "lines_total", "lines_differ")
    list_filter = ("driver", "enabled", ("failing_since_at", admin.EmptyFieldListFilter))
    search_fields = ("name", "host")
    empty_words = "Add a device; a simulated one needs nothing but a name. Then test it, and place lines on it."
    fieldsets = (
        (None, {"fields": ("name", "driver", "enabled", "repairs_max")}),
        (
            "How to reach it",
            {"fields": ("host", "port", "username", "new_secret", "options"), "description": drivers_help()},
        ),
    )
    change_form_outer_before_template = "admin/device.html"
    change_form_outer_after_template = "admin/device_lines.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Device]:
        """Count the lines, and those whose device has not confirmed what they should be."""
        states = LineState.objects.filter(DIFFERS_STATE, device=OuterRef("pk"))
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
        """Add how the device is doing, and its lines: what they should be beside what the device says."""
        device = self.get_object(request, object_id) if number_of(object_id) else None
        found: dict[str, Any] = {}
        if device is not None:
            found = {
                "device": device, "health": self.health(device), "contact": self.contact(device),
                "breaker": breaker_of(device), "abilities": capabilities_of(device),
                "uptime": duration(device.uptime_seconds), "probed": local_time(device.probed_at),
                "may_operate": self.has_operate_permission(request, device),
                "device_lines": lines_of(device, request.GET.dict()), "drift": drift_of(device),
            }  # fmt: skip
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

    @admin.display(description="breaker", ordering="retry_at")
    def breaker(self, device: Device) -> SafeString | str:
        """Tell whether it is left in peace after failures."""
        found = breaker_of(device)
        return (
            format_html('{} <span class="desk-why">{}</span>', badge("resting", BAD), found.words)
            if found.is_open
            else ""
        )

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
