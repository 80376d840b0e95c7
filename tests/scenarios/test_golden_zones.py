"""G20: two zones, the same local dates, and each look when its own morning comes."""

from datetime import UTC, datetime, time

import pytest

from billing_project.kernel import clock
from delinquency.models import Event
from delinquency.sweep import sweep
from netenforce.models import EnforcementTask
from tests.scenarios.golden import Golden, Sweeps
from tests.scenarios.goldens_first import FIRST
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db


def test_g20_two_zones_have_the_same_local_dates_each_at_its_own_nine_o_clock() -> None:
    east = Story(sonar(), first_bill_on="2026-01-01", number="east")
    west = Story(sonar(), first_bill_on="2026-01-01", number="west", zone="Pacific/Honolulu")
    west.days("2026-01-01", "2026-01-20")
    entered = Event.objects.filter(kind="account_delinquent").values_list("account__number", flat=True)
    seen = {}
    for hour, minute in ((13, 59), (14, 0), (18, 59), (19, 0)):
        sweep(datetime(2026, 1, 21, hour, minute, tzinfo=UTC), outside=False)
        seen[f"{hour}:{minute:02d}"] = sorted(entered.all())
    assert seen == {"13:59": [], "14:00": ["east"], "18:59": ["east"], "19:00": ["east", "west"]}
    west.days("2026-01-21", "2026-02-02")
    assert east.story() == west.story()
    assert (east.status, east.next_bill_on) == (west.status, west.next_bill_on) == ("Delinquent", "2026-02-01")


def test_after_missed_days_the_order_to_cut_keeps_its_date_and_waits_for_the_morning() -> None:
    g1: Golden = FIRST[0]
    sweeps = Sweeps(g1, missed=True)
    sweeps.play()
    restricted = Event.objects.get(kind="restricted")
    assert str(restricted.on) == "2026-01-21"
    task = EnforcementTask.objects.get(line=sweeps.line)
    decided, due = (clock.local(moment, sweeps.zone) for moment in (task.created_at, task.due_at))
    assert (decided.date(), decided.time() < time(4)) == (due.date(), True)
    assert due == datetime(2026, 1, 23, 9, 0)
