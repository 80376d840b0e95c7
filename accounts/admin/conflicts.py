"""Two people on one form: nobody overwrites what somebody else has saved meanwhile (U20).

A change form carries a mark of every field and inline row as they were when it was loaded. At the save they are
looked at again, under a lock; if one has another value by now, nothing is saved, and the form comes back with who
changed what, and with what this person typed.
"""

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.models import LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.db.models import Manager, Model, QuerySet
from django.db.models.fields.files import FieldFile
from django.http import HttpRequest, QueryDict
from django.utils.datastructures import MultiValueDict

from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.locks import advisory_lock, lock_row

LOADED = "_as_loaded"
BLANK = "–"
_MISSING = object()
Marks = dict[str, Any]

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin as _Admin
else:
    _Admin = object


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that has another value than when the form was loaded, and what becomes of it."""

    what: str
    theirs: str
    mine: str
    words: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """What somebody else saved while a form was open."""

    who: str
    when: str
    differences: tuple[Difference, ...]


class NoOverwriting(_Admin):  # type: ignore[type-arg]
    """Let change forms refuse to save over a change that their person has not seen."""

    change_form_before_template = "admin/as_loaded.html"

    def _changeform_view(self, request: HttpRequest, object_id: str | None, form_url: str, extra_context: Any) -> Any:
        loaded = _loaded(request)
        if loaded is None or object_id is None or "_saveasnew" in request.POST:
            return super()._changeform_view(request, object_id, form_url, extra_context)  # type: ignore[misc]
        row = self.get_object(request, object_id)
        if row is None or not self.has_change_permission(request, row):
            return super()._changeform_view(request, object_id, form_url, extra_context)  # type: ignore[misc]
        _lock(row)
        page = super()._changeform_view(_as_get(request), object_id, form_url, extra_context)  # type: ignore[misc]
        context = getattr(page, "context_data", None) or {}
        if "adminform" not in context or context.get("desk_loaded") == request.POST[LOADED]:
            return super()._changeform_view(request, object_id, form_url, extra_context)  # type: ignore[misc]
        typed = _Typed(self, request, context)
        if not typed.is_valid():  # first things first: its mistakes are shown, and nothing is saved
            return super()._changeform_view(request, object_id, form_url, extra_context)  # type: ignore[misc]
        context["conflict"] = _meet(context, typed, loaded)
        page.status_code = 409
        return page

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        """Add the marks of what is shown to the form."""
        form = context["adminform"].form
        if kwargs.get("change", False) and form.instance.pk and not context.get("is_popup"):
            shown = json.dumps(_marks_of(context), separators=(",", ":"), sort_keys=True)
            context["desk_loaded"] = request.POST.get(LOADED, shown) if form.is_bound else shown
        return super().render_change_form(request, context, *args, **kwargs)


class _Typed:
    """What the person typed: the form and the inline formsets, bound to the rows as they are now."""

    def __init__(self, desk: Any, request: HttpRequest, context: Mapping[str, Any]) -> None:
        shown = context["adminform"].form
        # A copy: checking a form writes what was typed into its row, and the page shows the row as it is.
        self.form = type(shown)(request.POST, request.FILES, instance=copy.copy(shown.instance))
        formsets, _ = desk._create_formsets(request, copy.copy(shown.instance), change=True)
        self.formsets = {formset.prefix: formset for formset in formsets}

    def is_valid(self) -> bool:
        """Tell whether it could be saved, were it not for the other's change."""
        return self.form.is_valid() and all(formset.is_valid() for formset in self.formsets.values())


def _loaded(request: HttpRequest) -> Marks | None:
    """Return the marks that a form brought along; None where it brought none that can be read."""
    try:
        found = json.loads(request.POST.get(LOADED, "")) if request.method == "POST" else None
    except (ValueError, RecursionError):  # nobody's browser nests them a thousand deep
        return None
    return found if isinstance(found, dict) else None


