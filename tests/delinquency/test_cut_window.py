"""An order to cut that could not leave in its window waits for the next one; a restore never waits (D6)."""

import pytest

from accounts.models import ServiceLine
from delinquency.operations import reassess
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import Device, EnforcementTask, LinePlacement, SimulatedEntry
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db


@pytest.fixture
def story() -> Story:
    """Return a customer whose cut of 2026-01-21 is queued and has not left."""
    story = Story(sonar(), first_bill_on="2026-01-01", sends=True)
    device = Device.objects.create(name="Edge 9", driver="simulated")
    line = ServiceLine.objects.create(account=story.account, ipv4="100.64.9.1")
    LinePlacement.objects.create(line=line, device=device)
    story.days("2026-01-01", "2026-01-21")
    return story


def test_after_an_outage_nobody_is_cut_at_night(story: Story) -> None:
    with story.now("2026-01-21 23:30") as at:
        assert dict(dispatch_enforcement(at)) == {"not_yet": 1}
        assert not SimulatedEntry.objects.exists()
    with story.now("2026-01-22 03:00") as at:
        dispatch_enforcement(at)
        assert EnforcementTask.objects.get().state == "queued"
    with story.now("2026-01-22 09:00") as at:
        assert dict(dispatch_enforcement(at)) == {"confirmed": 1}
        assert SimulatedEntry.objects.count() == 1


def test_whoever_pays_at_night_is_back_at_night(story: Story) -> None:
    story.posts("2026-01-21 09:10")
    with story.now("2026-01-21 09:30") as at:
        dispatch_enforcement(at)
    story.pays("2026-01-22 02:00", "100.00")
    with story.now("2026-01-22 02:00:30"):
        reassess(story.account.pk)
    with story.now("2026-01-22 02:01") as at:
        dispatch_enforcement(at)
    assert not SimulatedEntry.objects.exists()
