"""Nudges: sent after commit, recorded in tests, and lost without harm."""

from typing import Any

import pytest
from django.db import transaction
from kombu.exceptions import OperationalError

from billing_project.kernel import nudge as nudging
from billing_project.kernel.nudge import nudge


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[Any, ...]]]:
    """What went to the broker; nudges of these tests are really sent, to a broker that writes them down."""
    messages: list[tuple[str, tuple[Any, ...]]] = []
    monkeypatch.setattr(
        nudging.current_app, "send_task", lambda name, args, **_: messages.append((name, args)), raising=False
    )
    monkeypatch.setattr(nudging._Broker, "rests_until", float("-inf"))
    token = nudging._recorder.set(None)
    yield messages  # type: ignore[misc]
    nudging._recorder.reset(token)


@pytest.mark.django_db(transaction=True)
def test_a_nudge_waits_for_the_commit(sent: list[Any]) -> None:
    with transaction.atomic():
        nudge("accounts.send_notice", 7)
        assert sent == []
    assert sent == [("accounts.send_notice", (7,))]


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_nudges_nobody(sent: list[Any]) -> None:
    with transaction.atomic():
        nudge("accounts.send_notice", 7)
        transaction.set_rollback(True)
    assert sent == []


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_down_is_asked_once_and_then_left_alone(
    sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    warned: list[str] = []

    def refuse(name: str, **_: Any) -> None:
        asked.append(name)
        raise OperationalError("connection refused")

    monkeypatch.setattr(nudging.current_app, "send_task", refuse, raising=False)
    monkeypatch.setattr(nudging.logger, "warning", lambda words, *rest: warned.append(words % rest))
    for number in range(1000):
        nudge("accounts.send_notice", number)
    assert len(asked) == 1
    assert ["was lost" in words for words in warned] == [True]


@pytest.mark.django_db
def test_tests_see_the_nudges_of_a_commit(nudges: list[Any], django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        nudge("delinquency.reassess_account", 7, "2026-01-31")
    assert nudges == [("delinquency.reassess_account", (7, "2026-01-31"))]
