"""Where actions on many begin: the action menu of a list, the page for an area, and pasted payments."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.admin.base import staff_user
from accounts.admin.texts import refuse_cards_in
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.models import MassAction
from delinquency.operations import mass
from invoicing.operations import bank_files
from invoicing.rules import bank_file as rules

from .mass_forms import FORMS, AreaForm, PasteForm

Kind = MassAction.Kind
RECORD = "invoicing.record_payment"
NOT_A_FILTER = {"p", "o", "all", "e"}


def may_do(request: HttpRequest, kind: str) -> bool:
    """Tell whether the user may do a kind of thing to many."""
    return bool(request.user.has_perm(mass.KINDS[kind].right))


def page_of(action: MassAction) -> str:
    """Return the address of an action's page."""
    return reverse("admin:delinquency_massaction_change", args=[action.pk])


def start(desk: Any, request: HttpRequest, rows: QuerySet[Any], kind: Kind, name: str) -> HttpResponse | None:
    """Ask what the kind needs to know, then look at the chosen rows; the page that follows says what would happen.

    With "select all" the rows are those of the list's own query, asked anew with the user's own rights, however many:
    their keys are in no form.
    """
    if not may_do(request, kind):
        raise PermissionDenied
    everything = request.POST.get("select_across") == "1"
    form = FORMS[kind](request.POST if "confirmed" in request.POST else None)
    if form.is_bound and _is_fine(form):
        count = mass.few(rows)
        try:
            action = mass.prepare(
                kind, rows, by=staff_user(request), parameters=form.parameters(),
                chosen={"list": desk.opts.label_lower, "query": request.GET.urlencode(), "everything": everything},
                chosen_words=chosen_words(desk, request, count, everything=everything),
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, refusal.words)
        else:
            return HttpResponseRedirect(page_of(action), status=303)
    ticked = [] if everything else request.POST.getlist(ACTION_CHECKBOX_NAME)
    context = {
        **desk.admin_site.each_context(request),
        "opts": desk.opts, "title": kind.label, "form": form, "back": request.get_full_path(),
        "count": mass.few(rows) if everything else len(ticked), "many": mass.AT_ONCE, "submit": "See what it would do",
        "hidden": [
            ("action", name), ("confirmed", "1"), ("select_across", "1" if everything else "0"),
            # Django wants one key at least, also where all of the list is meant.
            *((ACTION_CHECKBOX_NAME, pk) for pk in ticked or request.POST.getlist(ACTION_CHECKBOX_NAME)[:1]),
        ],
    }  # fmt: skip
    return TemplateResponse(request, "admin/mass_choose.html", context)


def chosen_words(desk: Any, request: HttpRequest, count: int | None, *, everything: bool) -> str:
    """Return in words what was chosen in a list; None where they are too many to have been counted."""
    many = str(desk.opts.verbose_name_plural)
    if not everything:
        return f"{count} ticked {many}"
    parts = []
    for name, value in request.GET.items():
        if name == "q":
            parts.append(f"search “{value}”")
        elif name not in NOT_A_FILTER and value:
            parts.append(f"{name.removesuffix('__exact').removesuffix('__id').replace('__', ' ')}: {value}")
    number = "" if count is None else f"{count} "
    return f"all {number}{many} of the list" + (f" with {', '.join(parts)}" if parts else "")


def _is_fine(form: forms.Form) -> bool:
    if form.is_valid():
        refuse_cards_in(form)
    return form.is_valid()


def list_action(kind: Kind, words: str, *permissions: str) -> Any:
    """Return the action of a list that leads to an action on many."""
    name = f"mass_{kind}"

    def run(desk: Any, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        return start(desk, request, rows, kind, name)

    run.__name__ = name
    run.__doc__ = words
    return admin.action(description=words, permissions=permissions or None)(run)


class MassAccountMixin:
    """Tells who may do which thing to many, for the action menu of the accounts."""

    def has_mass_grace_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may give many accounts more time at once."""
        return may_do(request, Kind.GRACE)

    def has_mass_hold_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may put many accounts on hold at once."""
        return may_do(request, Kind.HOLD)


class StartPages:
    """Adds the page for an area, and that for pasted payments, to the list of actions on many."""

    def hold_area(self: Any, request: HttpRequest) -> HttpResponse:
        """Ask which area and until when, then look at its accounts."""
        if not may_do(request, Kind.HOLD):
            raise PermissionDenied
        form = AreaForm(request.POST or None)
        if form.is_bound and _is_fine(form):
            try:
                action = mass.prepare(
                    Kind.HOLD, form.rows(), by=staff_user(request), parameters=form.parameters(),
                    chosen={"area": form.words()}, chosen_words=form.words(),
                )  # fmt: skip
            except Refused as refusal:
                form.add_error(None, refusal.words)
            else:
                return HttpResponseRedirect(page_of(action), status=303)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts, "title": "Put an area on hold", "form": form, "submit": "See what it would do",
            "count": None, "hidden": [], "back": reverse("admin:delinquency_massaction_changelist"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/mass_choose.html", context)

    def paste_payments(self: Any, request: HttpRequest) -> HttpResponse:
        """Ask for lines with payments, and look at them as at a bank's file; nothing is recorded yet."""
        if not request.user.has_perm(RECORD):
            raise PermissionDenied
        form = PasteForm(request.POST or None)
        if form.is_bound and _is_fine(form):
            try:
                file = bank_files.take_in(
                    kind=rules.TRANSFERS, name=f"pasted {clock.now():%Y-%m-%d %H:%M} UTC.csv",
                    content=form.as_file(), by=staff_user(request),
                )  # fmt: skip
            except Refused as refusal:
                form.add_error("lines", refusal.words)
            else:
                return HttpResponseRedirect(reverse("admin:invoicing_bankfile_change", args=[file.pk]), status=303)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts, "title": "Record payments from pasted lines", "form": form, "submit": "Look at them",
            "count": None, "hidden": [], "back": reverse("admin:invoicing_bankfile_changelist"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/mass_choose.html", context)
