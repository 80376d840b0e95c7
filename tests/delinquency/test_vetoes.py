"""Right before a cut leaves: only what can be proven due is sent, never harder, and never for a night (D9, D6, I9)."""

from collections.abc import Iterable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, Attention, Notice
from billing_project.kernel.together import Reading
from delinquency import vetoes
from delinquency.queries import NOTHING_OWED, OUT_OF_REACH, TOO_HARD, CutProof, cut_proofs
from netenforce.consult import consult
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import AddressList, EnforcementAttempt, EnforcementTask, LineState, SimulatedEntry
from netenforce.operations import place_hold
from tests.factories import make_account, make_device, make_line, make_status
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db

NOTICE = {
    "key": "notice", "action": "notice", "anchor": "delinquent", "offset_days": 0, "channels": ["email"],
    "template": "delinquent",
}  # fmt: skip
SLOW = {"key": "slow", "action": "restrict", "anchor": "delinquent", "offset_days": 0, "level": "throttle"}
CUT = {
    "key": "cut", "action": "restrict", "anchor": "delinquent", "offset_days": 2, "level": "suspend",
    "requires_notice": "notice",
}  # fmt: skip


def late(*steps: dict[str, Any], **terms: Any) -> Story:
    """Return a customer to be cut on 2026-01-23, whose line is as it always was."""
    story = Story(sonar(steps=[NOTICE, *steps], **terms), first_bill_on="2026-01-01", sends=True)
    make_line(story.account, "100.64.9.1", device=make_device("Edge 9"))
    story.days("2026-01-01", "2026-01-21")
    story.posts("2026-01-21 09:10")
    story.days("2026-01-22", "2026-01-23")
    return story


def lose_the_proof() -> None:
    Notice.objects.update(state="parked")


def hold(story: Story, local: str, cause: str, level: str) -> None:
    with story.now(local):
        place_hold(account_id=story.account.pk, cause=cause, cause_key=cause, level=level, why=f"Because of {cause}.")


def dispatched(story: Story, local: str) -> dict[str, int]:
    with story.now(local) as at:
        return dict(dispatch_enforcement(at))


def levels() -> list[str]:
    return list(SimulatedEntry.objects.order_by("address").values_list("level", flat=True))


def test_a_cut_that_is_proven_goes_out() -> None:
    story = late(CUT)
    assert dispatched(story, "2026-01-23 09:30") == {"confirmed": 1}
    assert levels() == ["suspend"]


WEEKDAYS = ["mon", "tue", "wed", "thu", "fri"]


def test_a_cut_that_could_not_leave_waits_for_an_open_day_unless_its_step_heeds_no_exclusion() -> None:
    story = late(CUT, check_weekdays=WEEKDAYS)
    for day in ("2026-01-24", "2026-01-25"):  # Saturday and Sunday
        assert dispatched(story, f"{day} 09:30") in ({"not_yet": 1}, {})
        assert levels() == []
    assert dispatched(story, "2026-01-26 06:00") == {"not_yet": 1}  # open, but it is night
    assert dispatched(story, "2026-01-26 09:30") == {"confirmed": 1}


def test_a_cut_of_a_step_that_heeds_no_exclusion_leaves_on_an_excluded_day() -> None:
    story = late(CUT | {"honours_exclusions": False}, check_weekdays=WEEKDAYS)
    assert dispatched(story, "2026-01-24 09:30") == {"confirmed": 1}


def test_whoever_is_cut_for_abuse_is_cut_on_an_excluded_day_as_well() -> None:
    story = late(CUT, check_weekdays=WEEKDAYS)
    hold(story, "2026-01-24 09:20", "abuse", "suspend")
    assert dispatched(story, "2026-01-24 09:30") == {"confirmed": 1}


def test_a_hold_for_abuse_takes_no_unproven_cut_out_with_it_but_what_it_asks_for_itself() -> None:
    story = late(CUT)
    hold(story, "2026-01-23 09:20", "abuse", "throttle")
    lose_the_proof()
    assert dispatched(story, "2026-01-23 09:30") == {"vetoed": 1, "confirmed": 1}
    assert levels() == ["throttle"]
    state = LineState.objects.get()
    assert (state.desired_level, state.observed_level) == ("throttle", "throttle")
    assert EnforcementTask.objects.latest("pk").why == "Because of abuse."
    assert Attention.objects.filter(code="cut-held").count() == 1
    assert dispatched(story, "2026-01-23 09:40") == {}


