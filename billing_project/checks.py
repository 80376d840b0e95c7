"""System checks of what goes out into the world: refused at start, not noticed at night."""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as Caution

from .channels import SIGNED, SIMULATED, TWILIO, is_loopback

NAMES = ("EMAIL_CHANNEL", *TWILIO)


@register
def check_no_live_provider_in_development(**_: Any) -> Iterable[CheckMessage]:
    """Refuse live providers with DEBUG on: a developer's data must not write to people."""
    if settings.DEBUG:
        for name in _live():
            yield Error(
                f"{name} names a live provider, and DEBUG is on. Set {name}=simulated, or unset DEBUG.",
                id="billing_project.E001",
            )


@register
def check_reports_can_be_believed(**_: Any) -> Iterable[CheckMessage]:
    """Refuse a provider that signs its reports, without the key by which they are known."""
    key = SIGNED.get(settings.EMAIL_PROVIDER)
    if key and not settings.ANYMAIL.get(key):
        yield Error(
            f"{key} is not set, so the reports of {settings.EMAIL_PROVIDER} about bounces cannot be told from forged"
            " ones."
            " Copy it from the provider's page about webhooks.",
            id="billing_project.E002",
        )
    if _twilio() and not settings.TWILIO_AUTH_TOKEN:
        yield Error(
            "TWILIO_AUTH_TOKEN is not set, so Twilio's reports cannot be told from forged ones."
            " Copy it from Twilio's console.",
            id="billing_project.E002",
        )


@register
def check_public_address(**_: Any) -> Iterable[CheckMessage]:
    """Refuse links and callbacks over plain HTTP where a live provider is on."""
    public = urlsplit(settings.PUBLIC_BASE_URL)
    if public.scheme == "https":
        return
    only_here = is_loopback(public.hostname or "")
    for name in _live():
        if only_here and is_loopback(_host_of(name)):
            continue  # both ends on this machine: a trial, from which nothing leaves
        yield Error(
            f"PUBLIC_BASE_URL is {settings.PUBLIC_BASE_URL}, which is not https, and {name} names a live provider."
            " Set PUBLIC_BASE_URL to the address under which customers and providers reach this program, such as"
            " https://billing.example.net.",
            id="billing_project.E003",
        )


@register
def check_senders(**_: Any) -> Iterable[CheckMessage]:
    """Refuse texts and calls that would come from nobody."""
    sender = settings.TWILIO_FROM
    if TWILIO["SMS_CHANNEL"] == settings.SMS_CHANNEL and not sender:
        yield Error(
            "TWILIO_FROM is not set, and SMS_CHANNEL=twilio needs it."
            " Set it to a number of the account, such as +15550109999, or to a messaging service (MG…).",
            id="billing_project.E004",
        )
    if TWILIO["VOICE_CHANNEL"] == settings.VOICE_CHANNEL and not sender.startswith("+"):
        yield Error(
            f"TWILIO_FROM is {sender or 'not set'}, and VOICE_CHANNEL=twilio needs a number that calls come from."
            " Set it to a number of the account, such as +15550109999.",
            id="billing_project.E004",
        )


@register(Tags.database)
def check_companies_have_a_sender(*, databases: Sequence[str] | None = None, **_: Any) -> Iterable[CheckMessage]:
    """Warn of companies whose letters would have no sender."""
    if "default" not in (databases or ()) or settings.EMAIL_CHANNEL == SIMULATED:
        return
    from django.db import DatabaseError

    from accounts.models import Company

    try:
        names = list(Company.objects.filter(email_sender="").values_list("name", flat=True)[:10])
    except DatabaseError:  # before the first migration there are none
        return
    for name in names:
        yield Caution(
            f"Company {name} has no e-mail sender, and e-mails are switched on: its letters will wait."
            " Write one on the company's page, such as Valley Fibre <billing@valley.example>.",
            id="billing_project.W001",
        )


def _live() -> list[str]:
    """Return the variables that name a provider outside this program."""
    return [name for name in NAMES if getattr(settings, name) != SIMULATED]


def _twilio() -> bool:
    return any(getattr(settings, name) == path for name, path in TWILIO.items())


def _host_of(name: str) -> str:
    """Return the host that a channel's provider is asked at, "" if that is the provider's own."""
    if name in TWILIO:
        return urlsplit(settings.TWILIO_API_BASE).hostname or ""
    if settings.EMAIL_PROVIDER == "smtp":
        return str(settings.EMAIL_HOST)
    address = settings.ANYMAIL.get(f"{settings.EMAIL_PROVIDER.upper()}_API_URL", "")
    return urlsplit(address).hostname or ""