def _table(part: object) -> Marks:
    """Return a part of the marks that came from outside, whatever it is."""
    return part if isinstance(part, dict) else {}


def _lock(row: Model) -> None:
    """Keep others from saving meanwhile: the account's own lock where there is one, which every operation takes."""
    account_id = row.pk if isinstance(row, Account) else getattr(row, "account_id", None)
    if account_id:
        lock_row(Account.objects.all(), account_id)
    else:
        advisory_lock(f"form:{row._meta.label_lower}:{row.pk}")


def _as_get(request: HttpRequest) -> HttpRequest:
    """Return the request as if its page were only opened."""
    asked: Any = copy.copy(request)
    asked.method = "GET"
    asked._post, asked._files = QueryDict(), MultiValueDict()
    return asked  # type: ignore[no-any-return]


def _editable(context: Mapping[str, Any]) -> Iterable[Any]:
    """Return the formsets in which something can be changed."""
    for inline in context["inline_admin_formsets"]:
        if inline.has_change_permission or inline.has_add_permission or inline.has_delete_permission:
            yield inline.formset


def _marks_of(context: Mapping[str, Any]) -> Marks:
    """Return a mark of every field and every inline row that a page shows."""
    return {
        "fields": _marks(context["adminform"].form),
        **{
            formset.prefix: {str(form.instance.pk): _marks(form) for form in formset.initial_forms}
            for formset in _editable(context)
        },
    }


def _marks(form: Any) -> dict[str, str]:
    """Return a mark of each of a form's own values: what is kept in the row, not what is only asked for."""
    return {
        name: _mark(form.get_initial_for_field(field, name))
        for name, field in form.fields.items()
        if _is_kept(form, name)
    }


def _is_kept(form: Any, name: str) -> bool:
    return name in form.initial and name != form.instance._meta.pk.name


def _mark(value: Any) -> str:
    return hashlib.sha256(_plain(value).encode()).hexdigest()[:12]


def _plain(value: Any) -> str:
    """Return a value as a text that is the same whether it was read from the row or typed."""
    if value is None or value == "":
        return ""
    if isinstance(value, Model):
        return str(value.pk)
    if isinstance(value, datetime):
        return clock.local(value, "UTC").replace(microsecond=0).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, FieldFile):
        return value.name or ""
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True, default=str)
    if isinstance(value, Manager | QuerySet | list | tuple | set):
        rows = value.all() if isinstance(value, Manager) else value
        return json.dumps(sorted(_plain(part) for part in rows))
    return str(value)


def _meet(context: dict[str, Any], typed: _Typed, loaded: Marks) -> Conflict:
    """Say what was changed on both sides, and put what this person typed into the form that is shown."""
    shown = context["adminform"].form
    found = list(_compare(shown, typed.form, _table(loaded.get("fields")), ""))
    rows = [shown.instance]
    for formset in _editable(context):
        bound = typed.formsets[formset.prefix]
        found += _compare_rows(formset, bound, _table(loaded.get(formset.prefix)))
        rows += [form.instance for form in formset.initial_forms]
    who, when = _last_change(rows)
    return Conflict(who, when, tuple(found))


def _compare(shown: Any, typed: Any, loaded: Mapping[str, str], whose: str) -> Iterable[Difference]:
    for name, field in shown.fields.items():
        if not _is_kept(shown, name) or name not in typed.cleaned_data:
            continue
        now, wanted = shown.get_initial_for_field(field, name), typed.cleaned_data[name]
        theirs, mine = _mark(now) != loaded.get(name), _mark(wanted) != loaded.get(name)
        if mine and not isinstance(field, forms.FileField):
            shown.initial[name] = wanted.pk if isinstance(wanted, Model) else wanted
            shown._bound_fields_cache.pop(name, None)  # what it showed was the row's own value
        if not theirs and not mine:
            continue
        if theirs and mine and _mark(now) == _mark(wanted):
            words = "You both wrote the same."
        elif theirs:
            words = "Changed by both: yours stands in the form." if mine else "Theirs stands in the form."
        else:
            words = "Only you changed it: yours stands in the form."
        label = f"{whose}{field.label or name}"
        yield Difference(label, _shown(field, now), _shown(field, wanted) if mine else "not changed", words)


