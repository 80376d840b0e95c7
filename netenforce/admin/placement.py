"""Which line is on which devices."""

from collections.abc import Iterable
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.admin.base import HistoryAdmin, admin_link, staff_user
from accounts.admin.confirm import confirm_one
from accounts.admin.contact import ServiceLineAdmin
from accounts.admin.field_help import DeskForm
from accounts.models import ServiceLine
from netenforce.models import Device, LinePlacement
from netenforce.operations.lines import place_on, why_not_placed

DEVICES_WORDS = (
    "The line is slowed and opened on each of these devices. Where it is taken off, it is freed at once; where it is"
    " put on, it is restricted as it should be. On none, it is neither slowed nor opened."
)


class DevicesForm(DeskForm):
    """Ask on which devices a line is."""

    devices = forms.ModelMultipleChoiceField(
        Device.objects.order_by("name"), required=False, widget=forms.CheckboxSelectMultiple,
        help_text="Such as two routers that carry it, or a router and RADIUS.",
    )  # fmt: skip


class DevicesButton:
    """The button on a line's page that chooses its devices; the row tells its line by ``line_of``."""

    def line_of(self, row: Any) -> ServiceLine:
        """Return the line whose devices are chosen."""
        return cast(ServiceLine, row)

    def has_place_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may say on which devices a line is."""
        return bool(request.user.has_perm("netenforce.place_line"))

    @action(description="Choose devices", icon="dns", permissions=["place"])
    def choose_devices(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the line's devices, and put it on these alone."""

        def carry_out(row: Any, data: dict[str, Any]) -> str:
            place_on(self.line_of(row), data["devices"], by=staff_user(request))
            names = ", ".join(device.name for device in data["devices"])
            return f"The line is on {names} now." if names else "The line is on no device now."

        return confirm_one(
            cast(Any, self), request, object_id, title="Choose devices", submit="Save the devices",
            words=DEVICES_WORDS, form_class=DevicesForm, carry_out=carry_out,
            form_kwargs=lambda row: {"initial": {"devices": _device_ids(self.line_of(row))}},
        )  # fmt: skip


def _device_ids(line: ServiceLine) -> list[int]:
    return list(LinePlacement.objects.filter(line=line).values_list("device_id", flat=True))


class PlacementForm(forms.ModelForm[LinePlacement]):
    """A line on a device; what the device could not tell apart from itself is refused."""

    class Meta:
        model = LinePlacement
        fields = ("line", "device")

    def clean(self) -> dict[str, Any]:
        """Refuse a device whose own address lies within the line's."""
        found = super().clean() or self.cleaned_data
        line, device = found.get("line") or getattr(self.instance, "line", None), found.get("device")
        refusal = why_not_placed(line, [device]) if line is not None and device is not None else None
        if refusal is not None:
            raise forms.ValidationError(refusal.words, refusal.code)
        return found


@admin.register(LinePlacement)
class LinePlacementAdmin(HistoryAdmin):
    """Which device a line is enforced on; a line may be on several."""

    form = PlacementForm
    list_display = ("line", "account_shown", "device")
    list_select_related = ("line__account", "device")
    list_filter = ("device",)
    search_fields = ("line__ipv4", "line__ipv6", "line__radius_username", "line__account__number")
    autocomplete_fields = ("line", "device")
    may_delete = True
    empty_words = "Place lines on devices; a line without a device is never slowed or opened."

    def get_readonly_fields(self, _request: HttpRequest, obj: LinePlacement | None = None) -> tuple[str, ...]:
        """Keep the line of a placement; another line has placements of its own."""
        return ("line",) if obj else ()

    @admin.display(description="account", ordering="line__account__number")
    def account_shown(self, placement: LinePlacement) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(placement.line.account)

    def save_model(self, request: HttpRequest, obj: LinePlacement, form: Any, change: bool) -> None:
        """Put the line on the device through the room's operation, which tells the devices."""
        before = form.initial.get("device") if change else None
        kept = LinePlacement.objects.filter(line=obj.line).exclude(device=before).select_related("device")
        place_on(obj.line, [*(row.device for row in kept), obj.device], by=staff_user(request))
        obj.pk = LinePlacement.objects.get(line=obj.line, device=obj.device).pk

    def delete_model(self, request: HttpRequest, obj: LinePlacement) -> None:
        """Take the line off the device, which is told to free it."""
        self._take_off(request, [obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[LinePlacement]) -> None:
        """Take lines off their devices, one after the other."""
        self._take_off(request, queryset.select_related("line"))

    def _take_off(self, request: HttpRequest, rows: Iterable[LinePlacement]) -> None:
        for row in list(rows):
            kept = LinePlacement.objects.filter(line=row.line).exclude(pk=row.pk).select_related("device")
            place_on(row.line, [other.device for other in kept], by=staff_user(request))


class LineOnDevicesAdmin(DevicesButton, ServiceLineAdmin):
    """The customers' lines, and the devices that each is on."""

    list_display: Any = (*ServiceLineAdmin.list_display, "devices_shown")
    actions_detail = (*getattr(ServiceLineAdmin, "actions_detail", ()), "choose_devices")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ServiceLine]:
        """Read the devices along."""
        rows: QuerySet[ServiceLine] = super().get_queryset(request)
        return rows.prefetch_related("placements__device")

    @admin.display(description="devices")
    def devices_shown(self, line: ServiceLine) -> str:
        """Return the devices that the line is on."""
        return ", ".join(placement.device.name for placement in line.placements.all()) or "none: never slowed or opened"


admin.site.unregister(ServiceLine)
admin.site.register(ServiceLine, LineOnDevicesAdmin)
