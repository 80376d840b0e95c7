"""Before a fee or a cut the gateway is asked who has paid; if it is silent and down, nobody is cut on a guess (T14)."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import override_settings

from accounts.models import Attention
from billing_project.kernel import clock
from delinquency.sweep import sweep
from invoicing.gateways import stripe_client
from invoicing.models import GatewayEvent, GatewayPoll, PaymentAttempt
from invoicing.operations.gateway_events import purge_events
from invoicing.operations.settlements import poll_settlements
from invoicing.queries import accounts_with_unsettled
from tests.peers import stripe_fake

from .stripe_helpers import SETTINGS, charge, owing, states

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[stripe_fake.Running]:
    monkeypatch.setattr(stripe_client, "READ_SECONDS", 1.5)
    with stripe_fake.running(tmp_path / "log") as running, override_settings(**SETTINGS, STRIPE_API_BASE=running.base):
        yield running


def listings(fake: stripe_fake.Running) -> int:
    return len(fake.asked("GET /v1/payment_intents"))


def test_a_payment_that_was_given_up_here_is_brought_in(fake: stripe_fake.Running) -> None:
    account = owing("pm_ok")
    charge(account)
    attempt = PaymentAttempt.objects.get()
    stray = owing("pm_hang")
    charge(stray)
    PaymentAttempt.objects.filter(account=stray).update(state="parked")
    assert poll_settlements(clock.now()) == 1
    assert states(stray) == ["done"]
    assert attempt.state == "done"
    assert poll_settlements(clock.now()) == 0


def test_it_is_one_listing_however_many_accounts_are_late(fake: stripe_fake.Running) -> None:
    for _ in range(5):
        charge(owing("pm_declined"))
    before = listings(fake)
    sweep(clock.now())
    assert listings(fake) == before + 1


def test_a_rehearsal_asks_nobody(fake: stripe_fake.Running) -> None:
    before = listings(fake)
    sweep(clock.now(), dry_run=True)
    sweep(clock.now(), outside=False)
    assert listings(fake) == before


def test_while_nobody_can_tell_who_paid_those_who_were_charged_wait(fake: stripe_fake.Running) -> None:
    account, other = owing("pm_declined"), owing()
    charge(account)
    with override_settings(STRIPE_API_BASE="http://127.0.0.1:9"):
        assert poll_settlements(clock.now()) == 0
    assert accounts_with_unsettled([account.pk, other.pk]) == {account.pk}
    asked = Attention.objects.get(code="settlements-unasked")
    assert asked.resolved_at is None
    later = clock.now() + timedelta(days=4)
    with clock.at(later):
        assert accounts_with_unsettled([account.pk]) == set(), "a charge of last week is no riddle any more"
    poll_settlements(clock.now())
    assert accounts_with_unsettled([account.pk, other.pk]) == set()
    asked.refresh_from_db()
    assert asked.resolved_at is not None


def test_as_long_as_it_reports_a_listing_that_fails_holds_nobody_up(fake: stripe_fake.Running) -> None:
    account = owing("pm_declined")
    charge(account)
    GatewayEvent.objects.create(provider="stripe", event_id="evt_1", type="x", happened_at=clock.now())
    with override_settings(STRIPE_API_BASE="http://127.0.0.1:9"):
        poll_settlements(clock.now())
    assert accounts_with_unsettled([account.pk]) == set()
    assert not Attention.objects.filter(code="settlements-unasked").exists()


def test_after_an_outage_the_listing_begins_where_the_last_one_ended(fake: stripe_fake.Running) -> None:
    poll_settlements(clock.now() - timedelta(days=5))
    poll_settlements(clock.now())
    asked = fake.asked("GET /v1/payment_intents")
    since = int(asked[-1]["created"]["gte"])
    assert abs(since - (clock.now() - timedelta(days=5, hours=1)).timestamp()) < 60
    assert GatewayPoll.objects.count() == 1


def test_reports_are_forgotten_after_ninety_days_and_not_before() -> None:
    now = clock.now()
    for days, state in ((91, "done"), (89, "done"), (91, "queued")):
        GatewayEvent.objects.create(
            provider="stripe", event_id=f"{days} {state}", type="x", happened_at=now, state=state,
            received_at=now - timedelta(days=days), handled_at=now if state == "done" else None,
        )  # fmt: skip
    assert purge_events(now) == 1
    assert set(GatewayEvent.objects.values_list("event_id", flat=True)) == {"89 done", "91 queued"}
