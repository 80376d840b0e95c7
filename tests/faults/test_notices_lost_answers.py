"""T15: a provider that takes a text and loses the answer, one in ten; senders that are killed. Nobody gets two.

What counts is the provider's own log. 500 texts; the long run is ``LOST_ANSWERS=5000 script/test
tests/faults/test_notices_lost_answers.py``.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings

from accounts.models import Account, Attention, Notice, NoticeAttempt
from accounts.outreach.outbox import NoticeRequest, enqueue_many
from billing_project.kernel import clock
from tests.factories import NEW_YORK, make_account, make_company, make_contact
from tests.faults.servers import wait_until
from tests.house.tree import ROOT
from tests.peers.twilio_fake import ACCOUNT, TOKEN, read_log, taken_by_letter

pytestmark = [pytest.mark.server, pytest.mark.django_db(transaction=True)]

TEXTS = int(os.environ.get("LOST_ANSWERS") or 500)
KILLS = 3
# Of each hundred numbers ten lose their answer: nine of these texts are taken, one is not.
PLAN = {
    **dict.fromkeys(("07", "27", "47", "67", "87"), "take_and_hang"),
    **dict.fromkeys(("17", "37"), "take_and_reset"),
    "57": "take_and_break", "77": "take_and_502", "97": "lose",
}  # fmt: skip
LOST = TEXTS // 10
NEVER_TAKEN = TEXTS // 100


@dataclass
class Twilio:
    """The fake in a process of its own, and the senders that use it."""

    log: Path
    port: int
    senders: "list[subprocess.Popen[str]]"

    def start(self, at: datetime, *more: str) -> "subprocess.Popen[str]":
        """Start a sender at an instant."""
        database = settings.DATABASES["default"]
        environment = os.environ | {
            "DATABASE_URL": f"postgres://app@{quote(str(database['HOST']), safe='')}/{database['NAME']}",
            "SMS_CHANNEL": "twilio", "TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_FROM": "+15550109999", "TWILIO_API_BASE": f"http://127.0.0.1:{self.port}",
        }  # fmt: skip
        sender = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.dispatcher", "--at", at.isoformat(), *more],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.senders.append(sender)
        return sender

    def work(self, at: datetime, *more: str, senders: int = 2) -> None:
        """Let some senders work at once until nothing is due."""
        for sender in [self.start(at, *more) for _ in range(senders)]:
            said, _ = sender.communicate(timeout=1200)
            assert sender.returncode == 0, said

    def taken(self) -> int:
        """Return how many texts it has taken."""
        return len(read_log(self.log)) if self.log.exists() else 0


@pytest.fixture
def twilio(tmp_path: Path) -> Iterator[Twilio]:
    log = tmp_path / "twilio.log"
    command = [sys.executable, "-m", "tests.peers.twilio_fake", "--log", str(log), "--plan", json.dumps(PLAN)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as fake:
        assert fake.stdout is not None
        running = Twilio(log, int(fake.stdout.readline()), [])
        try:
            yield running
        finally:
            for process in (*running.senders, fake):
                process.kill()
                process.wait()
            for sender in running.senders:
                assert sender.stdout is not None
                sender.stdout.close()


@pytest.fixture
def began() -> datetime:
    """Write the texts, for ten o'clock of yesterday: the fake's own clock is then later than ours, at any hour."""
    at = clock.instant(datetime.combine(clock.today(NEW_YORK) - timedelta(days=1), time(10)), NEW_YORK)
    with clock.at(at):
        accounts = [make_account(company=make_company()) for _ in range(TEXTS)]
        for index, account in enumerate(accounts):
            make_contact(account, email="", phone=f"+1555{2_000_000 + index}")
        written = [_request(account) for account in accounts]
        assert enqueue_many(written) == TEXTS
    return at


def _request(account: Account) -> NoticeRequest:
    return NoticeRequest(
        account_id=account.pk, anchor_key=f"account:{account.pk}", step_key="lost", template="past_due",
        channels=("sms",), context={"amount_due": "40.00"}, why="Past due.",
    )  # fmt: skip


def states() -> dict[str, int]:
    return dict(Counter(Notice.objects.values_list("state", flat=True)))


def doubled(twilio: Twilio) -> dict[tuple[str, str], int]:
    """Return which texts the provider took more than once, by its own log."""
    return {letter: times for letter, times in taken_by_letter(twilio.log).items() if times > 1}


def test_one_lost_answer_in_ten_doubles_nothing_and_each_is_cleared_up_or_listed(
    twilio: Twilio, began: datetime
) -> None:
    twilio.work(began)
    assert doubled(twilio) == {}
    assert twilio.taken() == TEXTS - NEVER_TAKEN
    in_doubt = NoticeAttempt.objects.filter(outcome="ambiguous")
    lost = {number for number in _numbers() if number[-2:] in PLAN}
    assert len(lost) == LOST > 0
    assert set(in_doubt.values_list("notice__to_address", flat=True)) == lost
    assert in_doubt.count() == LOST
    twilio.work(began + timedelta(minutes=6), senders=1)
    assert states() == {"accepted": TEXTS - NEVER_TAKEN, "ambiguous": NEVER_TAKEN}
    assert _listed() == {number for number in _numbers() if number.endswith("97")}
    # What the provider has not taken stays in doubt for ever, and is never sent again.
    twilio.work(began + timedelta(hours=2), senders=1)
    assert doubled(twilio) == {}
    assert twilio.taken() == TEXTS - NEVER_TAKEN


def test_senders_that_are_killed_in_the_middle_double_nothing(twilio: Twilio, began: datetime) -> None:
    at = began
    for kill in range(1, KILLS + 1):
        senders = [twilio.start(at) for _ in range(2)]
        enough = TEXTS * kill // (KILLS + 2)
        wait_until(lambda enough=enough: twilio.taken() >= enough, 600, f"{enough} texts were taken")
        for sender in senders:
            assert sender.poll() is None, "it was killed in the middle"
            sender.kill()
            sender.wait()
        at += timedelta(minutes=3)  # what the dead had claimed is free again after two
    killed_in_the_call = Notice.objects.filter(state="sending").count()
    for _ in range(2):
        twilio.work(at)
        at += timedelta(minutes=6)
    assert doubled(twilio) == {}
    # A sender may have died before the provider had the text: then it is in doubt, too, and listed.
    left = Notice.objects.filter(state="ambiguous").count()
    assert NEVER_TAKEN <= left <= NEVER_TAKEN + 2 * KILLS
    assert states() == {"accepted": TEXTS - left, "ambiguous": left}
    assert len(_listed()) == left
    assert twilio.taken() == TEXTS - left
    print(f"{killed_in_the_call} letters were in the air at the last kill")


def test_a_program_that_takes_a_lost_answer_for_a_no_is_caught(twilio: Twilio, began: datetime) -> None:
    """The control: this very count does see it when a text goes out twice."""
    twilio.work(began, "--forget")
    twilio.work(began + timedelta(minutes=2), "--forget")
    assert len(doubled(twilio)) >= LOST - NEVER_TAKEN - 1


def _numbers() -> list[str]:
    return list(Notice.objects.values_list("to_address", flat=True))


def _listed() -> set[str]:
    """Return the numbers of the texts in doubt that are put before a person."""
    keys = Attention.objects.filter(code="notice-ambiguous", resolved_at__isnull=True).values_list("key", flat=True)
    pks = [int(key.partition(":")[2]) for key in keys]
    return set(Notice.objects.filter(pk__in=pks).values_list("to_address", flat=True))