def test_a_hold_for_abuse_that_is_as_hard_needs_no_other_proof() -> None:
    story = late(CUT)
    hold(story, "2026-01-23 09:20", "abuse", "suspend")
    lose_the_proof()
    assert dispatched(story, "2026-01-23 09:30") == {"confirmed": 1}
    assert levels() == ["suspend"]


def test_where_a_harder_cut_is_not_proven_the_milder_one_is_sent_that_is() -> None:
    story = late(SLOW, CUT)
    lose_the_proof()
    assert dispatched(story, "2026-01-23 09:30") == {"vetoed": 1, "confirmed": 1}
    assert levels() == ["throttle"]


def test_a_line_that_is_slowed_already_stays_so_and_hears_nothing_new() -> None:
    story = Story(sonar(steps=[NOTICE, SLOW, CUT]), first_bill_on="2026-01-01", sends=True)
    make_line(story.account, "100.64.9.1", device=make_device("Edge 9"))
    story.days("2026-01-01", "2026-01-21")
    story.posts("2026-01-21 09:10")
    assert dispatched(story, "2026-01-21 09:30") == {"confirmed": 1}
    story.days("2026-01-22", "2026-01-23")
    lose_the_proof()
    assert dispatched(story, "2026-01-23 09:30") == {"vetoed": 1}
    assert (levels(), LineState.objects.get().desired_level) == (["throttle"], "throttle")
    assert dispatched(story, "2026-01-23 09:40") == {}


def test_nothing_milder_is_sent_where_nothing_is_owed_any_more() -> None:
    story = late(SLOW, CUT)
    story.pays("2026-01-23 09:20", "100.00")
    # Nobody has looked at the account again yet: both of its holds are still there.
    assert dispatched(story, "2026-01-23 09:30") == {"vetoed": 2}
    assert levels() == []


@pytest.mark.parametrize(
    ("cause", "at_night", "by_day"),
    [
        ("abuse", {"confirmed": 1}, {}),
        ("request", {"confirmed": 1}, {}),
        ("status", {"not_yet": 1}, {"confirmed": 1}),
        ("found", {"not_yet": 1}, {"confirmed": 1}),
    ],
)
def test_only_abuse_and_a_request_are_acted_on_at_night(
    cause: str, at_night: dict[str, int], by_day: dict[str, int]
) -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    make_line(story.account, "100.64.9.1", device=make_device("Edge 9"))
    hold(story, "2026-01-10 03:00", cause, "walled_garden")
    assert dispatched(story, "2026-01-10 03:01") == at_night
    assert dispatched(story, "2026-01-10 08:59") == {}
    assert dispatched(story, "2026-01-10 09:00") == by_day
    assert levels() == ["walled_garden"]


def test_a_hold_by_a_list_is_sent_only_while_the_account_belongs_into_that_list() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    make_line(story.account, "100.64.9.1", device=make_device("Edge 9"))
    gone = make_status("Gone", activates=False)
    by_status = AddressList.objects.create(name="Gone", level="suspend", by_account=True)
    by_status.statuses.add(gone)
    with story.now("2026-01-10 09:00"):
        place_hold(
            account_id=story.account.pk, cause="status", cause_key=f"list:{by_status.pk}", level="suspend", why="w"
        )
    assert dispatched(story, "2026-01-10 09:01") == {"vetoed": 1}
    assert EnforcementAttempt.objects.get().detail == vetoes.LEFT_THE_LIST
    Account.objects.update(status=gone)
    EnforcementTask.objects.update(state="queued")
    assert dispatched(story, "2026-01-10 09:02") == {"confirmed": 1}


def test_an_account_under_no_policy_is_restricted_by_day_as_well() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    other = make_account()
    make_line(other, "100.64.9.2", device=make_device("Edge 9"))
    with story.now("2026-01-10 22:00"):
        place_hold(account_id=other.pk, cause="status", cause_key="k", level="suspend", why="w")
    assert dispatched(story, "2026-01-10 22:00") == {"not_yet": 1}
    assert dispatched(story, "2026-01-11 09:00") == {"confirmed": 1}


