"""Address lists: what devices do to whose lines, and what a change would do before it is made (S16, S19-S21)."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts.admin.base import WARN, HistoryAdmin, badge, badges, number_of
from billing_project.kernel.nudge import nudge
from netenforce.models import AddressList, Hold
from netenforce.operations.list_effect import Effect, effect_of
from netenforce.operations.lists import CHUNK, accounts_astray, follow_everybody, note_missing_lists, tell_speed
from netenforce.queries import device_views, list_findings
from netenforce.rules.list_words import Names, sentence, why_refused
from netenforce.rules.lists import ListView

from .device import level_badge

# Above so many lines that a list restricts by itself, their number is typed before it is saved.
TYPED_ABOVE = 50
PREVIEW, CONFIRMED, TYPED = "_preview", "_confirmed", "typed_count"
CRITERIA = ("statuses", "account_types", "devices")
HOW_IT_CHOOSES = (
    "Criteria left blank are met by everybody. Of several lists of a level that an account meets, the one with the"
    " smallest order is taken, so lists for some go before the list for all."
)
BY_ITSELF = (
    "Only for a status or type whose lines must not be served at all, such as Inactive. What delinquency's steps"
    " restrict needs no list of this kind."
)


class AddressListForm(forms.ModelForm[AddressList]):
    """An address list; what would restrict everybody, or slow lines to no speed, is refused in words."""

    class Meta:
        model = AddressList
        exclude: ClassVar[list[str]] = []
        widgets: ClassVar[dict[str, Any]] = dict.fromkeys(CRITERIA, UnfoldAdminCheckboxSelectMultipleWidget)

    def clean(self) -> dict[str, Any]:
        """Refuse lists that cannot be meant so."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            refusal = why_refused(self.view(), device_views())
            if refusal is not None:
                raise forms.ValidationError(refusal.words, refusal.code)
        return cleaned

    def view(self) -> ListView:
        """Return the list as it would be saved."""
        data = self.cleaned_data
        keys = {name: frozenset(row.pk for row in data.get(name) or ()) for name in CRITERIA}
        return ListView(
            name=data["name"], level=data["level"], position=data["position"], cause=data["cause"],
            rate_down_kbit=data["rate_down_kbit"], rate_up_kbit=data["rate_up_kbit"], by_account=data["by_account"],
            status_ids=keys["statuses"], account_type_ids=keys["account_types"], device_ids=keys["devices"],
            key=self.instance.pk or 0,
        )  # fmt: skip

    def names(self) -> Names:
        """Return what the chosen criteria are called."""
        data = self.cleaned_data
        return _names(*({row.pk: str(row) for row in data.get(name) or ()} for name in CRITERIA))


def _names(statuses: dict[int, str], account_types: dict[int, str], devices: dict[int, str]) -> Names:
    causes = {value: str(label) for value, label in Hold.Cause.choices}
    return Names(statuses=statuses, account_types=account_types, devices=devices, causes=causes)


def does(row: AddressList) -> str:
    """Return what a stored list does, in one sentence; its criteria should have been read ahead."""
    found = {name: {one.pk: str(one) for one in getattr(row, name).all()} for name in CRITERIA}
    view = ListView(
        name=row.name, level=row.level, rate_down_kbit=row.rate_down_kbit, rate_up_kbit=row.rate_up_kbit,
        cause=row.cause, status_ids=frozenset(found["statuses"]), account_type_ids=frozenset(found["account_types"]),
        device_ids=frozenset(found["devices"]), by_account=row.by_account, key=row.pk,
    )  # fmt: skip
    words = sentence(view, _names(*(found[name] for name in CRITERIA)))
    return f"{words[0].upper()}{words[1:]}."


