"""Going live while somebody is still writing: what was decided in shadow does not slip into an emptied queue."""

import threading
from collections.abc import Iterator

import pytest
from django.db import connection, transaction

from accounts.models import Account, Notice, SimulatedMessage
from accounts.outreach.dispatch import dispatch_notices
from accounts.outreach.outbox import NoticeRequest, enqueue
from accounts.shadowing import begin_shadow
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.operations import shadow
from tests.factories import instant, make_account, make_contact

pytestmark = pytest.mark.django_db(transaction=True)

NOON = instant("2026-01-21 12:00")


@pytest.fixture(autouse=True)
def _at_noon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from accounts import signals as letters

    for signal in (letters.about_to_send, letters.notice_settled):
        monkeypatch.setattr(signal, "receivers", [])
    with clock.at(NOON):
        yield


def write(account: Account) -> None:
    enqueue(
        NoticeRequest(
            account_id=account.pk, anchor_key="case:1", step_key="n", template="past_due", why="Past due.",
            channels=("email",), context={"amount_due": "40.00"},
        )
    )  # fmt: skip


class Writer:
    """A worker that has written a letter and has not committed yet."""

    def __init__(self, account: Account) -> None:
        self.wrote, self.may_end = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run, args=(account,))
        self.thread.start()
        assert self.wrote.wait(10)

    def _run(self, account: Account) -> None:
        try:
            with clock.at(NOON), transaction.atomic():
                write(account)
                self.wrote.set()
                self.may_end.wait(10)
        finally:
            connection.close()

    def end(self) -> None:
        self.may_end.set()
        self.thread.join(10)


@pytest.fixture
def account() -> Account:
    account = make_account()
    make_contact(account)
    begin_shadow(reason="Trial")
    return account


def test_a_letter_that_is_being_written_is_waited_for_and_cancelled(account: Account) -> None:
    writer = Writer(account)
    timer = threading.Timer(0.3, writer.may_end.set)
    timer.start()
    found = shadow.go_live(typed="GO LIVE", reason="Compared")
    writer.end()
    assert found.cancelled["letters"] == 1
    dispatch_notices()
    assert (Notice.objects.get().state, SimulatedMessage.objects.count()) == ("cancelled", 0)


def test_without_waiting_it_would_leave(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    monkeypatch.setattr(shadow, "_wait_for_writers", lambda: None)
    writer = Writer(account)
    assert shadow.go_live(typed="GO LIVE", reason="Compared").cancelled["letters"] == 0
    writer.end()
    dispatch_notices()
    assert SimulatedMessage.objects.count() == 1


def test_whoever_writes_for_long_is_not_waited_for_and_nothing_changes(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow, "TRIES", 1)
    writer = Writer(account)
    with pytest.raises(Refused, match="Try again in a minute"):
        shadow.go_live(typed="GO LIVE", reason="Compared")
    writer.end()
    dispatch_notices()
    assert SimulatedMessage.objects.count() == 0
