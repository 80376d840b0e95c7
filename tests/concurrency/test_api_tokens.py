"""Two people make a token of one name at once: one gets it, the other reads that the name is taken."""

import sys
import threading
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection

from accounts.models import User
from billing_project.kernel.errors import Refused
from delinquency import roles
from delinquency.models import ApiToken
from delinquency.operations.api_tokens import make_token

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE_SECONDS = 1.5
TOKENS: Any = sys.modules[make_token.__module__]


def make_at_once(monkeypatch: pytest.MonkeyPatch) -> tuple[bool, list[str]]:
    """Make the same token on two connections, each waiting after it looked until the other has looked as well."""
    barrier, met, came = threading.Barrier(2), threading.Event(), []
    boss, role = User.objects.create_superuser("boss"), Group.objects.get(name=roles.AUDITORS)
    rights = TOKENS._rights_of

    def look_and_wait(group: Group) -> Any:
        try:
            barrier.wait(PATIENCE_SECONDS)
            met.set()
        except threading.BrokenBarrierError:
            barrier.reset()
        return rights(group)

    monkeypatch.setattr(TOKENS, "_rights_of", look_and_wait)

    def work() -> None:
        try:
            make_token(name="Website", role=role, by=boss)
            came.append("made")
        except Refused as refusal:
            came.append(refusal.code)
        except Exception as error:  # noqa: BLE001 - told to the test by its name
            came.append(type(error).__name__)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    return met.is_set(), sorted(came)


def test_the_second_of_two_reads_that_the_name_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    met, came = make_at_once(monkeypatch)
    assert not met
    assert came == ["made", "name_taken"]
    assert ApiToken.objects.count() == 1


def test_control_without_the_lock_only_the_database_stops_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TOKENS, "advisory_lock", lambda _key: None)
    met, came = make_at_once(monkeypatch)
    assert met
    assert came == ["IntegrityError", "made"]
