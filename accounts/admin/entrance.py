"""The pages on which staff sign in, give a code, and look after their second factor."""

import base64
from typing import Any

from allauth.account.forms import LoginForm
from allauth.account.internal.flows.login import record_authentication
from allauth.account.views import LoginView
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import TOTP, clear_totp_secret
from axes.handlers.proxy import AxesProxyHandler
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts import one_time_codes, staff_access
from accounts.models import User

from .base import staff_user
from .field_help import SaysHow
from .fresh import ask_for_proof

WRONG = "This name and password do not belong together, or the user is switched off. Check both and try again."


class SignInForm(SaysHow, LoginForm):
    """Name and password, under the names that browsers and password managers know."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("login", "password"):
            self.fields[name].widget.attrs.pop("placeholder", None)
            self.fields[name].help_text = ""
        self.fields["login"].widget.attrs["autofocus"] = True

    def add_prefix(self, field_name: str) -> str:
        """Return a field's name in the page: the first one is ``username``."""
        return "username" if field_name == "login" else str(super().add_prefix(field_name))

    def clean(self) -> dict[str, Any]:
        """Check name and password; who is no member of staff is answered as a wrong password is."""
        try:
            found: dict[str, Any] = super().clean() or {}
        except forms.ValidationError:
            raise forms.ValidationError(WRONG) from None
        if self.user is not None and not self.user.is_staff:
            raise forms.ValidationError(WRONG)
        return found


class CodeForm(SaysHow, AuthenticateForm):
    """The code of the phone, or a recovery code."""


class FirstCodeForm(SaysHow, ActivateTOTPForm):
    """The first code of a phone that is being set up."""


class SignIn(LoginView):
    """Ask for name and password; with a second factor, this only leads to the page that asks for the code."""

    template_name = "admin/sign_in.html"

    def get_success_url(self) -> str:
        """Return where they wanted to go, or home."""
        return next_of(self.request)

    def form_valid(self, form: SignInForm) -> HttpResponse:
        """Sign in, and tell who has no second factor where to set one up."""
        response: HttpResponse = super().form_valid(form)
        alone = self.request.user.is_authenticated and not staff_access.is_enrolled(self.request)
        if alone and not staff_access.is_required():
            words = (
                'You are signed in with a password alone. <a class="desk-link" href="{}">Set up codes from your'
                " phone</a>, so that a stolen password opens nothing."
            )
            messages.info(self.request, format_html(words, reverse("staff_second_factor")))
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return what the page shows."""
        found: dict[str, Any] = super().get_context_data(**kwargs)
        return _page(self.request, "Sign in") | found | {"next": next_of(self.request)}


class GiveCode(AuthenticateView):
    """Ask for the code, or one of the recovery codes."""

    template_name = "admin/sign_in_code.html"
    form_class = CodeForm

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Check the code, unless too many were wrong already."""
        name = self.stage.login.user.get_username()
        if not AxesProxyHandler.is_allowed(request, {"username": name}):
            return locked_out(request, None, {"username": name})
        response: HttpResponse = super().post(request, *args, **kwargs)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return what the page shows."""
        found: dict[str, Any] = super().get_context_data(**kwargs)
        return _page(self.request, "Your code") | found


def locked_out(request: HttpRequest, _response: HttpResponse | None, _credentials: object) -> HttpResponse:
    """Answer somebody who was wrong too often, from this address and with this name."""
    return TemplateResponse(request, "admin/sign_in_locked.html", _page(request, "Wait a little"), status=429).render()


@never_cache
def second_factor(request: HttpRequest) -> HttpResponse:
    """Show the state of one's own second factor, and what can be done about it."""
    user = staff_user(request)
    kept = {row.type: row for row in Authenticator.objects.filter(user=user)}
    codes = kept.get("recovery_codes")
    context = _page(request, "Your sign-in") | {
        "totp": kept.get("totp"), "codes_left": len(codes.wrap().get_unused_codes()) if codes else 0,
        "required": staff_access.is_required(), "sessions": user.sessions.count(),
    }  # fmt: skip
    return TemplateResponse(request, "admin/second_factor.html", context)


@never_cache
@sensitive_post_parameters()
def second_factor_on(request: HttpRequest) -> HttpResponse:
    """Set up codes from a phone: show the square, ask for the first code, then show the recovery codes once."""
    user = staff_user(request)
    if staff_access.has_second_factor(user):
        return HttpResponseRedirect(reverse("staff_second_factor"))
    if (asked := ask_for_proof(request)) is not None:
        return asked
    form: Any = FirstCodeForm(request.POST if request.method == "POST" else None, user=user)  # type: ignore[call-arg]
    if request.method == "POST" and form.is_valid():
        codes = _switch_on(request, user, form.secret, form.cleaned_data["code"])
        return _show_codes(request, codes, "Second factor set up")
    adapter = get_adapter()
    address = adapter.build_totp_url(user, form.secret)
    square = base64.b64encode(adapter.build_totp_svg(address).encode()).decode()
    secret = " ".join(form.secret[at : at + 4] for at in range(0, len(form.secret), 4))
    context = _page(request, "Set up codes from your phone") | {
        "form": form, "square": f"data:image/svg+xml;base64,{square}", "secret": secret, "address": address,
        "required": staff_access.is_required(),
    }  # fmt: skip
    return TemplateResponse(request, "admin/second_factor_on.html", context)


