"""Who is let into the back office, and how far: the second factor, the half hour without a click, ended sessions.

The gate stands before the whole of ``/admin/`` and not before single views: an address that nobody thought of is shut
(SEC-11). What a browser has proved is kept in its session by allauth (which proof, and when).
"""

from collections.abc import Callable
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authentication_failed
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import Resolver404, resolve, reverse

from billing_project.kernel import clock
from billing_project.kernel.secrets import seal, unseal

from .client_address import client_address
from .models import BrowserSession, User

IDLE_SECONDS, TOUCH_SECONDS = 30 * 60, 60
ENROLLED, SEEN = "staff_enrolled", "staff_seen_at"
# Open to anybody; and to whoever gave a password and still has to set up the second factor.
OPEN_TO_ALL = {"account_login", "admin:login", "mfa_authenticate"}
OPEN_TO_HALF = {*OPEN_TO_ALL, "admin:logout", "staff_second_factor", "staff_second_factor_on"}


def is_required() -> bool:
    """Tell whether nobody gets in without a second factor (``STAFF_TWO_FACTOR``)."""
    return bool(settings.STAFF_TWO_FACTOR == "required")


def has_second_factor(user: User) -> bool:
    """Tell whether a member of staff has set up codes from a phone."""
    return bool(Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists())


def proofs(request: HttpRequest) -> list[dict[str, Any]]:
    """Return what this browser has proved of who it is, oldest first: ``method`` and ``at`` (seconds since 1970)."""
    return list(get_authentication_records(request, request.user))


def has_proved_code(request: HttpRequest) -> bool:
    """Tell whether this browser has given a second factor."""
    return any(proof.get("method") == "mfa" for proof in proofs(request))


def is_enrolled(request: HttpRequest) -> bool:
    """Tell whether who asks has a second factor, wherever it was set up."""
    return bool(request.session.get(ENROLLED)) or bool(getattr(request.session, "has_codes", False))


def end_sessions(user: User, *, but: str | None = None) -> int:
    """Sign a member of staff out everywhere, except in the browser with the session key ``but``; return how many."""
    gone = BrowserSession.objects.filter(user=user).exclude(session_key=but or "")
    return int(gone.delete()[0])


@transaction.atomic
def take_away_second_factor(user: User) -> bool:
    """Remove somebody's codes and recovery codes (a lost phone) and sign them out; return whether there were any."""
    had = bool(Authenticator.objects.filter(user=user).delete()[0])
    end_sessions(user)
    return had


def address_of(request: HttpRequest) -> str:
    """Return the address that asks, as wrong passwords are counted; where nobody can tell, 0.0.0.0."""
    return str(client_address(request) or "0.0.0.0")  # noqa: S104


class StaffGate:
    """Let a request to the back office through only with as much proof as it needs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.home = reverse("admin:index")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer with a redirect where the proof is not enough; otherwise go on."""
        if not request.path_info.startswith(self.home):
            return self.get_response(request)
        stopped = _stop(request)
        if stopped is not None:
            return stopped
        response = self.get_response(request)
        # Nobody's screen stays in the browser's store after they have signed out.
        response.headers.setdefault("Cache-Control", "no-store, private")
        return response


def _stop(request: HttpRequest) -> HttpResponse | None:
    name = _view_of(request)
    if not request.user.is_authenticated:
        return None if name in OPEN_TO_ALL else _to_login(request)
    if _was_idle(request) or not request.user.is_staff:
        return _out(request)
    if is_enrolled(request):
        # Signed in before the second factor was set up elsewhere, or in the same moment, or by a door that does not ask
        # for it: setting it up ends the sessions that are there, and this the one that came to be beside it.
        return None if has_proved_code(request) else _out(request)
    if is_required() and name not in OPEN_TO_HALF:
        return HttpResponseRedirect(reverse("staff_second_factor_on"))
    return None


def _view_of(request: HttpRequest) -> str:
    try:
        return resolve(request.path_info).view_name
    except Resolver404:
        return ""


def _was_idle(request: HttpRequest) -> bool:
    """Tell whether nobody has clicked for half an hour; keep the time of this click, at most once a minute."""
    present = clock.real_seconds()
    since = present - float(request.session.get(SEEN, present))
    if since > IDLE_SECONDS:
        return True
    if since > TOUCH_SECONDS or SEEN not in request.session:
        request.session[SEEN] = present
    return False


def _out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return _to_login(request)


def _to_login(request: HttpRequest) -> HttpResponse:
    return redirect_to_login(request.get_full_path(), reverse("account_login"))


@receiver(user_logged_in, dispatch_uid="accounts.staff_begins")
def begin(request: HttpRequest, user: User, **_: Any) -> None:
    """Keep in a new session when it was begun and whether its user has a second factor."""
    request.session[SEEN] = clock.real_seconds()
    request.session[ENROLLED] = has_second_factor(user)


@receiver(authentication_failed, dispatch_uid="accounts.staff_wrong_code")
def count_wrong_code(request: HttpRequest, user: User, **_: Any) -> None:
    """Count a wrong code like a wrong password."""
    user_login_failed.send(sender=__name__, credentials={"username": user.get_username()}, request=request)


class StaffAdapter(DefaultAccountAdapter):
    """Staff are added by an administrator, and wrong passwords are counted by axes."""

    def is_open_for_signup(self, _request: HttpRequest) -> bool:
        """Say no: nobody signs up for a back office."""
        return False

    def pre_authenticate(self, _request: HttpRequest, **_: Any) -> None:
        """Count nothing here: by name alone a stranger could lock anybody out (SEC-19)."""

    def pre_login(self, _request: HttpRequest, user: User, **_: Any) -> HttpResponse | None:
        """Refuse who is no member of staff; raises PermissionDenied."""
        if not user.is_staff:
            raise PermissionDenied
        return None

    def add_message(self, *_: Any, **__: Any) -> None:
        """Say nothing of each sign-in: the page that opens says it."""

    def send_notification_mail(self, *_: Any, **__: Any) -> None:
        """Write to nobody: letters to staff go by the program's own post room."""

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address that asks, as all of the program counts it."""
        return address_of(request)


class SecondFactorAdapter(DefaultMFAAdapter):
    """How second factors are kept: sealed, and named after the program."""

    def get_totp_issuer(self) -> str:
        """Return the name that the phone shows beside the code."""
        return "Billing back office"

    def get_totp_label(self, user: User) -> str:
        """Return whose code it is."""
        return user.get_username()

    def encrypt(self, text: str) -> str:
        """Seal a secret before it is written."""
        return seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Open a secret that was read."""
        return unseal(encrypted_text)
