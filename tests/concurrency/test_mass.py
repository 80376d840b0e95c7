"""Two workers at one action on many at the same moment: they share it, and nothing is done twice or left out."""

import threading
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from accounts.models import Account
from billing_project.kernel import clock, nudge
from delinquency.models import GraceGrant, MassAction, MassItem
from delinquency.operations import mass
from delinquency.operations.mass import chunks, engine
from tests.backoffice import make_customer, make_version
from tests.factories import allow_grace, make_staff

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE_SECONDS = 5


def test_two_workers_share_an_action(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CARRIED_OUT", 3)
    monkeypatch.setattr(engine, "SECONDS_AT_ONCE", -1)  # nobody waits for more than a chunk
    version, casey = make_version(), allow_grace(make_staff("casey", "mass_grace"))
    for number in range(9):
        make_customer(str(10001 + number), version)
    until = {"until_on": str(clock.today() + timedelta(days=7))}
    with nudge.recorded():
        action = mass.prepare(MassAction.Kind.GRACE, Account.objects.all(), by=casey, parameters=until)
        mass.work_on(action.pk)
        assert mass.confirm(action, reason="x", by=casey).done == 3
    both, shares = threading.Barrier(2), []
    claim = chunks._claim

    def claim_together(*args: Any) -> list[MassItem]:
        found = claim(*args)
        if found:
            with suppress(threading.BrokenBarrierError):
                both.wait(PATIENCE_SECONDS)  # each holds its items while the other takes others
        return found

    monkeypatch.setattr(chunks, "_claim", claim_together)

    def work() -> None:
        try:
            with nudge.recorded():
                shares.append(mass.work_on(action.pk))
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    action.refresh_from_db()
    assert shares == [3, 3]
    assert (action.state, action.done, action.failed, action.changed) == ("done", 9, 0, 0)
    assert sorted(GraceGrant.objects.values_list("account", flat=True)) == sorted(
        Account.objects.values_list("pk", flat=True)
    )
