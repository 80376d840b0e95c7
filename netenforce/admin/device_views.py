"""What a person does with a device: test it, compare it, repair it, and take it over on the first day."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from accounts.admin.base import DeskAdmin, staff_user
from accounts.admin.confirm import ReasonForm, confirm_one
from accounts.models import ServiceLine, User
from accounts.queries import open_pause
from billing_project.kernel.errors import Refused
from billing_project.kernel.nudge import nudge
from netenforce.first_day import Choice, Inside, Trusted, trust, what_is_there
from netenforce.models import Device
from netenforce.probing import probe_device
from netenforce.reconcile import DeviceReport, reconcile

from .device_words import duration
from .levels import level_badge

if TYPE_CHECKING:
    _Desk = DeskAdmin
else:
    _Desk = object

ROWS_SHOWN = 200
# Above so many lines the number has to be typed: nobody takes over a whole town by one press.
TYPED_ABOVE = 50

CLASSES = (
    ("extra", "Restricted, and should be open", "freed, without a limit"),
    ("missing", "Should be restricted, and are not", "restricted anew"),
    ("stale", "Restricted otherwise than they should be", "changed to what they should be"),
    ("foreign", "In our lists by somebody else's hand", "left alone"),
)


# The classes of the first day: what each is called, and what becomes of it.
FOUND_WORDS = {
    "agree": (
        "As they should be",
        "Held on the device, and so by our books. Entries of others become ours, so that a payment can free them.",
    ),
    "taken": (
        "Held, though our books say they should be freer",
        "Decide below: keep them for a clerk to look at, or free them.",
    ),
    "left": (
        "Held, and not taken over",
        "Left to the next comparison, for the reason that stands behind each.",
    ),
    "absent": (
        "Should be held, and are not there",
        "The next comparison restricts them; each is asked about first.",
    ),
    "strays": ("Of no line on this device", "Never taken over."),
}


@dataclass(frozen=True, slots=True)
class DriftRow:
    """One address that is not as it should be: whose it is, and its level."""

    address: str
    line: ServiceLine | None
    level: SafeString


@dataclass(frozen=True, slots=True)
class DriftClass:
    """One kind of difference: how many there are, the first of them, and what a repair would do."""

    key: str
    title: str
    does: str
    count: int
    rows: list[DriftRow]

    @property
    def more(self) -> int:
        """Return how many are not shown."""
        return self.count - len(self.rows)


class TrustForm(ReasonForm):
    """What becomes of lines that are held though our books say otherwise; many need their number typed."""

    choice = forms.ChoiceField(
        choices=Choice.choices, initial=Choice.KEEP,
        label="Lines that are held, and that our books say should be freer",
        help_text="Kept lines get a hold that a clerk looks at; nothing changes for these customers until then.",
    )  # fmt: skip
    field_order = ("choice", "reason", "typed")

    def __init__(self, *args: Any, count: int, **kwargs: Any) -> None:
        """Ask for the number of entries if they are many."""
        super().__init__(*args, **kwargs)
        self.count = count
        if count > TYPED_ABOVE:
            self.fields["typed"] = forms.IntegerField(
                label="How many entries are taken over", help_text=f"These are many: type {count}."
            )

    def clean(self) -> dict[str, Any]:
        """Compare the typed number."""
        cleaned = super().clean() or {}
        if "typed" in self.fields and "typed" not in self.errors and cleaned.get("typed") != self.count:
            self.add_error("typed", f"That is not {self.count}, which is how many there are now; type {self.count}.")
        return cleaned


class DeviceViews(_Desk):
    """The addresses of a device's buttons."""

    def get_urls(self) -> list[URLPattern]:
        """Add the addresses of the buttons."""
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/test/", view(self.test_view), name="netenforce_device_test"),
            path("<int:pk>/compare/", view(self.compare_view), name="netenforce_device_compare"),
            path("<int:pk>/repair/", view(self.repair_view), name="netenforce_device_repair"),
            path("<int:pk>/trust/", view(self.trust_view), name="netenforce_device_trust"),
            *super().get_urls(),
        ]

    def _device(self, request: HttpRequest, pk: int) -> Device:
        device: Device | None = self.get_object(request, str(pk))
        if device is None:
            raise Http404(f"There is no device {pk}.")
        if not self.has_operate_permission(request, device):
            raise PermissionDenied
        return device

    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask the device what it is, and say so; one that was left in peace is asked at once."""
        device = self._device(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            probe = probe_device(device)
        except Refused as refusal:
            messages.error(request, f"No connection to {device.name}. {refusal.words}")
        else:
            told = {"model": probe.model, "version": probe.version, "running for": duration(probe.uptime_seconds)}
            said = ", ".join(f"{name} {value}" for name, value in told.items() if value)
            messages.success(request, f"{device.name} answers{': ' + said if said else ''}. Nothing was changed on it.")
            for note in probe.notes:
                messages.warning(request, note)
            nudge("netenforce.restore")
            nudge("netenforce.dispatch")
        return HttpResponseRedirect(_page(device), status=303)

    def compare_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Read the device, and show what a repair would do; nothing is changed and nothing is written."""
        device = self._device(request, pk)
        found: dict[str, Any] = {}
        if request.method == "POST":
            try:
                (report,) = reconcile(device.name, dry_run=True)
            except Refused as refusal:
                found = {"failure": refusal.words}
            else:
                found = _compared(device, report)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts, "original": device, "device": device, "title": f"Compare {device.name}",
            "back": _page(device), **found,
        }  # fmt: skip
        return TemplateResponse(request, "admin/device_compare.html", context)

    def repair_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for confirmation, then compare the device and repair it."""
        self._device(request, pk)
        return confirm_one(
            self, request, str(pk), title="Compare and repair now", submit="Compare and repair",
            form_class=forms.Form, carry_out=lambda row, _data: _repaired(row, staff_user(request)),
            words=lambda row: (
                f"{row.name} is read and compared with what it should hold, as happens by itself every five minutes."
                f" Lines that should be open are freed, all of them. At most {row.repairs_max} are restricted anew;"
                " each of these is asked about first, so that nobody who has paid is cut."
            ),
        )  # fmt: skip

    def trust_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show what stands on the device already, and take it over on confirmation."""
        device = self._device(request, pk)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts, "original": device, "device": device, "title": f"Trust what is there: {device.name}",
            "back": _page(device), "choices": Choice.choices,
            "found_url": f"{reverse('admin:netenforce_hold_changelist')}?cause__exact=found&state=active",
        }  # fmt: skip
        if request.method == "POST":
            context |= self._looked(request, device)
        return TemplateResponse(request, "admin/device_trust.html", context)

    def _looked(self, request: HttpRequest, device: Device) -> dict[str, Any]:
        """Return what the page shows after a look, or after a confirmation."""
        confirmed = request.POST.get("do") == "trust"
        try:
            inside = what_is_there(device)
            form = TrustForm(request.POST if confirmed else None, count=len(inside.foreign) + len(_kept(inside)))
            if confirmed and form.is_valid():
                data = form.cleaned_data
                done = trust(device, by=staff_user(request), reason=data["reason"], choice=data["choice"])
                if done.freed:
                    nudge("netenforce.restore")
                return {"done": done, "done_words": _done_words(done)}
        except Refused as refusal:
            return {"failure": refusal.words}
        return {"inside": inside, "groups": _groups(inside), "form": form, "anything": bool(form.count)}


