"""Many accounts move at once: compared, confirmed, moved in chunks, cancelled, undone (U05 to U07)."""

import re
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import Account, User
from billing_project.kernel import clock, nudge
from billing_project.kernel.errors import Refused
from delinquency.models import MoveBatch, Policy, PolicyMove, PolicyVersion, Standing
from delinquency.operations import (
    cancel_move,
    confirm_move,
    import_version,
    move_account,
    prepare_move,
    publish,
    undo_move,
    work_on,
    work_on_all,
)
from tests.backoffice import staff_client
from tests.factories import instant
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db
# By its name: the package has functions of the same kind.
BATCHES: Any = sys.modules[prepare_move.__module__]
NOON = instant("2026-01-19 12:00")


@pytest.fixture
def stories() -> list[Story]:
    """Return three customers of one policy who have not paid, on 2026-01-18; the third owes nothing."""
    found = [Story(sonar(), first_bill_on="2026-01-01", number=number) for number in ("1001", "1002")]
    found.append(Story(sonar(), number="1003"))
    found[0].days("2026-01-01", "2026-01-18")
    return found


def longer(**changes: Any) -> PolicyVersion:
    """Publish a version with ten days of grace."""
    return publish(import_version(sonar(**({"grace_days": 10} | changes)), policy=Policy.objects.get(name="S")))


def everybody() -> list[int]:
    """Return the keys of all accounts."""
    return list(Account.objects.order_by("pk").values_list("pk", flat=True))


def versions() -> dict[str, int]:
    """Return under which version each account is."""
    return dict(Standing.objects.values_list("account__number", "policy_version__number"))


def page(batch: MoveBatch) -> str:
    """Return the address of a batch's page."""
    return reverse("admin:delinquency_movebatch_change", args=[batch.pk])


def plain(response: Any) -> str:
    """Return a page's text without its tags, in single spaces."""
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", response.content.decode()))


def test_comparing_moves_nobody_and_counts_who_keeps_the_next_step_and_who_is_later(stories: list[Story]) -> None:
    with clock.at(NOON):
        batch = prepare_move(everybody(), version=longer())
    assert (batch.state, versions()) == ("ready", {"1001": 1, "1002": 1, "1003": 1})
    assert (batch.difference["compared"], batch.difference["same_next"], batch.difference["same"]) == (3, 1, 1)
    late = batch.difference["groups"]["delinquent_on:later"]
    assert late["count"] == 2
    assert late["rows"][0][1:] == ["1001", "2026-01-21", "2026-01-26"]


def test_the_page_says_it_in_words_with_accounts_and_dates(stories: list[Story]) -> None:
    client = staff_client()
    with clock.at(NOON):
        batch = prepare_move(everybody(), version=longer())
        text = plain(client.get(page(batch)))
    assert "1 of 3 keep their next step." in text
    assert "2 become delinquent later" in text
    assert "1001 Wed 21 Jan 2026 Mon 26 Jan 2026" in text
    assert "Move 3 accounts" in text


def test_what_would_come_sooner_is_named_before_what_would_come_later(stories: list[Story]) -> None:
    from delinquency.admin.move_batch import groups_of

    stories[1].pays("2026-01-18 12:00", "100.00")
    with clock.at(NOON):
        batch = prepare_move(everybody(), version=longer(grace_days=1, status_switch_days=20))
    words = [group.words for group in groups_of(batch)]
    assert words.index("become delinquent sooner") < words.index("stop being billed and served later")


def test_a_confirmed_batch_moves_all_with_its_reason_and_names_who_was_left_out(stories: list[Story]) -> None:
    version = longer()
    with clock.at(NOON):
        first = confirm_move(prepare_move([stories[0].account.pk], version=version), reason="a test first")
        batch = confirm_move(prepare_move(everybody(), version=version), reason="then the others")
    assert (first.moved, batch.state, batch.moved) == (1, "done", 2)
    assert batch.left_out["there_already"]["count"] == 1
    assert "1001 is under S v2 already" in batch.left_out["there_already"]["rows"][0][1]
    assert set(PolicyMove.objects.filter(batch=batch).values_list("reason", flat=True)) == {"then the others"}


def test_undoing_moves_back_only_those_that_were_not_moved_on_since(stories: list[Story]) -> None:
    second = longer()
    third = longer(grace_days=12)
    with clock.at(NOON):
        batch = confirm_move(prepare_move(everybody(), version=second), reason="longer grace")
        confirm_move(prepare_move([stories[0].account.pk], version=third), reason="even longer")
        back = undo_move(batch, reason="it was a mistake")
    assert versions() == {"1001": 3, "1002": 1, "1003": 1}
    assert (back.state, back.moved, back.undo_of) == ("done", 2, batch)
    with clock.at(NOON), pytest.raises(Refused, match="still where it was moved to"):
        undo_move(batch, reason="once more")


