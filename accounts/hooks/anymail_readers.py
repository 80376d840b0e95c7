"""Which e-mail providers sign what they report, how their requests are verified, and which ones cannot be trusted."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from anymail.exceptions import AnymailError
from anymail.webhooks.mailersend import MailerSendInboundWebhookView, MailerSendTrackingWebhookView
from anymail.webhooks.mailgun import MailgunInboundWebhookView, MailgunTrackingWebhookView
from anymail.webhooks.mailtrap import MailtrapTrackingWebhookView
from anymail.webhooks.mandrill import MandrillCombinedWebhookView
from anymail.webhooks.postal import PostalInboundWebhookView, PostalTrackingWebhookView
from anymail.webhooks.sendgrid import SendGridTrackingWebhookView
from anymail.webhooks.unisender_go import UnisenderGoTrackingWebhookView
from django.conf import settings
from django.core import checks
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError

from .anymail_resend import ResendInbound, ResendTracking

TRACKING, INBOUND = "tracking", "inbound"
# What reading a hostile request may raise, in Django's parsers, in anymail's and in ours. None of it is our mistake.
UNREADABLE = (
    AnymailError, ArithmeticError, AssertionError, AttributeError, LookupError, MultiPartParserError, OSError,
    RecursionError, SuspiciousOperation, TypeError, ValueError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reader:
    """How one provider's requests of one kind are read: anymail's view, and where its secret is kept."""

    made_by: Callable[..., Any]
    secret_name: str  # in settings.ANYMAIL
    argument: str  # of the view
    signs_its_address: bool = False  # then it must be told the public one, also behind a proxy

    def secrets(self) -> list[str]:
        """Return the secrets that are in force: one, or two with a comma while the key is changed."""
        value = str(getattr(settings, "ANYMAIL", {}).get(self.secret_name) or "")
        return [part.strip() for part in value.split(",") if part.strip()]

    def verified(self, request: HttpRequest) -> Any | None:
        """Return the view that verified the request with one of the secrets, or None if none did."""
        ours = f"{settings.PUBLIC_BASE_URL.rstrip('/')}{request.path}"
        more = {"webhook_url": ours} if self.signs_its_address else {}
        for secret in self.secrets():
            try:
                view = self.made_by(**{self.argument: secret}, **more)
                view.run_validators(request)
            except UNREADABLE:
                continue
            return view
        return None


MANDRILL = Reader(MandrillCombinedWebhookView, "MANDRILL_WEBHOOK_KEY", "webhook_key", signs_its_address=True)
READERS: dict[tuple[str, str], Reader] = {
    ("mailgun", TRACKING): Reader(MailgunTrackingWebhookView, "MAILGUN_WEBHOOK_SIGNING_KEY", "webhook_signing_key"),
    ("mailgun", INBOUND): Reader(MailgunInboundWebhookView, "MAILGUN_WEBHOOK_SIGNING_KEY", "webhook_signing_key"),
    ("mandrill", TRACKING): MANDRILL,
    ("mandrill", INBOUND): MANDRILL,
    ("mailersend", TRACKING): Reader(MailerSendTrackingWebhookView, "MAILERSEND_SIGNING_SECRET", "signing_secret"),
    ("mailersend", INBOUND): Reader(MailerSendInboundWebhookView, "MAILERSEND_INBOUND_SECRET", "inbound_secret"),
    ("mailtrap", TRACKING): Reader(MailtrapTrackingWebhookView, "MAILTRAP_TRACKING_SECRET", "tracking_secret"),
    ("postal", TRACKING): Reader(PostalTrackingWebhookView, "POSTAL_WEBHOOK_KEY", "webhook_key"),
    ("postal", INBOUND): Reader(PostalInboundWebhookView, "POSTAL_WEBHOOK_KEY", "webhook_key"),
    ("resend", TRACKING): Reader(ResendTracking, "RESEND_SIGNING_SECRET", "secret"),
    ("resend", INBOUND): Reader(ResendInbound, "RESEND_INBOUND_SECRET", "secret"),
    ("sendgrid", TRACKING): Reader(
        SendGridTrackingWebhookView, "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY", "tracking_webhook_verification_key"
    ),
    ("unisender_go", TRACKING): Reader(UnisenderGoTrackingWebhookView, "UNISENDER_GO_API_KEY", "api_key"),
}
SIGNING = frozenset(provider for provider, _kind in READERS)
# Of these nothing is taken in, and why.
UNSIGNED = {
    "amazon_ses": "Amazon SES reports by Amazon SNS, whose signatures are not checked",
    "brevo": "Brevo does not sign what it reports",
    "mailjet": "Mailjet does not sign what it reports",
    "postmark": "Postmark does not sign what it reports",
    "scaleway": "Scaleway's reports cannot be read",
    "sparkpost": "SparkPost does not sign what it reports",
    "smtp": "a plain mail server reports nothing",
}


def provider_in_use() -> str:
    """Return the provider that EMAIL_CHANNEL names, such as mailgun; empty for the simulated channel."""
    name = str(getattr(settings, "EMAIL_PROVIDER", ""))
    return "" if name == "simulated" else name


def why_not_taken_in(provider: str, kind: str) -> str:
    """Return one sentence on why a provider's requests are refused, or an empty text if they are taken in."""
    if (provider, kind) in READERS:
        return ""
    if provider in UNSIGNED:
        return f"Not taken in: {UNSIGNED[provider]}, so anybody could have made this request."
    return f"Not taken in: what {provider} forwards as inbound mail cannot be verified."


def check_reports(**_: Any) -> Iterable[checks.CheckMessage]:
    """Warn where nobody will learn of bounces or get answers, because the provider in use signs nothing."""
    provider = provider_in_use()
    if not provider:
        return
    if provider in UNSIGNED:
        yield checks.Warning(
            f"EMAIL_CHANNEL={provider}: delivery and bounces are not tracked, and answers do not come in, because"
            f" {UNSIGNED[provider]}.",
            hint=f"Send by a provider that signs its reports: {', '.join(sorted(SIGNING))}.",
            id="accounts.W011",
        )
    elif (provider, INBOUND) not in READERS:
        yield checks.Warning(
            f"EMAIL_CHANNEL={provider}: answers by e-mail do not come in, because what it forwards cannot be verified.",
            hint="Let answers go to a mailbox that staff read: leave “inbound email” of the contact rules blank.",
            id="accounts.W012",
        )
