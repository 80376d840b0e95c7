"""Every golden timeline: through `timeline`, day by day, twice a day, with two days missed, in three zones."""

from datetime import time

import pytest

from accounts.models import Notice
from accounts.models.outreach import Courtesy
from billing_project.kernel import clock
from delinquency.models import Ticket
from invoicing.models import Charge, Invoice
from netenforce.models import EnforcementTask
from tests.factories import NEW_YORK

from .golden import Golden, Sweeps, by_timeline
from .goldens_back import BACK
from .goldens_first import FIRST
from .goldens_second import SECOND

GOLDENS = FIRST + BACK + SECOND
# One zone shifts its clocks by half an hour, one never.
MODES = {
    "daily": {"daily": True},
    "twice": {"times": 2},
    "missed": {"missed": True},
    "in-Lord-Howe": {"zone": "Australia/Lord_Howe"},
    "in-Honolulu": {"zone": "Pacific/Honolulu"},
}


def named(golden: Golden) -> str:
    """Return the test's own name for a golden timeline."""
    return golden.name


@pytest.mark.parametrize("zone", [NEW_YORK, "Australia/Lord_Howe", "Asia/Kathmandu"])
@pytest.mark.parametrize("golden", [golden for golden in GOLDENS if not golden.rows_only], ids=named)
def test_the_timeline_tells_it(golden: Golden, zone: str) -> None:
    assert by_timeline(golden, zone) == golden.lines


@pytest.mark.django_db
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("golden", GOLDENS, ids=named)
def test_the_sweeps_live_it(golden: Golden, mode: str) -> None:
    sweeps = Sweeps(golden, **MODES[mode])
    sweeps.play()
    assert sweeps.lived() == golden.lines
    assert sweeps.ends() == golden.ends
    assert dict(sweeps.story.invoices()) == golden.bills
    each_effect_is_there_once(sweeps)
    nobody_is_cut_outside_the_window(sweeps)


def each_effect_is_there_once(sweeps: Sweeps) -> None:
    """What the journal tells stands in rows once, however often it was looked at."""
    kinds = [kind for _, kind in sweeps.story.story()]
    letters = Notice.objects.filter(account=sweeps.account, channel="email").exclude(step_key="")
    letters = letters.exclude(step_key__in=Courtesy.values)  # no step writes them
    assert letters.count() == kinds.count("notice") + kinds.count("secondary_source_requested")
    assert Ticket.objects.filter(account=sweeps.account).count() == kinds.count("ticket_opened")
    assert Charge.objects.filter(account=sweeps.account, kind="late_fee").count() == kinds.count("late_fee")
    assert Invoice.objects.filter(account=sweeps.account).count() == kinds.count("issued")


def nobody_is_cut_outside_the_window(sweeps: Sweeps) -> None:
    """Whenever it was decided, a device is told to cut by day only (D6)."""
    tasks = EnforcementTask.objects.filter(line=sweeps.line, restores=False)
    for task in tasks:
        assert time(9) <= clock.local(task.due_at, sweeps.zone).time() <= time(21), task.why


def test_every_golden_timeline_is_played_with_days_missed_where_it_hurts() -> None:
    assert [golden.name for golden in GOLDENS if not golden.missed] == []
    assert len({golden.name for golden in GOLDENS}) == len(GOLDENS)
