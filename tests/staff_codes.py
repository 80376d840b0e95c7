"""Members of staff who sign in as people do: with a password, and with codes from a phone."""

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User

PASSWORD = "a long enough password"
LOGIN = "/admin/login/"


def hire(username: str = "ann", *, role: str = "Billing clerks", **fields: Any) -> User:
    """Make a member of staff with a role and the password of these tests."""
    user = User.objects.create_user(username, password=PASSWORD, **{"is_staff": True} | fields)
    if role:
        user.groups.add(Group.objects.get(name=role))
    return user


def give_phone(user: User) -> str:
    """Set up a second factor for somebody; return its secret."""
    secret = str(generate_totp_secret())
    TOTP.activate(user, secret)
    RecoveryCodes.activate(user)
    return secret


def code_of(secret: str, *, ahead: int = 0) -> str:
    """Return the code that a phone with this secret shows now, or one whose clock is a half minute off."""
    return str(format_hotp_value(hotp_value(secret, list(yield_hotp_counters_from_time())[1 + ahead])))


def recovery_codes_of(user: User) -> list[str]:
    """Return the recovery codes that are left."""
    row = Authenticator.objects.get(user=user, type=Authenticator.Type.RECOVERY_CODES)
    return list(row.wrap().get_unused_codes())


def sign_in(username: str, *, code: str = "", client: Client | None = None) -> Client:
    """Sign in with the password, and with a code if one is given; return the browser."""
    browser = client or Client()
    browser.post(LOGIN, {"username": username, "password": PASSWORD})
    if code:
        browser.post(LOGIN + "code/", {"code": code})
    return browser


def is_in(browser: Client) -> bool:
    """Tell whether a browser gets the home page."""
    return bool(browser.get("/admin/").status_code == 200)
