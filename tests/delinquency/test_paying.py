"""A restricted customer presses Pay: the line opens for the bank's page, and closes again unless it was paid."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Account
from billing_project.kernel import clock
from delinquency.invariants import check_invariants
from delinquency.operations import reassess
from delinquency.operations.paying import no_window_for
from delinquency.queries import NOTHING_OWED, why_not_closed_again
from invoicing.gateways.sandbox import SandboxGateway
from invoicing.models import Payment, PaymentAttempt
from invoicing.operations.inquire import look_up
from invoicing.operations.portal_pay import pay_on_page
from invoicing.operations.sources import Way
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import EnforcementTask, Hold, PaymentWindow, SimulatedEntry
from tests.factories import make_device, make_line
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db

NIGHT = "2026-01-21T23:30"
WAY = Way(return_url="https://b.example/o/{attempt}/", leave_url="https://b.example/o/{attempt}/?left=1")


@pytest.fixture
def story() -> Story:
    """Tell of a customer who was slowed on the morning of Jan 21 over 100.00."""
    made = Story(sonar(), sends=True)
    made.owes("A-2026-77", "2026-01-01", due_on="2026-01-16")
    make_line(made.account, "100.64.0.1", device=make_device())
    made.days("2026-01-21")
    with made.now("2026-01-21T09:05"):
        dispatch_enforcement()
    assert held() == {"100.64.0.1": "throttle"}
    return made


def held() -> dict[str, str]:
    return dict(SimulatedEntry.objects.values_list("address", "level"))


def presses(account: Account, key: str = "portal:1") -> PaymentAttempt:
    from invoicing.queries import account_position

    return pay_on_page(account, account_position(account.pk).pay_all, key=key, way=WAY)


def run(story: Story, local: str) -> dict[str, int]:
    with story.now(local):
        return dict(dispatch_enforcement())


def broken(story: Story, local: str) -> list[str]:
    with story.now(local) as at:
        return [f"{row.invariant} {row.what}" for row in check_invariants(at) if row.invariant in ("I9", "I11")]


def test_pressing_pay_opens_the_line_and_it_closes_at_night_too_when_nobody_paid(story: Story) -> None:
    with story.now(NIGHT):
        presses(story.account)
    assert run(story, NIGHT) == {"confirmed": 1}
    assert held() == {}
    assert broken(story, "2026-01-21T23:40") == [], "a line in its window is no drift"
    # The page is open for longer than the window; it does not keep the line open.
    assert run(story, "2026-01-21T23:45") == {"confirmed": 1}
    assert held() == {"100.64.0.1": "throttle"}
    assert PaymentAttempt.objects.get().state == "sending"
    assert broken(story, "2026-01-21T23:46") == []


def test_paying_on_the_page_frees_the_line_and_it_is_never_closed_in_between(story: Story) -> None:
    with story.now(NIGHT):
        attempt = presses(story.account)
        dispatch_enforcement()
        SandboxGateway().use_page(attempt.page_id, "tok_ok")
        look_up(attempt.pk, clock.now())
        assert Payment.objects.count() == 1
        assert PaymentWindow.objects.get().ended_how == "paid"
    # Even if the pass comes before the look that lifts the hold.
    assert run(story, "2026-01-21T23:31") == {"vetoed": 1}
    with story.now("2026-01-21T23:31"):
        reassess(story.account.pk)
    assert run(story, "2026-01-21T23:32") == {}
    assert held() == {}
    assert not Hold.objects.filter(lifted_at__isnull=True).exists()


def test_leaving_the_page_closes_the_line_early(story: Story) -> None:
    with story.now(NIGHT):
        attempt = presses(story.account)
        dispatch_enforcement()
        SandboxGateway().close_page(attempt.page_id)
        look_up(attempt.pk, clock.now())
    assert PaymentWindow.objects.get().ended_how == "left"
    assert run(story, "2026-01-21T23:31") == {"confirmed": 1}
    assert held() == {"100.64.0.1": "throttle"}


def test_pressing_again_goes_on_with_the_window_and_the_line_stays_open(story: Story) -> None:
    with story.now(NIGHT):
        presses(story.account)
        dispatch_enforcement()
        presses(story.account, "portal:2")
        assert dict(dispatch_enforcement()) == {}
    window = PaymentWindow.objects.get()
    assert (window.ended_at, window.key) == (None, f"attempt:{PaymentAttempt.objects.latest('pk').pk}")


def test_while_a_payment_is_unclear_the_line_stays_open_and_closes_once_it_is_declined(story: Story) -> None:
    with story.now(NIGHT):
        attempt = presses(story.account)
        dispatch_enforcement()
        PaymentAttempt.objects.update(state="unknown", unclear_at=clock.now())
    for minute in (45, 50, 59):
        run(story, f"2026-01-21T23:{minute}")
        assert held() == {}
    assert EnforcementTask.objects.latest("pk").state == "queued", "it is asked about again, not given up"
    with story.now("2026-01-22T00:10"):
        SandboxGateway().close_page(attempt.page_id)
        look_up(attempt.pk, clock.now())
    assert run(story, "2026-01-22T00:12") == {"confirmed": 1}
    assert held() == {"100.64.0.1": "throttle"}


def test_what_was_paid_at_the_desk_meanwhile_is_not_closed(story: Story) -> None:
    with story.now(NIGHT):
        presses(story.account)
        dispatch_enforcement()
    story.pays("2026-01-21T23:40", "100.00")
    with story.now("2026-01-21T23:45"):
        assert why_not_closed_again(story.account.pk) == NOTHING_OWED
    assert run(story, "2026-01-21T23:46") == {"vetoed": 1}
    assert held() == {}


def test_beyond_the_cap_paying_works_without_a_window(story: Story) -> None:
    for hour in (19, 20, 21):
        with story.now(f"2026-01-21T{hour}:00"):
            attempt = presses(story.account, f"portal:{hour}")
            assert attempt.state == "sending"
            dispatch_enforcement()
        run(story, f"2026-01-21T{hour}:20")
    assert PaymentWindow.objects.count() == 2
    with story.now("2026-01-21T21:30"):
        refusal = no_window_for(story.account)
        assert refusal is not None
        assert refusal.code == "cap_day"
    with story.now("2026-01-22T09:00"):
        assert no_window_for(story.account) is None
    assert PaymentWindow.objects.latest("pk").scope == "case:1"


def test_a_window_left_open_by_everybody_is_found(story: Story) -> None:
    with story.now(NIGHT):
        presses(story.account)
        dispatch_enforcement()
    assert broken(story, "2026-01-21T23:50") == []
    assert broken(story, "2026-01-21T23:51") == ["I11 a payment window is open more than 5 minutes after its time"]


def test_an_open_page_keeps_the_first_cut_off_only_as_long_as_a_window_lasts() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01", sends=True)
    make_line(story.account, "100.64.0.1", device=make_device())
    story.days("2026-01-01", "2026-01-20")
    for minute in range(0, 60, 10):  # a page every ten minutes is not protection for ever
        with story.now("2026-01-21T08:00") as at, clock.at(at + timedelta(minutes=minute)):
            presses(story.account, f"portal:{minute}")
    with story.now("2026-01-21T09:00"):
        reassess(story.account.pk)
    assert Hold.objects.filter(lifted_at__isnull=True).exists()
    assert broken(story, "2026-01-21T09:01") == []


def test_opening_for_a_payment_does_not_tell_the_customer_that_the_line_is_back(story: Story) -> None:
    from accounts.models import Notice

    before = Notice.objects.count()
    with story.now(NIGHT):
        presses(story.account)
        dispatch_enforcement()
    assert Notice.objects.count() == before


def test_a_room_that_fails_keeps_nobody_from_paying(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the network room is ill")

    monkeypatch.setattr("delinquency.receivers.open_for_payment", fail)
    monkeypatch.setattr("delinquency.receivers.end_for_payment", fail)
    with story.now(NIGHT):
        attempt = presses(story.account)
        SandboxGateway().use_page(attempt.page_id, "tok_ok")
        assert look_up(attempt.pk, clock.now()) == "done"
