"""How staff sign in: the parts of Django, allauth and axes that settings take over, and the one variable about it."""

from datetime import timedelta

from environs import Env

from .channels import Wrong

REQUIRED, OFFERED = "required", "offered"

STAFF_APPS = ["allauth", "allauth.account", "allauth.mfa", "axes"]
# After the session and the user are known; axes comes last, since it answers for whoever is locked out.
STAFF_MIDDLEWARE = [
    "allauth.account.middleware.AccountMiddleware",
    "accounts.staff_access.StaffGate",
    "axes.middleware.AxesMiddleware",
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_AGE = 12 * 60 * 60  # a working day; staff are signed out after half an hour without a click

ACCOUNT_ADAPTER = "accounts.staff_access.StaffAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_FORMS = {"login": "accounts.admin.entrance.SignInForm"}
# Wrong passwords are counted by axes, in the database; what is left here are wrong codes, for each user.
ACCOUNT_RATE_LIMITS = {"login": "", "login_failed": "5/300s/key"}
ACCOUNT_LOGIN_TIMEOUT = 600
MFA_ADAPTER = "accounts.staff_access.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_TOLERANCE = 1  # a phone's clock may be half a minute off
MFA_RECOVERY_CODE_DIGITS = 10
MFA_FORMS = {"authenticate": "accounts.one_time_codes.CodeForm"}

# By name and address together, so that a stranger cannot lock anybody out from their own desk (SEC-19).
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "accounts.staff_access.address_of"
AXES_LOCKOUT_CALLABLE = "accounts.admin.entrance.locked_out"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AXES_DISABLE_ACCESS_LOG = True  # who signed in is a matter of the audit log


def read_two_factor(env: Env, variable: str, *, debug: bool | None) -> str:
    """Return whether staff must give a second factor (``required``) or may (``offered``); raises Wrong.

    ``debug`` is None in the demo, which prints its log-ins and lets one in with them; production always requires it.
    """
    found = env.str(variable, "").strip() or (OFFERED if debug is None else REQUIRED)
    if found not in (REQUIRED, OFFERED):
        raise Wrong(variable, f"'{found[:60]}' is unknown; use {REQUIRED} or {OFFERED}.")
    if found == OFFERED and debug is False:
        raise Wrong(
            variable, f"'{OFFERED}' is for trials; in production (DEBUG=false) set it to {REQUIRED} or unset it."
        )
    return found
