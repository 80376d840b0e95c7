"""Ask who it is once more before what is dangerous, and go on with what was being done (SEC-11).

The page that asks carries everything that was typed and sends it to the same address again: nothing is lost, and the
view behind needs to know nothing of it.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from allauth.account.internal.flows.login import record_authentication
from axes.handlers.proxy import AxesProxyHandler
from django import forms
from django.contrib import admin
from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from accounts import staff_access
from accounts.models import User
from accounts.one_time_codes import ProofForm
from billing_project.kernel import clock

from .base import HistoryAdmin, staff_user

FRESH_SECONDS = 15 * 60
PASSWORD, CODE, ALONE = "proof_password", "proof_code", "proof_alone"
_OWN = {PASSWORD, CODE, ALONE, "csrfmiddlewaretoken"}
View = TypeVar("View", bound=Callable[..., Any])


def is_fresh(request: HttpRequest) -> bool:
    """Tell whether the last proof of identity is younger than 15 minutes.

    A session that came about without any recorded proof was made by the program itself (``force_login``, a trial);
    nobody can make one from outside. It counts where a second factor is only offered, and never where it is required.
    """
    proofs = staff_access.proofs(request)
    if not proofs:
        return not staff_access.is_required() and not staff_access.is_enrolled(request)
    return bool(clock.real_seconds() - max(float(proof["at"]) for proof in proofs) < FRESH_SECONDS)


def ask_for_proof(request: HttpRequest) -> HttpResponse | None:
    """Return None where the proof is fresh, or was just given; otherwise the page that asks for it."""
    if request.method == "POST" and (PASSWORD in request.POST or CODE in request.POST):
        refused = _check(request)
        if refused is not None:
            return _ask(request, refused)
        if ALONE in request.POST:
            return HttpResponseRedirect(request.get_full_path(), status=303)
        _forget_proof(request)
        return None
    return None if is_fresh(request) else _ask(request, "")


def needs_fresh_proof(view: View) -> View:
    """Let a method of an admin run only with a fresh proof; its first argument after self is the request."""

    @wraps(view)
    def guarded(self: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        asked = ask_for_proof(request)
        return view(self, request, *args, **kwargs) if asked is None else asked

    return cast(View, guarded)


class FreshChanges:
    """A screen whose rows are added and changed only after a fresh proof: staff, roles, limits, devices' secrets."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show or save a row."""
        if request.method == "POST" and (asked := ask_for_proof(request)) is not None:
            return asked
        return super().changeform_view(request, *args, **kwargs)  # type: ignore[misc]


class LimitAdmin(FreshChanges, HistoryAdmin):
    """How far a role may go alone: set by superusers, who have no limit to raise, and by nobody for themselves."""

    may_delete = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only superusers set limits."""
        return staff_user(request).is_superuser

    def has_change_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        """Only superusers change limits."""
        return staff_user(request).is_superuser

    def has_delete_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        """Only superusers remove limits; the role may then do nothing of it alone."""
        return staff_user(request).is_superuser


def _check(request: HttpRequest) -> str | None:
    """Check a password or code that was given; return what is wrong with it, or None."""
    user = staff_user(request)
    if not AxesProxyHandler.is_allowed(request, {"username": user.get_username()}):
        return "Too many wrong tries. Wait 15 minutes, then try again."
    if staff_access.is_enrolled(request):
        return _check_code(request, user)
    found = authenticate(request, username=user.get_username(), password=request.POST.get(PASSWORD, ""))
    if found is None or found.pk != user.pk:
        return "That is not your password. Try again."
    record_authentication(request, user, "password", reauthenticated=True)
    return None


def _check_code(request: HttpRequest, user: User) -> str | None:
    form: forms.Form = ProofForm({"code": request.POST.get(CODE, "")}, user=user)
    if not form.is_valid():
        return "That code is wrong or was used already. Wait for the next one on your phone and try again."
    form.save()  # type: ignore[attr-defined]
    return None


def _forget_proof(request: HttpRequest) -> None:
    """Take what proved it out of what was typed, so that the view behind never sees it."""
    typed = request.POST.copy()
    for name in (PASSWORD, CODE):
        typed.pop(name, None)
    typed._mutable = False
    request.POST = typed  # type: ignore[assignment]


def _ask(request: HttpRequest, wrong: str) -> HttpResponse:
    posted = request.method == "POST" and ALONE not in request.POST
    typed = [
        (name, value) for name in request.POST if name not in _OWN for value in request.POST.getlist(name) if posted
    ]
    context = {
        **admin.site.each_context(request),
        "title": "Is it still you?", "typed": typed, "alone": not posted, "wrong": wrong,
        "by_code": staff_access.is_enrolled(request), "files": list(request.FILES),
    }  # fmt: skip
    response = TemplateResponse(request, "admin/prove.html", context)
    response.headers["Cache-Control"] = "no-store, private"
    return response