def _kept(inside: Inside) -> list[Any]:
    """Return the entries that get a hold and are ours already; the others are counted as those of others."""
    return [entry for entry in inside.taken if entry.ours]


def _page(device: Device) -> str:
    return reverse("admin:netenforce_device_change", args=[device.pk])


def _compared(device: Device, report: DeviceReport) -> dict[str, Any]:
    """Return a dry comparison as its page shows it."""
    if report.failure:
        return {"failure": report.failure}
    held: dict[str, Mapping[str, Any]] = {key: getattr(report, key) for key, _, _ in CLASSES}
    first = {key: list(found.items())[:ROWS_SHOWN] for key, found in held.items()}
    owners = _owners(device, (address for rows in first.values() for address, _ in rows))
    classes = [
        DriftClass(
            key, title, does, len(held[key]),
            [DriftRow(address, owners.get(address), level_badge(_level(one))) for address, one in first[key]],
        )
        for key, title, does in CLASSES
    ]  # fmt: skip
    anew = len(held["missing"])
    pause = open_pause()
    return {
        "compared": True, "classes": classes, "agrees": not report.drifted, "pending": report.pending,
        "drifted": report.drifted, "budget": device.repairs_max, "waits": max(anew - device.repairs_max, 0),
        "pause_words": pause.words if pause else "",
    }  # fmt: skip


def _level(one: Any) -> str:
    return str(getattr(one, "level", one))


def _owners(device: Device, addresses: Iterable[str]) -> dict[str, ServiceLine]:
    """Return the line of each address that one on the device has, in three queries at most."""
    asked = list(addresses)
    found: dict[str, ServiceLine] = {}
    if not asked:
        return found
    for name in ("ipv4", "ipv6", "radius_username"):
        rows = ServiceLine.objects.filter(**{f"{name}__in": asked}).select_related("account")
        found |= {getattr(line, name): line for line in rows}
    return found


def _repaired(device: Device, by: User) -> str:
    (report,) = reconcile(device.name, by=by)
    if report.failure:
        raise Refused("not_compared", report.failure)
    counts = ", ".join(f"{len(getattr(report, key))} {key}" for key, _, _ in CLASSES if getattr(report, key))
    left = report.drifted - report.repaired
    said = f"{device.name} was compared: {counts or 'everything is as it should be'}."
    if report.drifted:
        said += f" {report.repaired} repaired{f', {left} left for the next comparison' if left > 0 else ''}."
    return said


def _groups(inside: Inside) -> list[dict[str, Any]]:
    """Return the classes of the preview, each with its count and its first rows."""
    told: tuple[tuple[str, Sequence[Any]], ...] = (
        ("agree", inside.agree), ("taken", inside.taken), ("left", inside.left), ("absent", inside.absent),
        ("strays", inside.strays),
    )  # fmt: skip
    return [
        {
            "key": key, "title": FOUND_WORDS[key][0], "words": FOUND_WORDS[key][1],
            "count": len(rows), "more": max(len(rows) - ROWS_SHOWN, 0),
            "rows": [
                {
                    "address": row.address, "account": row.account if key != "strays" else None,
                    "held": level_badge(row.held.level), "list": row.held.list_name,
                    "wanted": level_badge(row.wanted.level) if key != "strays" else "",
                    "by": "ours" if row.ours else "others" if row.held.level != "open" else "", "words": row.words,
                }
                for row in rows[:ROWS_SHOWN]
            ],
        }
        for key, rows in told
    ]  # fmt: skip


def _done_words(done: Trusted) -> list[str]:
    """Return what was done, a sentence each."""
    words = []
    if done.held:
        words.append(f"{done.held} held as they were found, for a clerk to look at.")
    if done.freed:
        words.append(f"{done.freed} are being freed, because our books say so.")
    if done.adopted:
        words.append(f"{done.adopted} entries of others are ours now.")
    return words or ["There was nothing left to take over."]
