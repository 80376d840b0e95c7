"""What is set for Stripe is checked at the start, and no check repeats a secret."""

from typing import Any

import pytest
from django.test import override_settings

from invoicing.gateways.checks import check_gateway

from .stripe_helpers import SETTINGS

RIGHT = SETTINGS | {
    "STRIPE_API_BASE": "", "DEBUG": False, "PRODUCTION": True, "PUBLIC_BASE_URL": "https://billing.example.net",
    "STRIPE_SECRET_KEY": "sk_live_" + "a" * 24, "STRIPE_WEBHOOK_SECRET": "whsec_" + "b" * 24,
}  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ({}, []),
        ({"STRIPE_SECRET_KEY": ""}, ["invoicing.E002"]),
        ({"STRIPE_SECRET_KEY": "pk_live_public"}, ["invoicing.E002"]),
        ({"DEBUG": True}, ["invoicing.E003"]),
        ({"STRIPE_WEBHOOK_SECRET": ""}, ["invoicing.E004"]),
        ({"STRIPE_WEBHOOK_SECRET": " , "}, ["invoicing.E004"]),
        ({"STRIPE_WEBHOOK_SECRET": "whsec_a,sk_live_b"}, ["invoicing.E004"]),
        ({"STRIPE_WEBHOOK_SECRET": "whsec_a, whsec_b"}, []),
        ({"PUBLIC_BASE_URL": "http://billing.example.net"}, ["invoicing.E005"]),
        ({"STRIPE_API_BASE": "http://somewhere.example"}, ["invoicing.E006"]),
        ({"STRIPE_API_BASE": "https://somewhere.example"}, ["invoicing.E007"]),
        ({"STRIPE_SECRET_KEY": "sk_test_" + "a" * 24}, ["invoicing.W001"]),
        ({"STRIPE_SECRET_KEY": "rk_test_a", "PRODUCTION": False, "PUBLIC_BASE_URL": "http://127.0.0.1:8000"}, []),
        (
            {"STRIPE_SECRET_KEY": "sk_test_a", "PRODUCTION": False, "STRIPE_API_BASE": "http://127.0.0.1:8420"},
            [],
        ),
        ({"STRIPE_SECRET_KEY": "sk_live_a", "PRODUCTION": False, "PUBLIC_BASE_URL": "http://a.example"}, [
            "invoicing.E005",
        ]),
    ],
)  # fmt: skip
def test_each_wrong_setting_is_reported_with_how_to_mend_it(wrong: dict[str, Any], found: list[str]) -> None:
    values = RIGHT | wrong
    with override_settings(**values):
        said = check_gateway()
    assert [message.id for message in said] == found
    for message in said:
        assert message.hint
        for name in ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"):
            assert not values[name].strip(" ,") or values[name] not in f"{message.msg} {message.hint}"


def test_the_sandbox_needs_nothing_of_it() -> None:
    with override_settings(STRIPE_SECRET_KEY="", STRIPE_WEBHOOK_SECRET=""):
        assert check_gateway() == []
