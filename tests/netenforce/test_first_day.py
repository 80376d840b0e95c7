"""Take a device over that held lines before this program did: nobody is cut by it, and nobody who paid is kept."""

from typing import Any

import pytest

from accounts.models import ServiceLine
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, Unavailable
from netenforce.dispatch import dispatch_enforcement
from netenforce.drivers.simulated import SimulatedDriver
from netenforce.first_day import Choice, trust, what_is_there
from netenforce.models import Device, EnforcementTask, Hold, LineState, SimulatedEntry
from netenforce.operations import lift_hold, place_hold
from netenforce.reconcile import reconcile
from netenforce.rules.spans import Spans
from tests.factories import instant, make_account, make_device, make_line

pytestmark = pytest.mark.django_db

NOON = instant("2026-01-21 12:00")
LISTS = {"throttle": "Delinquent-Throttle", "walled_garden": "Walled-Garden", "suspend": "Suspended"}


def test_spans_find_the_lines_inside_and_around_an_address() -> None:
    spans = Spans({"10.0.0.8/29": "a", "10.0.0.16/32": "b", "2001:db8::/56": "c", "rosa": "d"})
    assert spans.covered("10.0.0.9") == ["a"]
    assert spans.covered("10.0.0.0/24") == ["a", "b"]
    assert spans.covered("10.0.0.17") == []
    assert spans.covered("10.0.0.1") == []
    assert spans.covered("2001:db8::1") == ["c"]
    assert spans.covered("0.0.0.0/0") == ["a", "b"]
    assert spans.covered("rosa") == []


@pytest.fixture
def device() -> Device:
    return make_device()


def entry(device: Device, address: str, level: str = "suspend", *, ours: bool = False, name: str = "") -> None:
    """Put an address into a list as somebody did before us."""
    SimulatedEntry.objects.create(
        device=device, address=address, level=level, list_name=name or LISTS[level], ours=ours
    )


def new_line(device: Device, address: str) -> ServiceLine:
    return make_line(make_account(), address, device=device)


def take(device: Device, choice: str = Choice.KEEP) -> Any:
    with clock.at(NOON):
        return trust(device, by=None, reason="moved from the old program", choice=choice)


def memory() -> dict[str, tuple[str, bool]]:
    return {row.address: (row.level, row.ours) for row in SimulatedEntry.objects.all()}


def test_what_is_there_tells_its_entries_apart_and_writes_nothing(device: Device) -> None:
    agreeing, found, absent = (new_line(device, f"100.64.0.{place}") for place in (1, 2, 3))
    stranger = make_line(make_account(), "100.64.7.1")
    place_hold(account_id=agreeing.account_id, cause="non_payment", cause_key="k", level="suspend", why="unpaid")
    place_hold(account_id=absent.account_id, cause="non_payment", cause_key="k", level="suspend", why="unpaid")
    EnforcementTask.objects.all().delete()
    for address in ("100.64.0.1", "100.64.0.2", "198.51.100.7", "100.64.0.0/30", stranger.ipv4):
        entry(device, address)
    before = memory()
    inside = what_is_there(device)
    assert [one.line for one in inside.agree] == [agreeing]
    assert [one.line for one in inside.taken] == [found]
    assert [one.line for one in inside.absent] == [absent]
    words = {one.address: one.words for one in inside.strays}
    assert "left alone" in words["198.51.100.7"]
    assert "Overlaps 100.64.0.1, 100.64.0.2, 100.64.0.3" in words["100.64.0.0/30"]
    assert "not placed on this device" in words[stranger.ipv4]
    assert (memory(), Hold.objects.filter(cause="found").count()) == (before, 0)


def test_a_line_that_is_held_stays_held_with_a_reason_and_no_order_goes_out(device: Device) -> None:
    line = new_line(device, "100.64.0.1")
    entry(device, "100.64.0.1", "walled_garden")
    done = take(device)
    assert (done.held, done.adopted, done.freed, done.failure) == (1, 1, 0, "")
    hold = Hold.objects.get()
    assert (hold.cause, hold.level, hold.account) == ("found", "walled_garden", line.account)
    assert hold.why.startswith("Stood in list Walled-Garden on device edge-1 on 2026-01-21 when it was taken over")
    state = LineState.objects.get()
    assert (state.desired_level, state.observed_level, state.observed_at) == ("walled_garden", "walled_garden", NOON)
    assert not EnforcementTask.objects.exists()
    assert memory() == {"100.64.0.1": ("walled_garden", True)}
    (report,) = reconcile(dry_run=True)
    assert report.drifted == 0


def test_lifting_the_hold_that_was_found_frees_the_line(device: Device) -> None:
    line = new_line(device, "100.64.0.1")
    entry(device, "100.64.0.1")
    take(device)
    lift_hold(account_id=line.account_id, cause_key=f"found:{device.pk}", why="paid long ago")
    dispatch_enforcement()
    assert memory() == {}


def test_pressed_again_there_is_nothing_left_to_do(device: Device) -> None:
    new_line(device, "100.64.0.1")
    entry(device, "100.64.0.1")
    take(device)
    again = take(device)
    assert (again.held, again.adopted, Hold.objects.count()) == (0, 0, 1)