def _everybody(account_ids: Iterable[int]) -> Reading[set[int]]:
    yield ()
    return set(account_ids)


def test_a_cut_waits_while_a_charge_is_unclear_and_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    story = late(CUT)
    with monkeypatch.context() as unclear:
        unclear.setattr("delinquency.reading.unsettled_reading", _everybody)
        assert dispatched(story, "2026-01-23 09:30") == {"not_yet": 1}
    assert dispatched(story, "2026-01-23 09:30:59") == {}
    assert dispatched(story, "2026-01-23 09:31") == {"confirmed": 1}


def town(count: int) -> Story:
    """Return one of so many customers to be cut on one device on 2026-01-23."""
    stories = [
        Story(sonar(steps=[NOTICE, CUT]), first_bill_on="2026-01-01", sends=True, number=f"20{number:02}")
        for number in range(count)
    ]
    device = make_device("Edge 9")
    for number, story in enumerate(stories):
        make_line(story.account, f"100.64.9.{number}", device=device)
    stories[0].days("2026-01-01", "2026-01-21")
    stories[0].posts("2026-01-21 09:10")
    stories[0].days("2026-01-22", "2026-01-23")
    return stories[0]


def test_one_account_that_cannot_be_judged_does_not_hold_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    story = town(3)
    real = cut_proofs

    def picky(account_ids: set[int]) -> Any:
        if story.account.pk in account_ids:
            raise ZeroDivisionError("its policy cannot be read")
        return real(account_ids)

    monkeypatch.setattr(vetoes, "cut_proofs", picky)
    assert dispatched(story, "2026-01-23 09:30") == {"vetoed": 1, "confirmed": 2}
    vetoed = EnforcementAttempt.objects.get(outcome="vetoed")
    assert (vetoed.task.line.account, vetoed.detail) == (story.account, "its policy cannot be read")


def test_a_batch_of_any_size_is_judged_and_sent_with_as_many_statements() -> None:
    story = town(8)
    counts = []
    for size in (2, 6):
        waiting = EnforcementTask.objects.filter(state="queued").order_by("pk").values("pk")[size:]
        later = list(EnforcementTask.objects.filter(pk__in=waiting).values_list("pk", flat=True))
        EnforcementTask.objects.filter(pk__in=later).update(state="cancelled")
        with CaptureQueriesContext(connection) as asked:
            assert dispatched(story, "2026-01-23 09:30") == {"confirmed": size}
        counts.append(len(asked))
        EnforcementTask.objects.filter(pk__in=later).update(state="queued")
    assert counts[0] == counts[1]


def test_a_batch_of_any_size_is_kept_back_with_as_many_statements() -> None:
    story = town(8)
    orders = list(EnforcementTask.objects.order_by("pk").values_list("pk", flat=True))
    lose_the_proof()
    counts = []
    with story.now("2026-01-23 09:30"):
        for pks in (orders[:2], orders[2:]):
            EnforcementTask.objects.filter(pk__in=pks).update(state="claimed")
            with CaptureQueriesContext(connection) as asked:
                assert sorted(consult(pks)[0]) == sorted(pks)
            counts.append(len(asked))
    assert counts[0] == counts[1]
    assert Attention.objects.filter(code="cut-held").count() == 8


@pytest.mark.parametrize(
    ("due", "level", "why"),
    [
        ([], "throttle", NOTHING_OWED),
        ([("throttle", "")], "throttle", ""),
        ([("throttle", "")], "walled_garden", TOO_HARD),
        ([("suspend", "")], "throttle", ""),
        ([("throttle", ""), ("suspend", OUT_OF_REACH)], "suspend", OUT_OF_REACH),
        ([("suspend", ""), ("suspend", OUT_OF_REACH)], "suspend", ""),
    ],
)
def test_what_is_proven_carries_its_own_level_and_what_is_milder(
    due: list[tuple[str, str]], level: str, why: str
) -> None:
    assert CutProof(due=due).why_not(level) == why


def test_a_line_is_closed_again_no_harder_than_what_is_still_owed() -> None:
    owed = CutProof(due=[("throttle", "the notice is not needed for this")])
    assert owed.why_not_again("throttle") is None
    assert owed.why_not_again("suspend") == TOO_HARD
    assert CutProof().why_not_again("throttle") == NOTHING_OWED
