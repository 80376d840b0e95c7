"""Which providers carry e-mail, texts and calls: read from the environment; a wrong value ends the start.

An e-mail provider's variables have the names that anymail documents, such as MAILGUN_API_KEY; with ANYMAIL_ in
front they are read, too. Which of its keys proves that a call of ours comes from the provider is in ``SIGNED``.
"""

import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

from environs import Env

SIMULATED = "accounts.outreach.simulated.SimulatedChannel"
MAIL = "accounts.outreach.mail.MailChannel"
SMTP = "accounts.outreach.smtp.SmtpBackend"
SMTP_SECONDS, HTTP_SECONDS = 20, (5, 15)

# Provider -> what it must have, and what it may have besides.
PROVIDERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "amazon_ses": ((), ("AMAZON_SES_CONFIGURATION_SET_NAME",)),
    "brevo": (("BREVO_API_KEY",), ("BREVO_API_URL",)),
    "mailersend": (
        ("MAILERSEND_API_TOKEN",),
        ("MAILERSEND_API_URL", "MAILERSEND_SIGNING_SECRET", "MAILERSEND_INBOUND_SECRET"),
    ),
    "mailgun": (("MAILGUN_API_KEY",), ("MAILGUN_API_URL", "MAILGUN_SENDER_DOMAIN", "MAILGUN_WEBHOOK_SIGNING_KEY")),
    "mailjet": (("MAILJET_API_KEY", "MAILJET_SECRET_KEY"), ("MAILJET_API_URL",)),
    "mailtrap": (
        ("MAILTRAP_API_TOKEN",),
        ("MAILTRAP_API_URL", "MAILTRAP_SANDBOX_ID", "MAILTRAP_TRACKING_SECRET", "MAILTRAP_INBOUND_SECRET"),
    ),
    "mandrill": (("MANDRILL_API_KEY",), ("MANDRILL_API_URL", "MANDRILL_WEBHOOK_KEY", "MANDRILL_WEBHOOK_URL")),
    "postal": (("POSTAL_API_KEY", "POSTAL_API_URL"), ("POSTAL_WEBHOOK_KEY",)),
    "postmark": (("POSTMARK_SERVER_TOKEN",), ("POSTMARK_API_URL", "POSTMARK_MESSAGE_STREAM")),
    "resend": (("RESEND_API_KEY",), ("RESEND_API_URL", "RESEND_SIGNING_SECRET", "RESEND_INBOUND_SECRET")),
    "scaleway": (("SCALEWAY_SECRET_KEY", "SCALEWAY_PROJECT_ID"), ("SCALEWAY_API_URL", "SCALEWAY_REGION")),
    "sendgrid": (("SENDGRID_API_KEY",), ("SENDGRID_API_URL", "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY")),
    "sparkpost": (("SPARKPOST_API_KEY",), ("SPARKPOST_API_URL", "SPARKPOST_SUBACCOUNT")),
    "unisender_go": (("UNISENDER_GO_API_KEY", "UNISENDER_GO_API_URL"), ()),
}
# The providers whose reports carry a signature, and the key that it is made with. The others put a password into the
# address they call, which is not enough to believe a bounce: their reports are not listened to.
SIGNED: dict[str, str] = {
    "mailersend": "MAILERSEND_SIGNING_SECRET",
    "mailgun": "MAILGUN_WEBHOOK_SIGNING_KEY",
    "mailtrap": "MAILTRAP_TRACKING_SECRET",
    "mandrill": "MANDRILL_WEBHOOK_KEY",
    "postal": "POSTAL_WEBHOOK_KEY",
    "resend": "RESEND_SIGNING_SECRET",
    "sendgrid": "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY",
    "unisender_go": "UNISENDER_GO_API_KEY",
}
NEEDED_PACKAGES = {"amazon_ses": "boto3"}
TWILIO = {"SMS_CHANNEL": "accounts.outreach.twilio_sms.SmsChannel",
          "VOICE_CHANNEL": "accounts.outreach.twilio_voice.VoiceChannel"}  # fmt: skip
_ACCOUNT = re.compile(r"AC[0-9a-fA-F]{32}")
_TOKENS = re.compile(r"[\x21-\x7e]{8,200}")
_FROM = re.compile(r"\+[1-9]\d{6,14}|MG[0-9a-fA-F]{32}|\d{5,6}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")


class Wrong(Exception):
    """A variable that cannot be used, and what to do about it."""

    def __init__(self, variable: str, words: str) -> None:
        super().__init__(f"{variable}: {words}")
        self.variable = variable
        self.words = words


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """The e-mail channel as Django's settings want it."""

    provider: str
    channel: str = SIMULATED
    backend: str = "django.core.mail.backends.dummy.EmailBackend"
    server: dict[str, Any] = field(default_factory=dict)
    anymail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """The channels for texts and calls."""

    channels: dict[str, str]
    account_sid: str
    auth_token: str
    sender: str
    api_base: str