def test_an_entry_that_should_be_there_becomes_ours_so_that_a_payment_can_free_it(device: Device) -> None:
    line = new_line(device, "100.64.0.1")
    place_hold(account_id=line.account_id, cause="non_payment", cause_key="k", level="suspend", why="unpaid")
    EnforcementTask.objects.all().delete()
    entry(device, "100.64.0.1")
    assert take(device).adopted == 1
    assert not Hold.objects.filter(cause="found").exists()
    lift_hold(account_id=line.account_id, cause_key="k", why="paid")
    dispatch_enforcement()
    assert memory() == {}


def test_stopped_between_its_holds_and_the_device_it_goes_on_when_pressed_again(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_line(device, "100.64.0.1")
    entry(device, "100.64.0.1")

    def lost(*_: Any) -> None:
        raise Unavailable("edge-1 went away.")

    with monkeypatch.context() as broken:
        broken.setattr(SimulatedDriver, "adopt", lost)
        first = take(device)
    assert (first.held, first.adopted, first.failure) == (1, 0, "edge-1 went away.")
    reconcile()
    assert memory() == {"100.64.0.1": ("suspend", False)}, "nobody was freed or cut in between"
    assert take(device).adopted == 1
    assert (memory(), Hold.objects.count()) == ({"100.64.0.1": ("suspend", True)}, 1)


def test_who_was_restricted_by_us_and_has_paid_is_never_kept(device: Device) -> None:
    line = new_line(device, "100.64.0.1")
    place_hold(account_id=line.account_id, cause="non_payment", cause_key="k", level="suspend", why="unpaid")
    dispatch_enforcement()
    lift_hold(account_id=line.account_id, cause_key="k", why="paid")
    inside = what_is_there(device)
    assert "under way" in inside.left[0].words
    dispatch_enforcement()
    entry(device, "100.64.0.1", ours=True)
    inside = what_is_there(device)
    assert inside.taken == []
    assert "ourselves before" in inside.left[0].words
    take(device)
    assert not Hold.objects.filter(cause="found").exists()


def test_a_hold_that_would_cut_another_line_of_the_account_is_not_placed(device: Device) -> None:
    account = make_account()
    make_line(account, "100.64.0.1", device=device)
    make_line(account, "100.64.0.2", device=device)
    entry(device, "100.64.0.1")
    inside = what_is_there(device)
    assert inside.taken == []
    assert "Its account has line 100.64.0.2 on edge-1 as well, which is open" in inside.left[0].words
    take(device)
    assert not Hold.objects.exists()


def test_two_lines_of_an_account_that_are_both_held_get_one_hold(device: Device) -> None:
    account = make_account()
    for place in (1, 2):
        make_line(account, f"100.64.0.{place}", device=device)
        entry(device, f"100.64.0.{place}")
    assert (take(device).held, Hold.objects.count()) == (2, 1)
    assert not EnforcementTask.objects.exists()
    lift_hold(account_id=account.pk, cause_key=f"found:{device.pk}", why="free")
    dispatch_enforcement()
    assert memory() == {}


def test_a_line_of_which_one_address_is_listed_is_not_kept(device: Device) -> None:
    make_line(make_account(), "100.64.0.1", device=device, ipv6="2001:db8:17::/56")
    entry(device, "100.64.0.1")
    assert "Only some of its addresses" in what_is_there(device).left[0].words


def test_a_line_on_two_devices_is_kept_once_both_were_read(device: Device) -> None:
    line = new_line(device, "100.64.0.1")
    other = make_device("edge-2")
    line.placements.create(device=other)
    entry(device, "100.64.0.1")
    entry(other, "100.64.0.1")
    assert "edge-2 as well, which is not known yet" in what_is_there(device).left[0].words
    LineState.objects.create(line=line, device=other, observed_level="suspend", observed_at=NOON)
    assert take(device).held == 1
    assert take(other).adopted == 1
    assert not EnforcementTask.objects.exists()


def test_who_is_in_another_list_than_ours_would_be_moved_and_is_not_kept(device: Device) -> None:
    new_line(device, "100.64.0.1")
    entry(device, "100.64.0.1", name="Old-Suspended")
    assert "would be moved to Suspended" in what_is_there(device).left[0].words


def test_where_our_books_are_right_lines_are_freed_and_nothing_is_held(device: Device) -> None:
    new_line(device, "100.64.0.1")
    entry(device, "100.64.0.1")
    done = take(device, Choice.FREE)
    assert (done.held, done.freed, done.adopted) == (0, 1, 1)
    assert not Hold.objects.exists()
    dispatch_enforcement()
    assert memory() == {}


def test_a_device_that_does_not_answer_is_refused_in_words_without_its_secret(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.secret = "hush-hush"
    device.save()

    def told(*_: Any) -> None:
        raise Unavailable("log-in with hush-hush failed")

    monkeypatch.setattr(SimulatedDriver, "read_all", told)
    with pytest.raises(Refused) as refused:
        what_is_there(device)
    assert refused.value.words == "log-in with (secret) failed"
    device.refresh_from_db()
    assert device.failure == "log-in with (secret) failed"


def test_the_number_of_queries_does_not_grow_with_the_lines(device: Device, django_assert_max_num_queries: Any) -> None:
    for place in range(60):
        new_line(device, f"100.64.0.{place}")
        entry(device, f"100.64.0.{place}")
    with django_assert_max_num_queries(25):
        assert len(what_is_there(device).taken) == 60
    with django_assert_max_num_queries(80):
        assert take(device).held == 60