def test_an_account_that_is_moved_on_while_its_undoing_waits_for_a_worker_stays_and_is_named(
    stories: list[Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    second = longer()
    third = longer(grace_days=12)
    with clock.at(NOON):
        batch = confirm_move(prepare_move(everybody(), version=second), reason="longer grace")
        monkeypatch.setattr(BATCHES, "AT_ONCE", 0)
        back = undo_move(batch, reason="a mistake")
        move_account(stories[0].account, version=third, reason="even longer")
        work_on(back.pk)
    back.refresh_from_db()
    assert versions() == {"1001": 3, "1002": 1, "1003": 1}
    assert back.left_out["moved_on"]["rows"] == [["1001", "Account 1001 was moved on since; it stays."]]


def test_an_undone_move_leaves_the_story_as_if_nothing_had_been(stories: list[Story]) -> None:
    with clock.at(NOON):
        undo_move(confirm_move(prepare_move(everybody(), version=longer()), reason="x"), reason="a mistake")
    assert ("2026-01-21", "account_delinquent") in stories[0].days("2026-01-19", "2026-01-22")


def test_a_large_batch_is_left_to_a_worker_which_takes_it_up_where_it_stopped(
    stories: list[Story], monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    monkeypatch.setattr(BATCHES, "AT_ONCE", 1)
    monkeypatch.setattr(BATCHES, "CHUNK", 1)
    version = longer()
    with clock.at(NOON), nudge.recorded() as nudges:
        with django_capture_on_commit_callbacks(execute=True):
            batch = prepare_move(everybody(), version=version)
        assert (batch.state, nudges) == ("comparing", [("delinquency.move_batch", (batch.pk,))])
        assert work_on_all() == 3
        batch = confirm_move(batch, reason="longer grace")
        killed_after(1, monkeypatch)
        with pytest.raises(KeyboardInterrupt):
            work_on(batch.pk)
        batch.refresh_from_db()
        assert (batch.state, batch.place, batch.moved, PolicyMove.objects.count()) == ("moving", 1, 1, 1)
        monkeypatch.undo()
        assert work_on_all() == 2
    batch.refresh_from_db()
    assert (batch.state, batch.moved, PolicyMove.objects.count()) == ("done", 3, 3)


def killed_after(chunks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the worker die in the middle of the chunk after so many."""
    move, done = BATCHES.move_chunk, []

    def move_and_die(*args: Any, **kwargs: Any) -> Any:
        found = move(*args, **kwargs)
        done.append(1)
        if len(done) > chunks:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(BATCHES, "move_chunk", move_and_die)


def test_a_cancelled_batch_stops_and_what_was_moved_can_be_undone(
    stories: list[Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    version = longer()
    with clock.at(NOON):
        batch = prepare_move(everybody(), version=version)
        monkeypatch.setattr(BATCHES, "AT_ONCE", 0)
        monkeypatch.setattr(BATCHES, "CHUNK", 1)
        batch = confirm_move(batch, reason="longer grace")
        killed_after(1, monkeypatch)
        with pytest.raises(KeyboardInterrupt):
            work_on(batch.pk)
        cancel_move(batch)
        monkeypatch.undo()
        assert work_on_all() == 0
        assert sorted(versions().values()) == [1, 1, 2]
        undo_move(batch, reason="a mistake")
    assert set(versions().values()) == {1}


def test_one_account_that_cannot_be_worked_out_stays_behind_and_the_others_move(
    stories: list[Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    move, broken = BATCHES.move_chunk, stories[1].account.pk

    def fail_for_one(targets: Any, **kwargs: Any) -> Any:
        if broken in targets:
            raise ArithmeticError("no sum")
        return move(targets, **kwargs)

    with clock.at(NOON):
        batch = prepare_move(everybody(), version=longer())
        monkeypatch.setattr(BATCHES, "move_chunk", fail_for_one)
        batch = confirm_move(batch, reason="longer grace")
    assert (batch.state, batch.moved) == ("done", 2)
    assert "1002 could not be worked out" in batch.left_out["failed"]["rows"][0][1]
    assert versions() == {"1001": 2, "1002": 1, "1003": 2}


def test_a_comparison_of_yesterday_must_be_made_again(stories: list[Story]) -> None:
    with clock.at(NOON):
        batch = prepare_move(everybody(), version=longer())
    with clock.at(NOON + timedelta(hours=24, seconds=1)), pytest.raises(Refused, match="compare again"):
        confirm_move(batch, reason="too late")
    with clock.at(NOON + timedelta(hours=24)):
        assert confirm_move(batch, reason="just in time").state == "done"


def test_a_batch_is_confirmed_once_and_never_after_it_was_cancelled(stories: list[Story]) -> None:
    with clock.at(NOON):
        batch = confirm_move(prepare_move(everybody(), version=longer()), reason="x")
        with pytest.raises(Refused):
            confirm_move(batch, reason="again")
        other = cancel_move(prepare_move(everybody(), version=PolicyVersion.objects.get(policy__name="S", number=1)))
        with pytest.raises(Refused):
            confirm_move(other, reason="after all")
    assert PolicyMove.objects.count() == 3


def test_nothing_chosen_and_drafts_are_refused(stories: list[Story]) -> None:
    with pytest.raises(Refused, match="No account"):
        prepare_move([], version=longer())
    draft = import_version(sonar(), policy=Policy.objects.get(name="S"))
    with pytest.raises(Refused, match="publish it first"):
        prepare_move(everybody(), version=draft)


def test_more_than_fifty_are_moved_only_by_somebody_who_types_how_many(
    stories: list[Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("delinquency.admin.move_batch.TYPED_ABOVE", 2)
    client = staff_client()
    with clock.at(NOON):
        batch = prepare_move(everybody(), version=longer())
        wrong = client.post(page(batch), {"do": "confirm", "reason": "longer grace", "typed": "2"})
        assert "That is not 3" in wrong.content.decode()
        assert client.post(page(batch), {"do": "confirm", "reason": "x"}).status_code == 200
        assert set(versions().values()) == {1}
        right = client.post(page(batch), {"do": "confirm", "reason": "longer grace", "typed": "3"})
    assert right.status_code == 303
    assert set(versions().values()) == {2}
    assert set(PolicyMove.objects.values_list("moved_by__username", flat=True)) == {"boss"}


def test_the_page_of_a_batch_at_work_looks_again_by_itself_for_two_minutes_and_can_be_told_to_stop(
    stories: list[Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BATCHES, "AT_ONCE", 0)
    client = staff_client()
    with clock.at(NOON):
        batch = prepare_move(everybody(), version=longer())
        first = client.get(page(batch))
        assert first.headers["Refresh"] == "3; url=?look=2"
        assert "0 of 3" in plain(first)
        assert "Refresh" not in client.get(page(batch) + "?look=stop").headers
        assert "Refresh" not in client.get(page(batch) + "?look=40").headers
        work_on_all()
        assert "Refresh" not in client.get(page(batch)).headers


def test_after_publishing_the_version_says_who_is_still_under_the_old_one(stories: list[Story]) -> None:
    client, version = staff_client(), longer()
    text = plain(client.get(reverse("admin:delinquency_policyversion_change", args=[version.pk])))
    assert "3 accounts are still under S v1: publishing moves nobody." in text
    move_here = reverse("admin:delinquency_policyversion_move_here", args=[version.pk])
    old = PolicyVersion.objects.get(policy__name="S", number=1)
    assert f'value="{old.pk}" selected' in client.get(move_here + f"?from={old.pk}").content.decode()
    with clock.at(NOON):
        response = client.post(move_here, {"version": old.pk}, follow=True)
    assert "1 of 3 keep their next step." in plain(response)


def test_chosen_accounts_of_the_list_are_compared_across_all_its_pages(stories: list[Story]) -> None:
    client, version = staff_client(), longer()
    given = {"action": "move_chosen", "_selected_action": [stories[0].account.pk], "select_across": "1"}
    address = reverse("admin:accounts_account_changelist")
    assert "3 accounts chosen." in plain(client.post(address, given))
    with clock.at(NOON):
        response = client.post(address, given | {"confirmed": "1", "version": version.pk}, follow=True)
    assert "Move 3 accounts" in plain(response)


def test_one_account_is_moved_from_its_page_after_both_futures_were_shown(stories: list[Story]) -> None:
    client, version, account = staff_client(), longer(), stories[0].account
    address = reverse("admin:accounts_account_move_version", args=[account.pk])
    with clock.at(NOON):
        assert "S v1 (published)" not in plain(client.get(address)), "its own version is not offered"
        shown = plain(client.get(f"{address}?version={version.pk}"))
        assert "moved to Mon 26 Jan 2026" in shown
        assert versions()["1001"] == 1
        assert client.post(f"{address}?version={version.pk}", {"reason": ""}).status_code == 200
        done = client.post(f"{address}?version={version.pk}", {"reason": "longer grace agreed"}, follow=True)
    text = plain(done)
    assert "Account 1001 is now under S v2. Undo this move" in text
    assert "From S v1 → S v2: longer grace agreed" in text, "the story tells it"
    assert versions() == {"1001": 2, "1002": 1, "1003": 1}


def test_support_sees_a_move_but_can_neither_confirm_nor_undo_it(stories: list[Story]) -> None:
    support = User.objects.create(username="sandy", is_staff=True)
    names = ("view_account", "view_movebatch", "view_policyversion")
    support.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(support)
    version = longer()
    with clock.at(NOON):
        batch = prepare_move(everybody(), version=version)
        seen = client.get(page(batch))
        assert (seen.status_code, b"Move them" in seen.content) == (200, False)
        assert client.post(page(batch), {"do": "confirm", "reason": "x"}).status_code == 403
    assert client.get(reverse("admin:delinquency_policyversion_move_here", args=[version.pk])).status_code == 403
    assert set(versions().values()) == {1}
