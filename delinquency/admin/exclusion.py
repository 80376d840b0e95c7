"""Exclusions: added and edited one by one, copied from public holidays, shown in the year calendar."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.dates import MONTHS
from django.utils.safestring import SafeString
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.admin.base import GOOD, QUIET, EditableStacked, HistoryAdmin, ReadOnlyAdmin, badge, local_time, staff_user
from accounts.admin.confirm import confirm_one
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.models import Exclusion, HolidayCopy
from delinquency.operations import exclusions

from .calendar import calendar_page
from .closed import closed_warnings
from .holidays import copy_page

FEBRUARY = 2


def tell(request: HttpRequest, again: int, row: Exclusion | None = None) -> None:
    """Say how many accounts are looked at again, and what is closed for unusually long."""
    if again:
        messages.info(
            request,
            f"{again} account{'s' if again != 1 else ''} that waited for a later day "
            f"{'are' if again != 1 else 'is'} looked at again; what may happen sooner now does.",
        )
    for words in closed_warnings(row.policy if row is not None else None):
        messages.warning(request, words)


def save_exclusion_rows(request: HttpRequest, formset: Any) -> None:
    """Save, change and remove the exclusions of a formset, each through its operation."""
    formset.save(commit=False)
    by = staff_user(request)
    again = exclusions.remove_exclusions(formset.deleted_objects, by=by) if formset.deleted_objects else 0
    for row in [*(row for row, _changed in formset.changed_objects), *formset.new_objects]:
        again = max(again, exclusions.save_exclusion(row, by=by))
    formset.save_m2m()
    touched = [*formset.deleted_objects, *formset.new_objects, *(row for row, _changed in formset.changed_objects)]
    if touched:
        tell(request, again, touched[0])


class ExclusionForm(forms.ModelForm[Exclusion]):
    """A date on which nobody becomes delinquent; 29 February may bring 28 February along (A10)."""

    month = forms.TypedChoiceField(
        choices=[("", "–"), *((str(number), name) for number, name in MONTHS.items())],
        coerce=int,
        widget=UnfoldAdminSelectWidget,
    )
    also_28 = forms.BooleanField(
        required=False,
        label="Also 28 February",
        help_text="Only for 29 February with the year left blank, which counts in leap years alone (A10): "
        "adds a second row for 28 February of every year.",
    )

    class Meta:
        model = Exclusion
        fields: ClassVar[list[str]] = ["name", "month", "day", "year", "policy"]

    def clean(self) -> dict[str, Any]:
        """Refuse a date that is there already, and “also 28 February” for any other date."""
        cleaned = super().clean() or self.cleaned_data
        month, day, year = cleaned.get("month"), cleaned.get("day"), cleaned.get("year")
        if not month or not day or self.errors:
            return cleaned
        if cleaned.get("also_28") and ((month, day) != (FEBRUARY, 29) or year):
            self.add_error("also_28", "This is for 29 February with the year left blank; untick it for other dates.")
        same = Exclusion.objects.filter(month=month, day=day, year=year, policy=cleaned.get("policy"))
        found = same.exclude(pk=self.instance.pk).first()
        if found is not None:
            self.add_error("day", f"This date is there already, as “{found.name}”; change that row instead.")
        return cleaned


class ExclusionInline(EditableStacked):
    """The dates of this policy alone."""

    model = Exclusion
    fields = (("name", "month", "day", "year"),)
    verbose_name_plural = "exclusions of this policy alone"
    tab = False


class ComingFilter(admin.SimpleListFilter):
    """Exclusions that can still matter, and those whose date has passed."""

    title = "date"
    parameter_name = "when"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [("coming", "this year, later, or every year"), ("past", "of past years"), ("every", "every year")]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Exclusion]) -> QuerySet[Exclusion]:
        """Narrow the list."""
        this_year = clock.today().year
        match self.value():
            case "coming":
                return rows.filter(Q(year__isnull=True) | Q(year__gte=this_year))
            case "past":
                return rows.filter(year__lt=this_year)
            case "every":
                return rows.filter(year__isnull=True)
        return rows


@admin.register(Exclusion)
class ExclusionAdmin(HistoryAdmin):
    """Dates on which nobody becomes delinquent (S6, S15)."""

    form = ExclusionForm
    list_display = ("name", "date_shown", "policy_shown", "origin")
    list_select_related = ("policy", "copied_in")
    list_filter = (ComingFilter, "policy")
    search_fields = ("name",)
    may_delete = True
    actions_list = ("copy_holidays", "calendar", "undo_last_copy")
    empty_words = (
        "Copy the public holidays of your country, or add dates one by one; with the year left blank they count every"
        " year (S6)."
    )
    empty_link = ("Copy public holidays", "admin:delinquency_exclusion_copy_holidays")
    fieldsets = (
        (
            None,
            {
                "fields": ("name", "day", "month", "year", "also_28", "policy"),
                "description": "On an excluded date nobody becomes delinquent; who would have, does on the next open "
                "day (A5). Restrictions wait too; late fees, notices and status switches do not (A6).",
            },
        ),
    )

    @admin.display(description="date", ordering="month")
    def date_shown(self, exclusion: Exclusion) -> str:
        """Return the date, and whether it comes every year."""
        return f"{exclusion.month:02d}-{exclusion.day:02d} {exclusion.year or 'every year'}"

    @admin.display(description="policy", ordering="policy__name")
    def policy_shown(self, exclusion: Exclusion) -> str:
        """Return whose date it is."""
        return str(exclusion.policy) if exclusion.policy_id else "all policies"

    @admin.display(description="from")
    def origin(self, exclusion: Exclusion) -> str:
        """Return the copy that it came with."""
        return str(exclusion.copied_in) if exclusion.copied_in_id else "by hand"

    def save_model(self, request: HttpRequest, obj: Exclusion, form: Any, change: bool) -> None:
        """Save through the operation, 28 February with it if that was asked for."""
        if change and not form.changed_data:
            return
        again = exclusions.save_exclusion(obj, by=staff_user(request))
        if form.cleaned_data.get("also_28"):
            held = exclusions.held_already(obj.policy)
            if (FEBRUARY, 28, None) in held:
                messages.info(request, f"28 February is there already, as “{held[FEBRUARY, 28, None].name}”.")
            else:
                twin = Exclusion(name=obj.name, month=FEBRUARY, day=28, policy=obj.policy)
                exclusions.save_exclusion(twin, by=staff_user(request), reason="added with 29 February")
                messages.success(request, "28 February was added with it, for every year.")
        elif (obj.month, obj.day, obj.year) == (FEBRUARY, 29, None):
            messages.info(request, "29 February counts in leap years only; add 28 February for the other years.")
        tell(request, again, obj)

    def delete_model(self, request: HttpRequest, obj: Exclusion) -> None:
        """Remove through the operation."""
        self.delete_queryset(request, [obj])

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Remove chosen rows through the operation: accounts that waited are looked at again."""
        tell(request, exclusions.remove_exclusions(queryset, by=staff_user(request)))

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Say what is refused (somebody else is at it) instead of failing."""
        return self._or_refusal(request, super().changelist_view, *args, **kwargs)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Say what is refused (somebody else is at it) instead of failing."""
        return self._or_refusal(request, super().changeform_view, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Say what is refused (somebody else is at it) instead of failing."""
        return self._or_refusal(request, super().delete_view, *args, **kwargs)

    def _or_refusal(self, request: HttpRequest, view: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return view(request, *args, **kwargs)
        except Refused as refusal:
            messages.error(request, refusal.words)
            return HttpResponseRedirect(request.get_full_path(), status=303)

    @action(description="Copy public holidays", icon="public", permissions=["add"])
    def copy_holidays(self, request: HttpRequest) -> HttpResponse:
        """Choose a place and years, look at the dates, and copy them."""
        return copy_page(self, request)

    @action(description="Calendar", icon="calendar_month", permissions=["view"])
    def calendar(self, request: HttpRequest) -> HttpResponse:
        """Show a year: closed days, and where open invoices will land."""
        return calendar_page(self, request)

    @action(description="Undo the last copy", icon="undo", permissions=["operate"])
    def undo_last_copy(self, request: HttpRequest) -> HttpResponse:
        """Go to the page that takes the newest copy back."""
        last = HolidayCopy.objects.filter(undone_at__isnull=True).first()
        if last is None:
            messages.info(request, "There is no copy of public holidays to undo.")
            return HttpResponseRedirect(reverse("admin:delinquency_exclusion_changelist"))
        return HttpResponseRedirect(reverse("admin:delinquency_holidaycopy_undo", args=[last.pk]))


@admin.register(HolidayCopy)
class HolidayCopyAdmin(ReadOnlyAdmin):
    """Copies of public holidays, each of which can be taken back."""

    list_display = ("shown", "policy_shown", "dates_added", "made", "made_by", "state")
    list_select_related = ("policy", "made_by")
    list_filter = ("policy",)
    search_fields = ("place",)
    actions_detail = ("undo",)
    empty_words = "Copies of public holidays are listed here, each with a button that takes it back."
    empty_link = ("Copy public holidays", "admin:delinquency_exclusion_copy_holidays")
    fields = ("shown", "policy_shown", "kinds", "dates_added", "made", "made_by", "state")
    readonly_fields = fields

    @admin.display(description="holidays of", ordering="place")
    def shown(self, copy: HolidayCopy) -> str:
        """Return place and years."""
        return str(copy)

    @admin.display(description="for", ordering="policy__name")
    def policy_shown(self, copy: HolidayCopy) -> str:
        """Return whose dates they became."""
        return str(copy.policy) if copy.policy_id else "all policies"

    @admin.display(description="kinds of holidays")
    def kinds(self, copy: HolidayCopy) -> str:
        """Return the kinds that were chosen."""
        return ", ".join(str(kind).replace("_", " ") for kind in copy.categories)

    @admin.display(description="copied (UTC)", ordering="made_at")
    def made(self, copy: HolidayCopy) -> SafeString | str:
        """Return when it was made."""
        return local_time(copy.made_at)

    @admin.display(description="state")
    def state(self, copy: HolidayCopy) -> SafeString:
        """Tell whether it was undone."""
        return badge(f"undone {copy.undone_at:%Y-%m-%d}", QUIET) if copy.undone_at else badge("in force", GOOD)

    @action(description="Undo", icon="undo", permissions=["operate"])
    def undo(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for confirmation, and remove what the copy added and nobody has changed."""

        def carry_out(copy: HolidayCopy, _data: dict[str, Any]) -> str:
            gone, kept = exclusions.undo_copy(copy, by=staff_user(request))
            left = f" {kept} that somebody has changed since {'were' if kept != 1 else 'was'} kept." if kept else ""
            return f"{gone} date{'s' if gone != 1 else ''} of {copy} removed.{left}"

        return confirm_one(
            self, request, object_id, title="Undo the copy", submit="Remove them", form_class=forms.Form,
            carry_out=carry_out, words=undo_words, danger=True,
            back=lambda _copy: reverse("admin:delinquency_exclusion_changelist"),
        )  # fmt: skip

    def has_operate_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Let those undo a copy who may change exclusions."""
        return bool(request.user.has_perm("delinquency.copy_holidays"))


def undo_words(copy: HolidayCopy) -> str:
    """Say what undoing a copy removes and what it keeps."""
    if copy.undone_at:
        return f"It was undone on {copy.undone_at:%Y-%m-%d} already."
    untouched, changed = exclusions.undoable(copy)
    names = ", ".join(f"{row.name} {row.month:02d}-{row.day:02d}" for row in untouched[:8])
    more = f" and {len(untouched) - 8} more" if len(untouched) > 8 else ""
    removed = f"Removes {len(untouched)} of the {copy.dates_added} dates it added: {names}{more}." if untouched else (
        "Nothing of it is left as it was copied."
    )  # fmt: skip
    kept = f" Keeps {len(changed)} that somebody has changed since." if changed else ""
    return f"{removed}{kept} Accounts that waited for a later day because of them are looked at again."