def read_mail(env: Env) -> Mail:
    """Read EMAIL_CHANNEL and the variables of the provider it names; raises Wrong."""
    name = _read(env, "EMAIL_CHANNEL") or "simulated"
    if name == "simulated":
        return Mail(provider=name)
    if name == "smtp":
        return Mail(
            provider=name, channel=MAIL, backend=SMTP,
            server=_server(_read(env, "EMAIL_URL")),
        )  # fmt: skip
    if name not in PROVIDERS:
        _refuse("EMAIL_CHANNEL", f"'{name[:60]}' is unknown; use simulated, smtp or {', '.join(PROVIDERS)}.")
    package = NEEDED_PACKAGES.get(name)
    if package and find_spec(package) is None:
        _refuse("EMAIL_CHANNEL", f"'{name}' needs the Python package {package}, which is not installed; install it.")
    required, optional = PROVIDERS[name]
    own = {variable: _read(env, variable) or _read(env, f"ANYMAIL_{variable}") for variable in (*required, *optional)}
    for variable in required:
        if not own[variable]:
            _refuse(
                "EMAIL_CHANNEL", f"'{name}' needs {variable}, which is not set; copy it from the provider's console."
            )
    # What a provider cannot express (marks, tags) is left out of a letter, rather than the letter.
    anymail = {"REQUESTS_TIMEOUT": HTTP_SECONDS, "IGNORE_UNSUPPORTED_FEATURES": True}
    return Mail(
        provider=name, channel=MAIL, backend=f"anymail.backends.{name}.EmailBackend",
        anymail=anymail | {variable: value for variable, value in own.items() if value},
    )  # fmt: skip


def read_phone(env: Env) -> Phone:
    """Read SMS_CHANNEL, VOICE_CHANNEL and Twilio's variables; raises Wrong."""
    chosen = {variable: _read(env, variable) or "simulated" for variable in TWILIO}
    for variable, name in chosen.items():
        if name not in ("simulated", "twilio"):
            _refuse(variable, f"'{name[:60]}' is unknown; use simulated or twilio.")
    phone = Phone(
        channels={variable: TWILIO[variable] if name == "twilio" else SIMULATED for variable, name in chosen.items()},
        account_sid=_read(env, "TWILIO_ACCOUNT_SID"),
        auth_token=_read(env, "TWILIO_AUTH_TOKEN"),
        sender=_read(env, "TWILIO_FROM"),
        api_base=_read(env, "TWILIO_API_BASE").rstrip("/"),
    )
    users = [variable for variable, name in chosen.items() if name == "twilio"]
    if users:
        _check_twilio(phone, users[0])
    return phone


def _check_twilio(phone: Phone, user: str) -> None:
    console = "copy it from Twilio's console."
    for variable, value in (("TWILIO_ACCOUNT_SID", phone.account_sid), ("TWILIO_AUTH_TOKEN", phone.auth_token)):
        if not value:
            _refuse(user, f"'twilio' needs {variable}, which is not set; {console}")
    if not _ACCOUNT.fullmatch(phone.account_sid):
        _refuse("TWILIO_ACCOUNT_SID", f"is no account SID (AC and 32 of 0-9, a-f); {console}")
    tokens = [token.strip() for token in phone.auth_token.split(",")]
    if not all(_TOKENS.fullmatch(token) for token in tokens) or len(tokens) > 2:
        _refuse("TWILIO_AUTH_TOKEN", f"is no token, nor two with a comma; {console}")
    if phone.sender and not _FROM.fullmatch(phone.sender):
        _refuse(
            "TWILIO_FROM",
            f"'{phone.sender[:40]}' is no sender; write a number such as +15550109999 or a messaging service (MG…).",
        )
    if phone.api_base and not _is_address(phone.api_base):
        _refuse("TWILIO_API_BASE", f"'{phone.api_base[:60]}' is no address; write it like https://host:port, or unset.")


def _server(url: str) -> dict[str, Any]:
    """Return Django's settings of a mail server; raises Wrong. The address may hold a password: it is not repeated."""
    mend = "write it like smtp://user:password@host:587"
    if not url:
        _refuse("EMAIL_CHANNEL", f"'smtp' needs EMAIL_URL, which is not set; {mend}.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        good = parts.scheme in ("smtp", "smtps", "smtp+tls", "smtp+ssl") and bool(host) and parts.path in ("", "/")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError:
        good = False
    if not good:
        _refuse("EMAIL_URL", f"is no address of a mail server; {mend} (smtps:// for TLS from the start).")
    at_once = parts.scheme in ("smtps", "smtp+ssl")
    options = {key: value for key, _, value in (pair.partition("=") for pair in parts.query.split("&")) if key}
    upgrade = parts.scheme == "smtp+tls" or options.get("tls", "").lower() in ("true", "1", "yes")
    return {
        "EMAIL_HOST": host, "EMAIL_PORT": port or (465 if at_once else 587 if upgrade or user else 25),
        "EMAIL_HOST_USER": user, "EMAIL_HOST_PASSWORD": password, "EMAIL_TIMEOUT": SMTP_SECONDS,
        # A password is never sent in the clear to another machine.
        "EMAIL_USE_SSL": at_once,
        "EMAIL_USE_TLS": not at_once and (upgrade or (bool(user) and not is_loopback(host))),
    }  # fmt: skip


def is_loopback(host: str) -> bool:
    """Tell whether a host is this very machine."""
    return host == "localhost" or host.startswith("127.") or host == "::1"


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    good = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    return good and bool(parts.hostname) and parts.path == "" and not parts.query


def _read(env: Env, variable: str) -> str:
    return env.str(variable, "").strip()


def _refuse(variable: str, words: str) -> NoReturn:
    raise Wrong(variable, words)
