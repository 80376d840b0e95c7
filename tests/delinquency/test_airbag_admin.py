"""The airbag in the back office: one page says what is held and why, and two people press."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from billing_project.kernel import clock
from delinquency.models import AirbagTrip, Event
from tests.factories import instant
from tests.towns import check, town
from tests.worlds import sonar

pytestmark = pytest.mark.django_db

DOES = ("view_airbagtrip", "decide_airbag", "view_airbagstep", "view_account")


@pytest.fixture
def trip() -> AirbagTrip:
    town(sonar(), 21)
    check("2026-01-21 09:05")
    return AirbagTrip.objects.get()


def browser(username: str, *does: str) -> Client:
    user = User.objects.create_user(username, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=does))
    client = Client()
    client.force_login(user)
    return client


def page(name: str, trip: AirbagTrip) -> str:
    return reverse(f"admin:delinquency_airbagtrip_{name}", args=[trip.pk])


def test_the_page_says_what_is_held_and_every_page_points_to_it(trip: AirbagTrip) -> None:
    client = browser("ann", *DOES)
    text = client.get(page("change", trip)).content.decode()
    assert "21 accounts would be cut today; 20 is the most that goes without asking" in text
    assert "0001" in text
    assert page("ask", trip) in text
    assert page("approve", trip) not in text
    for name in ("admin:index", "admin:delinquency_airbagtrip_changelist"):
        assert "The airbag holds the accounts to be cut of 2026-01-21." in client.get(reverse(name)).content.decode()


def test_one_asks_another_approves_and_the_same_one_cannot(trip: AirbagTrip) -> None:
    ann, bob = browser("ann", *DOES), browser("bob", *DOES)
    with clock.at(instant("2026-01-21 10:00")):
        assert ann.post(page("ask", trip), {"reason": "All of them owe."}).status_code == 303
        refused = ann.post(page("approve", trip), {"reason": "Yes."})
        assert "somebody else must approve" in refused.content.decode()
        assert "All of them owe." in bob.get(page("approve", trip)).content.decode()
        assert bob.post(page("approve", trip), {"reason": "Seen."}).status_code == 303
    trip.refresh_from_db()
    assert (trip.state, str(trip.asked_by), str(trip.decided_by)) == ("released", "ann", "bob")
    assert Event.objects.filter(kind="restricted").count() == 21
    assert [row.history_change_reason for row in trip.history.order_by("history_id")] == [
        "held by the airbag", "asked", "released",
    ]  # fmt: skip
    assert "The airbag holds the" not in ann.get(reverse("admin:index")).content.decode()


def test_it_is_dismissed_with_a_reason(trip: AirbagTrip) -> None:
    ann = browser("ann", *DOES)
    assert "cannot be left blank" in ann.post(page("dismiss", trip), {"reason": ""}).content.decode()
    with clock.at(instant("2026-01-21 10:00")):
        assert ann.post(page("dismiss", trip), {"reason": "Grace is 0 by mistake."}).status_code == 303
    trip.refresh_from_db()
    assert (trip.state, trip.decided_why) == ("dismissed", "Grace is 0 by mistake.")


def test_who_only_looks_may_not_decide(trip: AirbagTrip) -> None:
    sandy = browser("sandy", "view_airbagtrip", "view_account")
    assert sandy.get(page("change", trip)).status_code == 200
    for name in ("ask", "approve", "dismiss"):
        assert sandy.post(page(name, trip), {"reason": "x"}).status_code == 403
    assert AirbagTrip.objects.get().state == "held"
