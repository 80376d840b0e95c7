"""The small pages on which a person confirms an operation and gives a reason."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from billing_project.kernel.errors import Refused

from .field_help import DeskForm
from .fresh import ask_for_proof
from .texts import NoCards, refuse_cards_in

# How many rows of a list one action takes on; more are done by a command.
ROWS_MAX = 500
# More than so many at once take a fresh proof of who does so (SEC-11).
FRESH_ABOVE = 50


class DayField(forms.DateField):
    """A date, picked with the browser's own calendar."""

    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class ReasonForm(NoCards, DeskForm):
    """Ask why; the answer is kept with the change."""

    reason = forms.CharField(
        max_length=200, help_text="Kept with the change, such as “Caller paid at the desk, receipt 118”."
    )


def confirm_one(
    desk: ModelAdmin[Any],
    request: HttpRequest,
    object_id: str,
    *,
    title: str,
    words: str | Callable[[Any], str],
    submit: str,
    carry_out: Callable[[Any, dict[str, Any]], str],
    form_class: type[forms.Form] = ReasonForm,
    form_kwargs: Callable[[Any], Mapping[str, Any]] | None = None,
    back: Callable[[Any], str] | None = None,
    facts: Callable[[Any], Sequence[str]] | None = None,
    danger: bool = False,
) -> HttpResponse:
    """Show a confirm page for one row, and on POST run ``carry_out(row, cleaned_data)``.

    What that returns is shown as done; what it refuses (Refused) is shown on the
    form. Raises PermissionDenied for users who may not see the row.
    """
    row = desk.get_object(request, object_id)
    if row is None:
        raise Http404(f"There is no {desk.opts.verbose_name} {object_id}.")
    if not desk.has_view_permission(request, row):
        raise PermissionDenied
    extra = dict(form_kwargs(row)) if form_kwargs else {}
    form = form_class(request.POST if request.method == "POST" else None, **extra)
    home = back(row) if back else reverse(f"admin:{desk.opts.app_label}_{desk.opts.model_name}_change", args=[row.pk])
    if request.method == "POST" and _is_fine(form):
        try:
            done = carry_out(row, form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, refusal.words)
        else:
            messages.success(request, done)
            return HttpResponseRedirect(home, status=303)
    context = {
        **desk.admin_site.each_context(request),
        "opts": desk.opts, "original": row, "title": title, "words": words(row) if callable(words) else words,
        "submit": submit, "form": form, "back": home, "danger": danger, "facts": facts(row) if facts else (),
    }  # fmt: skip
    return TemplateResponse(request, "admin/confirm.html", context)


def confirm_pass(
    desk: ModelAdmin[Any],
    request: HttpRequest,
    *,
    title: str,
    words: str,
    submit: str,
    carry_out: Callable[[], Mapping[str, int]],
) -> HttpResponse:
    """Show a confirm page for one pass over a queue, and on POST run it; the counts by outcome are shown as done."""
    home = reverse(f"admin:{desk.opts.app_label}_{desk.opts.model_name}_changelist")
    if request.method == "POST":
        counts = carry_out()
        said = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        messages.success(request, f"Done: {said}." if said else "Nothing was due.")
        return HttpResponseRedirect(home, status=303)
    context = {
        **desk.admin_site.each_context(request),
        "opts": desk.opts, "title": title, "words": words, "submit": submit, "form": forms.Form(), "back": home,
    }  # fmt: skip
    return TemplateResponse(request, "admin/confirm.html", context)


def confirm_whole(
    desk: ModelAdmin[Any],
    request: HttpRequest,
    *,
    title: str,
    words: str,
    submit: str,
    carry_out: Callable[[dict[str, Any]], str],
    form_class: type[forms.Form] = ReasonForm,
    danger: bool = False,
) -> HttpResponse:
    """Show a confirm page for something that concerns no single row, and on POST run ``carry_out(cleaned_data)``.

    What that returns is shown as done; what it refuses (Refused) is shown on the form.
    """
    home = reverse(f"admin:{desk.opts.app_label}_{desk.opts.model_name}_changelist")
    form = form_class(request.POST if request.method == "POST" else None)
    if request.method == "POST" and _is_fine(form):
        try:
            done = carry_out(form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, refusal.words)
        else:
            messages.success(request, done)
            return HttpResponseRedirect(home, status=303)
    context = {
        **desk.admin_site.each_context(request),
        "opts": desk.opts, "title": title, "words": words, "submit": submit, "form": form, "back": home,
        "danger": danger,
    }  # fmt: skip
    return TemplateResponse(request, "admin/confirm.html", context)


def confirm_many(
    desk: ModelAdmin[Any],
    request: HttpRequest,
    rows: QuerySet[Any],
    *,
    action: str,
    title: str,
    words: str,
    submit: str,
    carry_out: Callable[[Any, dict[str, Any]], object],
    form_class: type[forms.Form] = ReasonForm,
    facts: Callable[[Sequence[Any]], Sequence[str]] | None = None,
) -> HttpResponse | None:
    """Show a confirm page for chosen rows, then run one operation per row; say what was done, refused, and why."""
    chosen = list(rows[: ROWS_MAX + 1])
    if len(chosen) > ROWS_MAX:
        messages.error(request, f"Choose at most {ROWS_MAX} rows at a time; filter the list to get at the others.")
        return None
    confirmed = "confirmed" in request.POST
    if confirmed and len(chosen) > FRESH_ABOVE and (asked := ask_for_proof(request)) is not None:
        return asked
    form = form_class(request.POST if confirmed else None)
    if confirmed and _is_fine(form):
        _run_all(request, chosen, form.cleaned_data, carry_out)
        return None
    context = {
        **desk.admin_site.each_context(request),
        "opts": desk.opts, "title": title, "words": words, "submit": submit, "form": form,
        "back": request.get_full_path(), "rows": chosen, "action_name": action,
        "checkbox_name": ACTION_CHECKBOX_NAME, "facts": facts(chosen) if facts else (),
    }  # fmt: skip
    return TemplateResponse(request, "admin/confirm.html", context)


def _is_fine(form: forms.Form) -> bool:
    """Tell whether a form may be carried out: no text in it looks like a card number either (SEC-13)."""
    if form.is_valid():
        refuse_cards_in(form)
    return form.is_valid()


def _run_all(
    request: HttpRequest,
    chosen: Sequence[Model],
    data: dict[str, Any],
    carry_out: Callable[[Any, dict[str, Any]], object],
) -> None:
    done, refusals = 0, []
    for row in chosen:
        try:
            carry_out(row, data)
        except Refused as refusal:
            refusals.append(f"{row}: {refusal.words}")
        else:
            done += 1
    if done:
        messages.success(request, f"{done} done.")
    for words in refusals[:20]:
        messages.error(request, f"Refused: {words}")
    if len(refusals) > 20:
        messages.error(request, f"… and {len(refusals) - 20} more refused.")
