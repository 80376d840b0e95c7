"""What is said at start about providers whose reports or answers cannot be trusted."""

from typing import Any

import pytest

from accounts.hooks.anymail_readers import check_reports


@pytest.mark.parametrize(("provider", "ids"), [
    ("simulated", []), ("mailgun", []), ("postal", []), ("resend", []), ("postmark", ["accounts.W011"]),
    ("amazon_ses", ["accounts.W011"]), ("smtp", ["accounts.W011"]), ("sendgrid", ["accounts.W012"]),
    ("unisender_go", ["accounts.W012"]),
])  # fmt: skip
def test_a_provider_that_signs_nothing_is_warned_of(provider: str, ids: list[str], settings: Any) -> None:
    settings.EMAIL_PROVIDER = provider
    found = list(check_reports())
    assert [warning.id for warning in found] == ids
    assert all(provider in warning.msg and warning.hint for warning in found)