@never_cache
def second_factor_off(request: HttpRequest) -> HttpResponse:
    """Take one's own second factor away, after proof; where it is required, a new one is asked for at once."""
    user = staff_user(request)
    if (asked := ask_for_proof(request)) is not None:
        return asked
    if request.method == "POST":
        Authenticator.objects.filter(user=user).delete()
        request.session[staff_access.ENROLLED] = False
        _log(user, "Took their second factor away.")
        messages.success(request, "Your second factor is gone. A password alone signs you in now.")
        return HttpResponseRedirect(reverse("staff_second_factor"), status=303)
    words = "Codes of the app on your phone and your recovery codes stop working. You can set it up anew at any time."
    context = _page(request, "Take your second factor away") | {
        "words": words, "submit": "Take it away", "danger": True, "form": forms.Form(),
        "back": reverse("staff_second_factor"),
    }  # fmt: skip
    return TemplateResponse(request, "admin/confirm.html", context)


@never_cache
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """Make new recovery codes and show them once; the old ones stop working."""
    user = staff_user(request)
    if not staff_access.has_second_factor(user):
        return HttpResponseRedirect(reverse("staff_second_factor"))
    if (asked := ask_for_proof(request)) is not None:
        return asked
    if request.method == "POST":
        return _show_codes(request, _new_codes(user), "New recovery codes")
    context = _page(request, "New recovery codes") | {
        "words": "Ten new codes are shown once. The ones you have now stop working.", "submit": "Make new codes",
        "form": forms.Form(), "back": reverse("staff_second_factor"),
    }  # fmt: skip
    return TemplateResponse(request, "admin/confirm.html", context)


@never_cache
def password_change(request: HttpRequest) -> HttpResponse:
    """Change one's own password, after proof: the old one is not to be guessed here in a browser left open (SEC-11)."""
    if (asked := ask_for_proof(request)) is not None:
        return asked
    response: HttpResponse = admin.site.admin_view(admin.site.password_change)(request)
    return response


def next_of(request: HttpRequest) -> str:
    """Return the page to go on to: one of our own, or home."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, request.is_secure()):
        return wanted
    return reverse("admin:index")


@transaction.atomic
def _switch_on(request: HttpRequest, user: User, secret: str, code: str) -> list[str]:
    made = TOTP.activate(user, secret)
    one_time_codes.use_up(user, secret, code)
    clear_totp_secret(request)
    record_authentication(request, user, "mfa", id=made.instance.pk, type=made.instance.type, reauthenticated=True)
    # A session that somebody else may have begun with the password alone ends here; the key of this one is new.
    request.session[staff_access.ENROLLED] = True
    request.session.cycle_key()
    staff_access.end_sessions(user, but=request.session.session_key)
    _log(user, "Set up a second factor.")
    return _new_codes(user)


@transaction.atomic
def _new_codes(user: User) -> list[str]:
    User.objects.select_for_update().get(pk=user.pk)
    Authenticator.objects.filter(user=user, type=Authenticator.Type.RECOVERY_CODES).delete()
    return list(RecoveryCodes.activate(user).get_unused_codes())


def _show_codes(request: HttpRequest, codes: list[str], title: str) -> HttpResponse:
    return TemplateResponse(request, "admin/recovery_codes.html", _page(request, title) | {"codes": codes})


def _log(user: User, words: str) -> None:
    LogEntry.objects.log_actions(user.pk, [user], CHANGE, change_message=words, single_object=True)


def _page(request: HttpRequest, title: str) -> dict[str, Any]:
    return {**admin.site.each_context(request), "title": title}


# Before the admin's own addresses: its log-in is answered here.
urlpatterns = [
    path("login/", SignIn.as_view(), name="account_login"),
    path("login/code/", GiveCode.as_view(), name="mfa_authenticate"),
    path("password_change/", password_change, name="staff_password_change"),
    path("sign-in/", second_factor, name="staff_second_factor"),
    path("sign-in/on/", second_factor_on, name="staff_second_factor_on"),
    path("sign-in/off/", second_factor_off, name="staff_second_factor_off"),
    path("sign-in/recovery-codes/", recovery_codes, name="staff_recovery_codes"),
]
