"""The customers' room alone: the rooms above it do not listen here."""

import pytest

from accounts import signals


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence the listeners of other rooms; a test connects its own."""
    for signal in (
        signals.status_changed,
        signals.account_closed,
        signals.about_to_send,
        signals.notice_settled,
        signals.preview_wanted,
        signals.preview_accounts_wanted,
        signals.template_uses_wanted,
    ):
        monkeypatch.setattr(signal, "receivers", [])