def _compare_rows(shown: Any, typed: Any, loaded: Marks) -> list[Difference]:
    """Compare inline rows by their keys, and carry over what this person changed, removed or added."""
    found: list[Difference] = []
    # First, since it makes the forms anew.
    added = [form.cleaned_data for form in typed.extra_forms if form.has_changed()]
    if added:
        shown.extra = len(added)
        for kept in ("forms", "management_form"):
            shown.__dict__.pop(kept, None)
        for form, values in zip(shown.extra_forms, added, strict=False):
            form.initial.update({name: value for name, value in values.items() if name in form.fields})
        found.append(Difference("new rows", "–", str(len(added)), "Only you added them: they stand in the form."))
    mine = {form.instance.pk: form for form in typed.initial_forms if form.instance.pk}
    here = set()
    for form in shown.initial_forms:
        row, whose = form.instance, f"{form.instance}: "
        here.add(str(row.pk))
        if str(row.pk) not in loaded:
            found.append(Difference(str(row), "added", "not there", "Theirs stands in the form."))
            continue
        bound = mine.get(row.pk)
        if bound is not None:
            found += _compare(form, bound, _table(loaded[str(row.pk)]), whose)
            if bound.cleaned_data.get("DELETE"):
                form.initial["DELETE"] = True
                found.append(Difference(str(row), "kept", "removed", "Still marked to be removed."))
    for gone in set(loaded) - here:
        found.append(Difference(f"row {gone}", "removed", "", "It is gone; what you changed in it cannot be saved."))
    return found


def _shown(field: forms.Field, value: Any) -> str:
    """Return a value in words."""
    choices = getattr(field, "choices", None)
    if isinstance(field, forms.ModelChoiceField) and value not in (None, "") and not isinstance(value, Model):
        try:
            value = field.to_python(value)
        except forms.ValidationError:
            return str(value)
    elif choices is not None and not isinstance(value, list | QuerySet) and not isinstance(value, Model):
        value = dict(choices).get(value, value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple | QuerySet):
        return ", ".join(str(part) for part in value) or BLANK
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return BLANK if value is None or value == "" else str(value)


def _last_change(rows: Iterable[Any]) -> tuple[str, str]:
    """Return who saved one of the rows last, and how long ago."""
    newest: tuple[datetime, Any] | None = None
    for row in rows:
        saved = _last_save(row)
        if saved and (newest is None or saved[0] > newest[0]):
            newest = saved
    if newest is None:
        return "Somebody", "meanwhile"
    user = newest[1]
    return (user.get_full_name() or user.get_username()) if user else "The program", ago(newest[0])


def _last_save(row: Any) -> tuple[datetime, Any] | None:
    """Return when a row was last saved and by whom: by its history, or else by the log of the admin."""
    if hasattr(row, "history"):
        kept = row.history.select_related("history_user").first()
        return (kept.history_date, kept.history_user) if kept else None
    kind = get_content_type_for_model(row)
    entry = LogEntry.objects.filter(content_type=kind, object_id=str(row.pk)).select_related("user").first()
    return (entry.action_time, entry.user) if entry else None


def ago(moment: datetime) -> str:
    """Return how long ago an instant was, as people say it; a date from a day on."""
    seconds = int((clock.now() - moment).total_seconds())
    if seconds < 60:
        return f"{max(seconds, 0)} s ago"
    if seconds < 3600:
        return f"{seconds // 60} min ago"
    if seconds < 86400:
        return f"{seconds // 3600} h ago"
    return f"on {clock.local(moment, 'UTC'):%Y-%m-%d at %H:%M} UTC"
