"""Settings alone switch from simulated to real, and what is missing is said in one line: what, where, how to mend."""

from typing import Any

import pytest
from django.test import override_settings
from environs import Env

from accounts.outreach.mail import MailChannel
from accounts.outreach.registry import channel_for
from accounts.outreach.twilio_sms import SmsChannel
from accounts.outreach.twilio_voice import VoiceChannel
from billing_project import channels, checks
from billing_project.channels import MAIL, PROVIDERS, SIGNED, SIMULATED, SMTP, Wrong, read_mail, read_phone
from tests.factories import make_company
from tests.house.tree import ROOT

SID = "AC" + "a" * 32
TWILIO = {"TWILIO_ACCOUNT_SID": SID, "TWILIO_AUTH_TOKEN": "a-good-token", "TWILIO_FROM": "+15550109999"}


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set some variables of the environment, and unset all others that channels read."""
    for names in PROVIDERS.values():
        for name in (*names[0], *names[1]):
            monkeypatch.delenv(name, raising=False)
    for name in ("EMAIL_CHANNEL", "EMAIL_URL", "SMS_CHANNEL", "VOICE_CHANNEL", *TWILIO, "TWILIO_API_BASE"):
        monkeypatch.delenv(name, raising=False)

    def given(**values: str) -> Env:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        return Env()

    return given


# --- What is read ---


def test_nothing_set_is_simulated(variables: Any) -> None:
    assert read_mail(variables()).channel == SIMULATED
    assert set(read_phone(variables()).channels.values()) == {SIMULATED}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://127.0.0.1:2525", ("127.0.0.1", 2525, "", "", False, False)),
        ("smtp://mail.example", ("mail.example", 25, "", "", False, False)),
        ("smtp://me:p%40ss@mail.example", ("mail.example", 587, "me", "p@ss", True, False)),
        ("smtp://me:pass@mail.example:2587/?tls=true", ("mail.example", 2587, "me", "pass", True, False)),
        ("smtp://me:pass@localhost:2525", ("localhost", 2525, "me", "pass", False, False)),
        ("smtp+tls://mail.example", ("mail.example", 587, "", "", True, False)),
        ("smtps://me:pass@mail.example", ("mail.example", 465, "me", "pass", False, True)),
    ],
)
def test_an_email_url_is_a_mail_server_and_no_password_goes_in_the_clear(
    variables: Any, url: str, expected: tuple[Any, ...]
) -> None:
    mail = read_mail(variables(EMAIL_CHANNEL="smtp", EMAIL_URL=url))
    names = ("EMAIL_HOST", "EMAIL_PORT", "EMAIL_HOST_USER", "EMAIL_HOST_PASSWORD", "EMAIL_USE_TLS", "EMAIL_USE_SSL")
    assert tuple(mail.server[name] for name in names) == expected
    assert (mail.channel, mail.backend) == (MAIL, SMTP)


# anymail says that nobody tests SendGrid any more; docs/channels.md says so, too.
@pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailNotSupportedWarning")
@pytest.mark.parametrize("provider", sorted(set(PROVIDERS) - set(channels.NEEDED_PACKAGES)))
def test_each_provider_is_made_from_its_own_variables_and_misses_each_it_needs(variables: Any, provider: str) -> None:
    required = {name: "https://mail.example/" if name.endswith("_URL") else "x" for name in PROVIDERS[provider][0]}
    mail = read_mail(variables(EMAIL_CHANNEL=provider, **required))
    assert required.items() <= mail.anymail.items()
    with override_settings(EMAIL_BACKEND=mail.backend, ANYMAIL=mail.anymail):
        from django.core.mail import get_connection

        assert get_connection().esp_name
    for name in required:
        with pytest.raises(Wrong, match=f"^EMAIL_CHANNEL: '{provider}' needs {name}, which is not set"):
            read_mail(variables(**{name: ""}))
        variables(**{name: required[name]})


def test_the_name_with_anymail_in_front_is_read_too(variables: Any) -> None:
    mail = read_mail(variables(EMAIL_CHANNEL="mailgun", ANYMAIL_MAILGUN_API_KEY="k", MAILGUN_WEBHOOK_SIGNING_KEY="w"))
    assert mail.anymail["MAILGUN_API_KEY"] == "k"
    assert mail.anymail["MAILGUN_WEBHOOK_SIGNING_KEY"] == "w"


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        ({"EMAIL_CHANNEL": "pigeon"}, "EMAIL_CHANNEL"),
        ({"EMAIL_CHANNEL": "smtp"}, "EMAIL_CHANNEL"),
        ({"EMAIL_CHANNEL": "smtp", "EMAIL_URL": "http://me:hunter2@mail.example"}, "EMAIL_URL"),
        ({"EMAIL_CHANNEL": "smtp", "EMAIL_URL": "smtp://me:hunter2@mail.example:port"}, "EMAIL_URL"),
        ({"EMAIL_CHANNEL": "smtp", "EMAIL_URL": "smtp://"}, "EMAIL_URL"),
        ({"SMS_CHANNEL": "smtp"}, "SMS_CHANNEL"),
        ({"VOICE_CHANNEL": "Twilio"}, "VOICE_CHANNEL"),
        ({"SMS_CHANNEL": "twilio"}, "SMS_CHANNEL"),
        ({"VOICE_CHANNEL": "twilio"}, "VOICE_CHANNEL"),
        ({"VOICE_CHANNEL": "twilio", **TWILIO, "TWILIO_ACCOUNT_SID": "SK123"}, "TWILIO_ACCOUNT_SID"),
        ({"SMS_CHANNEL": "twilio", **TWILIO, "TWILIO_AUTH_TOKEN": ""}, "SMS_CHANNEL"),
        ({"SMS_CHANNEL": "twilio", **TWILIO, "TWILIO_AUTH_TOKEN": "hunter2-one,,"}, "TWILIO_AUTH_TOKEN"),
        ({"SMS_CHANNEL": "twilio", **TWILIO, "TWILIO_AUTH_TOKEN": "hunter2 with spaces"}, "TWILIO_AUTH_TOKEN"),
        ({"SMS_CHANNEL": "twilio", **TWILIO, "TWILIO_FROM": "0049 123"}, "TWILIO_FROM"),
        ({"SMS_CHANNEL": "twilio", **TWILIO, "TWILIO_API_BASE": "http://twilio.example"}, "TWILIO_API_BASE"),
        ({"SMS_CHANNEL": "twilio", **TWILIO, "TWILIO_API_BASE": "127.0.0.1:80"}, "TWILIO_API_BASE"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line_that_repeats_no_secret(
    variables: Any, given: dict[str, str], variable: str
) -> None:
    env = variables(**given)
    with pytest.raises(Wrong) as raised:
        (read_mail if variable.startswith("EMAIL") else read_phone)(env)
    assert raised.value.variable == variable
    assert "\n" not in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_twilio_is_switched_on_by_settings_alone(variables: Any) -> None:
    phone = read_phone(
        variables(SMS_CHANNEL="twilio", VOICE_CHANNEL="twilio", TWILIO_API_BASE="http://127.0.0.1:8080/", **TWILIO)
    )
    assert phone.api_base == "http://127.0.0.1:8080"
    with override_settings(EMAIL_CHANNEL=MAIL, **phone.channels):
        kinds = [type(channel_for(name)) for name in ("email", "sms", "voice")]
    assert kinds == [MailChannel, SmsChannel, VoiceChannel]


def test_two_secrets_may_be_live_at_once(variables: Any) -> None:
    both = variables(SMS_CHANNEL="twilio", **{**TWILIO, "TWILIO_AUTH_TOKEN": "the-new-token,the-old-token"})
    assert read_phone(both).auth_token == "the-new-token,the-old-token"


def test_every_variable_of_a_channel_is_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text()
    names = [name for required, optional in PROVIDERS.values() for name in (*required, *optional)]
    assert [name for name in names if f"#{name}=" not in example] == []


# --- What is checked ---

LIVE = {"EMAIL_CHANNEL": MAIL, "EMAIL_PROVIDER": "mailgun", "ANYMAIL": {"MAILGUN_WEBHOOK_SIGNING_KEY": "w"},
        "PUBLIC_BASE_URL": "https://billing.example.net"}  # fmt: skip
PHONE = {
    "SMS_CHANNEL": channels.TWILIO["SMS_CHANNEL"], "VOICE_CHANNEL": channels.TWILIO["VOICE_CHANNEL"],
    "TWILIO_ACCOUNT_SID": SID, "TWILIO_AUTH_TOKEN": "a-good-token", "TWILIO_FROM": "+15550109999",
    "PUBLIC_BASE_URL": "https://billing.example.net",
}  # fmt: skip


def found(**values: Any) -> list[str]:
    """Return the ids of what the checks have to say."""
    every = (
        checks.check_no_live_provider_in_development, checks.check_reports_can_be_believed,
        checks.check_public_address, checks.check_senders,
    )  # fmt: skip
    with override_settings(**values):
        messages = [message for check in every for message in check()]
    assert all("\n" not in message.msg and message.hint is None for message in messages), "one line says it all"
    return [str(message.id).rpartition(".")[2] for message in messages]


@pytest.mark.parametrize("values", [{}, {"DEBUG": True}, LIVE, PHONE, LIVE | PHONE])
def test_what_is_right_is_passed(values: dict[str, Any]) -> None:
    assert found(**values) == []


@pytest.mark.parametrize("values", [LIVE, PHONE])
def test_live_providers_are_refused_with_debug_on(values: dict[str, Any]) -> None:
    assert set(found(**values, DEBUG=True)) == {"E001"}


@pytest.mark.parametrize("provider", sorted(SIGNED))
def test_a_provider_that_signs_its_reports_needs_the_key(provider: str) -> None:
    assert found(**LIVE | {"EMAIL_PROVIDER": provider, "ANYMAIL": {}}) == ["E002"]
    assert found(**LIVE | {"EMAIL_PROVIDER": provider, "ANYMAIL": {SIGNED[provider]: "k"}}) == []


def test_twilio_needs_the_secret_that_signs_its_reports() -> None:
    assert found(**PHONE | {"TWILIO_AUTH_TOKEN": ""}) == ["E002"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (LIVE | {"PUBLIC_BASE_URL": "http://billing.example.net"}, ["E003"]),
        (LIVE | {"PUBLIC_BASE_URL": "http://127.0.0.1:8000"}, ["E003"]),
        (PHONE | {"PUBLIC_BASE_URL": "http://127.0.0.1:8000"}, ["E003", "E003"]),
        (PHONE | {"PUBLIC_BASE_URL": "http://127.0.0.1:8000", "TWILIO_API_BASE": "http://127.0.0.1:4010"}, []),
        (PHONE | {"PUBLIC_BASE_URL": "http://b.example", "TWILIO_API_BASE": "http://127.0.0.1:4010"}, ["E003", "E003"]),
        (
            LIVE | {"PUBLIC_BASE_URL": "http://127.0.0.1:8000", "EMAIL_PROVIDER": "smtp", "EMAIL_HOST": "127.0.0.1"},
            [],
        ),
        (
            LIVE | {"PUBLIC_BASE_URL": "http://127.0.0.1:8000", "EMAIL_PROVIDER": "smtp", "EMAIL_HOST": "m.example"},
            ["E003"],
        ),
    ],
)
def test_a_public_address_must_be_https_unless_nothing_leaves_this_machine(
    values: dict[str, Any], expected: list[str]
) -> None:
    assert found(**values) == expected


@pytest.mark.parametrize(
    ("sender", "expected"), [("", ["E004", "E004"]), ("MG" + "a" * 32, ["E004"]), ("Valley", ["E004"])]
)
def test_texts_and_calls_need_somebody_they_come_from(sender: str, expected: list[str]) -> None:
    assert found(**PHONE | {"TWILIO_FROM": sender}) == expected


@pytest.mark.django_db
def test_a_company_without_a_sender_is_named_before_its_letters_wait() -> None:
    make_company(name="Silent Fibre", email_sender="")
    make_company(name="Loud Fibre", email_sender="Loud <billing@loud.example>")
    with override_settings(**LIVE):
        said = [message.msg for message in checks.check_companies_have_a_sender(databases=["default"])]
        assert list(checks.check_companies_have_a_sender()) == []
    assert any("Silent Fibre" in words for words in said)
    assert not any("Loud Fibre" in words for words in said)
    assert list(checks.check_companies_have_a_sender(databases=["default"])) == []