@admin.register(AddressList)
class AddressListAdmin(HistoryAdmin):
    """What devices do to the lines at one level, and whose lines these are."""

    form = AddressListForm
    list_display = ("name", "level_shown", "does_shown", "position", "by_itself")
    list_filter = ("level", "by_account", "devices")
    search_fields = ("name",)
    empty_words = "Add one list for each level: slowed, payment page only, suspended."
    list_before_template = "admin/list_findings.html"
    change_form_outer_before_template = "admin/list_findings.html"
    change_form_after_template = "admin/list_preview_button.html"
    readonly_fields = ("does_shown",)
    fieldsets = (
        (None, {"fields": ("name", "level", "rate_down_kbit", "rate_up_kbit", "does_shown")}),
        (
            "Whose lines",
            {"fields": ("statuses", "account_types", "cause", "devices", "position"), "description": HOW_IT_CHOOSES},
        ),
        ("By itself", {"fields": ("by_account",), "description": BY_ITSELF}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[AddressList]:
        """Read the criteria along."""
        rows: QuerySet[AddressList] = super().get_queryset(request)
        return rows.prefetch_related(*CRITERIA)

    @admin.display(description="level", ordering="level")
    def level_shown(self, row: AddressList) -> SafeString:
        """Return the level in words and colour."""
        return level_badge(row.level)

    @admin.display(description="what it does")
    def does_shown(self, row: AddressList) -> str:
        """Return the whole list as one sentence."""
        return does(row) if row.pk else "Said here once it is saved; “What would this change?” says it before."

    @admin.display(description="by itself", ordering="by_account")
    def by_itself(self, row: AddressList) -> SafeString | str:
        """Tell whether it restricts without any step of a policy."""
        return badges([badge("by account alone", WARN)]) if row.by_account else "no"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Add what is wrong with the lists as they are."""
        found: HttpResponse = super().changelist_view(request, {**_findings(None), **(extra_context or {})})
        return found

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show what a change would do before it is saved; a big one is saved once its number is typed."""
        if request.method == "POST":
            page = self._effect_page(request, object_id)
            if page is not None:
                return page
        extra = {**_findings(number_of(object_id) if object_id else None), **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, extra)

    def _effect_page(self, request: HttpRequest, object_id: str | None) -> HttpResponse | None:
        """Return the page that says what a change would do; None where it may be saved, or has mistakes to show."""
        row: Model | None = self.get_object(request, object_id) if object_id else None
        allowed = self.has_change_permission(request, row) if object_id else self.has_add_permission(request)
        if not allowed or (object_id and row is None):
            return None
        form = self.get_form(request, row, change=row is not None)(request.POST, instance=row or AddressList())
        if not form.is_valid():
            return None
        effect = effect_of(form.view())
        typed = _typed_wanted(form.view(), effect)
        said = request.POST.get(TYPED, "").strip()
        wrong = ""
        if PREVIEW not in request.POST:
            if not effect.moves or (CONFIRMED in request.POST and (not typed or said == str(typed))):
                return None
            if CONFIRMED in request.POST:
                wrong = f"Type {typed}, the number of lines that would be restricted; “{said[:20]}” is not it."
        words = sentence(form.view(), form.names())
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts, "original": row, "title": "What this would change", "effect": effect, "wrong": wrong,
            "does": f"{words[0].upper()}{words[1:]}.", "said": _effect_words(effect), "typed": typed,
            "sent": _sent_again(request.POST),
            "confirmed": CONFIRMED, "typed_name": TYPED, "back": request.get_full_path(),
        }  # fmt: skip
        return TemplateResponse(request, "admin/list_effect.html", context)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the criteria, and bring the lines in line: at once, or by a worker where there are many."""
        super().save_related(request, form, formsets, change)
        if {"rate_down_kbit", "rate_up_kbit"} & set(form.changed_data) and change:
            told = tell_speed(form.instance.pk)
            if told:
                messages.info(request, f"{told} lines are told the new speed.")
        note_missing_lists()
        astray = len(accounts_astray())
        if astray > CHUNK:
            nudge("netenforce.follow_lists")
            messages.info(request, f"{astray:,} accounts are brought in line now, some hundred at a time.")
        elif astray:
            follow_everybody()
            messages.info(request, f"{astray} accounts were brought in line; their orders are on the way.")


def _effect_words(effect: Effect) -> list[str]:
    """Return in sentences how many lines would be restricted, freed or moved."""
    if not effect.moves:
        return ["No line would move: none that is restricted now meets the criteria, or they are in it already."]
    counts = (
        (effect.restricted, "that would be restricted and is open now", "that would be restricted and are open now"),
        (effect.harder, "that would be restricted harder than now", "that would be restricted harder than now"),
        (effect.milder, "that would be restricted less than now", "that would be restricted less than now"),
        (effect.freed, "that would be freed", "that would be freed"),
    )
    said = [f"{many:,} {f'line {one}' if many == 1 else f'lines {more}'}." for many, one, more in counts if many]
    return said or ["No line would be restricted or freed; some would be held by another list of their level."]


def _typed_wanted(view: ListView, effect: Effect) -> int:
    """Return the number that must be typed; 0 if none."""
    restricted = effect.restricted + effect.harder
    return restricted if view.by_account and restricted > TYPED_ABOVE else 0


def _sent_again(sent: QueryDict) -> list[tuple[str, str]]:
    """Return what was entered, so that the confirm page sends it once more; its own fields are left out."""
    own = {"csrfmiddlewaretoken", PREVIEW, CONFIRMED, TYPED}
    return [(name, str(value)) for name in sent if name not in own for value in sent.getlist(name)]


def _findings(key: int | None) -> dict[str, Any]:
    """Return what a page says is wrong: with all lists, or with one and the devices."""
    found = [one for one in list_findings() if key is None or one.list_key in (None, key)]
    return {"list_findings": found}
