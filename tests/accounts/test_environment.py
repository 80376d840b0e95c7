"""Every page says whether money and letters are real (U26)."""

from typing import Any

import pytest
from django.test import Client, override_settings

from accounts.models import User
from billing_project.environment import mark

SIMULATED = "accounts.outreach.simulated.SimulatedChannel"
SANDBOX = {
    "PAYMENT_GATEWAY": "invoicing.gateways.sandbox.SandboxGateway", "EMAIL_CHANNEL": SIMULATED,
    "SMS_CHANNEL": SIMULATED, "VOICE_CHANNEL": SIMULATED, "DEBUG": False, "PRODUCTION": False, "STRIPE_SECRET_KEY": "",
}  # fmt: skip
STRIPE = {"PAYMENT_GATEWAY": "invoicing.gateways.stripe_gateway.StripeGateway", "PRODUCTION": True}
REAL = dict.fromkeys(("EMAIL_CHANNEL", "SMS_CHANNEL", "VOICE_CHANNEL"), "elsewhere")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "Demo: no real money, nothing is sent"),
        ({"DEBUG": True}, "Sandbox: no real money, nothing is sent"),
        ({"PRODUCTION": True}, "Sandbox: no real money, nothing is sent"),
        (STRIPE | REAL | {"STRIPE_SECRET_KEY": "sk_live_1"}, "Live: real money, real customers"),
        (
            STRIPE | REAL | {"STRIPE_SECRET_KEY": "sk_test_1"},
            "Partly live: no real money, e-mails, texts and calls are really sent",
        ),
        (
            STRIPE | {"STRIPE_SECRET_KEY": "sk_live_1", "EMAIL_CHANNEL": "elsewhere"},
            "Partly live: real money, e-mails are really sent, texts and calls are not",
        ),
        (STRIPE | {"STRIPE_SECRET_KEY": "sk_live_1"}, "Partly live: real money, nothing is sent"),
    ],
)
def test_the_mark_says_what_is_real(values: dict[str, Any], words: str) -> None:
    with override_settings(**(SANDBOX | values)):
        found = mark()
    assert f"{found.word}: {found.words}" == words


@pytest.mark.django_db
def test_every_page_of_staff_carries_it_and_the_log_in_page_does_not() -> None:
    client = Client()
    client.force_login(User.objects.create_user("boss", is_staff=True, is_superuser=True))
    with override_settings(**SANDBOX):
        for address in ("/admin/", "/admin/accounts/account/", "/admin/accounts/account/add/", "/admin/search/"):
            page = client.get(address).content.decode()
            assert page.count("no real money, nothing is sent") == 1, address
            assert page.count("<strong>Demo</strong>") == 1, address
        assert "no real money" not in Client().get("/admin/login/").content.decode()
