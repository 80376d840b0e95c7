"""The network room alone: the rooms above it do not listen here."""

import pytest

from netenforce import signals


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence the listeners of other rooms; a test connects its own."""
    for signal in (signals.about_to_restrict, signals.enforcement_settled):
        monkeypatch.setattr(signal, "receivers", [])
