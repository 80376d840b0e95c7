"""The log of the timetable, runs asked for by hand, what comes next, and who is blocked still."""

from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.models import User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.nudge import recorded
from delinquency.asked_runs import ask_for_run, keep_preview, run_all_asked
from delinquency.models import Event, RunRequest, Sweep, TaskRun
from delinquency.runs import CHECK, WORDS, clear_log, lines, note_run, timetable
from delinquency.sweep import sweep
from delinquency.tonight import coming, due_ids, totals
from netenforce.models import EnforcementTask, LineState
from netenforce.operations import push_restore
from tests.backoffice import make_customer, make_version, queries_for, staff_client
from tests.factories import instant, make_staff
from tests.towns import town
from tests.worlds import sonar

pytestmark = pytest.mark.django_db

TEN = datetime(2026, 3, 2, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def state_of(task: str, now: datetime) -> str:
    return next(line.state for line in lines(now) if line.entry.task == task)


def runs_of(task: str) -> list[tuple[str, int, int]]:
    rows = TaskRun.objects.filter(task=task).order_by("pk")
    return list(rows.values_list("state", "count", "runs"))


def in_role(role: str) -> Client:
    user = User.objects.create_user(role.lower().replace(" ", "-"), is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def test_every_task_of_the_timetable_is_explained_in_words() -> None:
    assert {entry.task for entry in timetable(TEN)} == set(WORDS)


def test_quiet_runs_share_a_line_and_what_did_something_has_its_own() -> None:
    for minutes, count, error in ((0, 0, ""), (5, 0, ""), (10, 7, ""), (15, 0, ""), (20, 0, "Error: no"), (25, 0, "")):
        note_run(CHECK, began_at=TEN + minutes * MINUTE, seconds=1.5, count=count, error=error)
    assert runs_of(CHECK) == [("done", 0, 2), ("done", 7, 1), ("done", 0, 1), ("failed", 0, 1), ("done", 0, 1)]
    assert TaskRun.objects.filter(task=CHECK).order_by("pk")[0].last_at == TEN + 5 * MINUTE


def test_ticks_that_never_came_are_counted_in_the_log() -> None:
    note_run(CHECK, began_at=TEN, seconds=1)
    note_run(CHECK, began_at=TEN + 30 * MINUTE, seconds=1)
    assert runs_of(CHECK) == [("done", 0, 1), ("missed", 0, 5), ("done", 0, 1)]


def test_a_task_is_late_when_it_is_a_whole_turn_behind() -> None:
    assert state_of(CHECK, TEN) == "not yet"
    note_run(CHECK, began_at=TEN, seconds=1)
    assert state_of(CHECK, TEN + 10 * MINUTE) == "on time"
    assert state_of(CHECK, TEN + 11 * MINUTE) == "late"
    note_run(CHECK, began_at=TEN + 12 * MINUTE, seconds=1, error="Error: no")
    assert state_of(CHECK, TEN + 13 * MINUTE) == "failed"


def test_the_next_run_of_a_task_with_fixed_hours_is_told() -> None:
    found = {entry.task: entry for entry in timetable(TEN)}
    assert found["invoicing.tick"].next_at == TEN.replace(minute=5)
    assert found["delinquency.report_forecast"].next_at == TEN.replace(hour=20)
    assert found["invoicing.purge_events"].next_at == TEN.replace(day=3, hour=3, minute=40)
    assert found["invoicing.purge_events"].period == timedelta(days=1)


def test_the_log_keeps_the_newest_lines_of_each_task() -> None:
    for minutes in range(4):
        note_run(CHECK, began_at=TEN + 5 * minutes * MINUTE, seconds=1, count=minutes + 1)
    note_run("invoicing.tick", began_at=TEN, seconds=1, count=1)
    with patch("delinquency.runs.KEPT_PER_TASK", 2):
        assert clear_log() == 2
    assert [count for _state, count, _runs in runs_of(CHECK)] == [3, 4]
    assert len(runs_of("invoicing.tick")) == 1


def test_a_finished_task_is_written_down_by_itself_and_a_failed_one_with_its_error() -> None:
    from billing_project.celery import app

    app.loader.import_default_modules()
    with patch("delinquency.tasks.store_forecast", return_value=[1, 2]):
        app.tasks["delinquency.report_forecast"].apply()
    with patch("delinquency.tasks.store_forecast", side_effect=ValueError("no zones")):
        app.tasks["delinquency.report_forecast"].apply()
    assert runs_of("delinquency.report_forecast") == [("done", 2, 1), ("failed", 0, 1)]
    assert TaskRun.objects.get(state="failed").error == "ValueError: no zones"


def test_a_run_by_hand_does_the_check_and_says_what_came_of_it() -> None:
    town(sonar(status_switch_days=None), 3)
    boss = make_staff("boss")
    with clock.at(instant("2026-01-21 09:05")), recorded() as nudges:
        request = ask_for_run("check", by=boss, reason="After the outage")
        with pytest.raises(Refused, match="waiting or at work already"):
            ask_for_run("check", by=boss)
        assert ask_for_run("billing", by=boss).state == "waiting"
        assert run_all_asked() == 2
        assert run_all_asked() == 0
    request.refresh_from_db()
    assert (request.state, request.done, request.total) == ("done", 3, 3)
    assert request.words.startswith("3 accounts looked at")
    assert Event.objects.filter(kind="restricted").count() == 3
    assert [name for name, _ in nudges].count("delinquency.run_asked") in (0, 2)
    assert ask_for_run("check", by=boss).pk != request.pk


def test_a_run_that_goes_wrong_says_so_and_one_whose_worker_died_is_closed() -> None:
    boss = make_staff("boss")
    dead = RunRequest.objects.create(
        kind="check",
        state="running",
        asked_by=boss,
        started_at=TEN,
        taken_up=3,
        alive_until_at=TEN + 15 * MINUTE,
        total=9,
        done=4,
    )
    broken = ask_for_run("figures", by=boss)
    with patch.dict("delinquency.asked_runs.WORK", figures=lambda _progress: 1 / 0), clock.at(TEN + 20 * MINUTE):
        assert run_all_asked() == 1
    dead.refresh_from_db()
    broken.refresh_from_db()
    assert (dead.state, broken.state) == ("failed", "failed")
    assert "run it again" in dead.words
    assert "ZeroDivisionError" in broken.words


def test_what_comes_next_is_what_the_check_then_does_and_looking_changes_nothing() -> None:
    accounts = town(sonar(status_switch_days=None), 3)
    with clock.at(instant("2026-01-20 15:00")):
        rows = coming(due_ids(clock.now()))
        assert (Event.objects.count(), Sweep.objects.count()) == (0, 0)
    done = sweep(instant("2026-01-21 09:05"), outside=False)
    cuts = [
        (account.number, f"{event.at:%Y-%m-%d %H:%M}") for account, event in done.events if event.kind == "restricted"
    ]
    assert [(row.number, row.local_at) for row in rows if row.kind == "restricted"] == sorted(cuts)
    assert len(cuts) == len(accounts)
    (cut,) = [total for total in totals(rows) if total.kind == "restricted"]
    assert (cut.count, cut.accounts) == (3, 3)


def test_the_page_of_what_comes_next_has_counts_names_and_a_file_without_formulas() -> None:
    account = town(sonar(status_switch_days=None), 1)[0]
    account.name = "=cmd"
    account.save()
    client, page = staff_client(), reverse("admin:delinquency_taskrun_tonight")
    with clock.at(instant("2026-01-20 15:00")):
        shown = client.get(page, {"kind": "restricted"}).content.decode()
        sent = b"".join(client.get(page, {"csv": ""}).streaming_content).decode()  # type: ignore[attr-defined]
    assert "0001 =cmd" in shown
    assert "2026-01-21 09:00" in shown
    assert "'=cmd" in sent
    assert ",=cmd" not in sent


def test_for_many_accounts_the_page_shows_what_a_worker_has_found() -> None:
    town(sonar(status_switch_days=None), 2)
    client, page = staff_client(), reverse("admin:delinquency_taskrun_tonight")
    with clock.at(instant("2026-01-20 15:00")), patch("delinquency.admin.sweeps_tonight.AT_ONCE", 1):
        assert "It has not been done yet." in client.get(page).content.decode()
        ask_for_run("preview", by=User.objects.get(username="boss"))
        run_all_asked()
        shown = client.get(page).content.decode()
    assert "This was found at" in shown
    assert "0002" in shown


def test_the_page_of_runs_counts_what_is_wrong_as_the_home_page_does() -> None:
    client = staff_client()
    with clock.at(TEN):
        note_run(CHECK, began_at=TEN - 60 * MINUTE, seconds=1)
        note_run("invoicing.tick", began_at=TEN - MINUTE, seconds=1, error="Error: no paper")
        note_run("netenforce.watch", began_at=TEN - MINUTE, seconds=1)
        page = client.get(reverse("admin:delinquency_taskrun_runs"), {"state": "wrong"})
        home = client.get(reverse("admin:index")).content.decode()
    assert page.context["found_count"] == 2
    assert "no paper" in page.content.decode()
    assert 'runs/?state=wrong"><span class="desk-count">2</span>' in home
    assert "Billing and 1 more, last ran 2026-03-02 09:59 UTC" in home


def test_the_page_of_runs_needs_the_same_queries_for_many_runs() -> None:
    client, url = staff_client(), reverse("admin:delinquency_taskrun_runs")
    note_run(CHECK, began_at=TEN, seconds=1, count=1)
    few = queries_for(client, url)
    for minutes in range(12):
        note_run(CHECK, began_at=TEN + minutes * MINUTE, seconds=1, count=1)
    assert queries_for(client, url) == few


@pytest.mark.parametrize(("role", "status"), [("Billing managers", 303), ("Billing clerks", 403), ("Auditors", 403)])
def test_only_who_may_run_sweeps_can_ask_for_one(role: str, status: int) -> None:
    client = in_role(role)
    url = reverse("admin:delinquency_runrequest_ask", args=["check"])
    assert client.post(url, {"reason": "After the outage"}).status_code == status
    assert RunRequest.objects.count() == (1 if status == 303 else 0)
    runs = client.get(reverse("admin:delinquency_taskrun_runs"))
    assert runs.status_code == 200
    assert ("Run now" in runs.content.decode()) is (status == 303)


def test_a_run_by_hand_is_asked_about_and_its_page_follows_it() -> None:
    client = staff_client()
    url = reverse("admin:delinquency_runrequest_ask", args=["check"])
    assert "airbag stands guard" in client.get(url).content.decode()
    page = client.post(url, {"reason": "After the outage"}, follow=True)
    assert "Waiting for a worker" in page.content.decode()
    assert page.headers["Refresh"].startswith("3;")
    assert "Refresh" not in client.get(page.redirect_chain[-1][0], {"look": "stop"}).headers
    again = client.post(url, {"reason": "And again"}).content.decode()
    assert "waiting or at work already" in again
    run_all_asked()
    done = client.get(page.redirect_chain[-1][0])
    assert "accounts looked at" in done.content.decode()
    assert "Refresh" not in done.headers


def test_who_is_free_to_go_and_still_blocked_is_listed_and_pushed_once() -> None:
    account = make_customer("10001", make_version())
    LineState.objects.filter(line__account=account).update(observed_level="suspend")
    client, url = in_role("Support"), reverse("admin:delinquency_taskrun_blocked")
    page = client.get(url)
    assert page.context["found_count"] == 1
    assert "No order was made yet" in page.content.decode()
    push = reverse("admin:delinquency_taskrun_push", args=[account.pk])
    assert "is freed before anything else" in client.post(push, follow=True).content.decode()
    client.post(push)
    (task,) = EnforcementTask.objects.filter(line__account=account)
    assert (task.level, task.restores, task.state) == ("open", True, "queued")
    assert in_role("Auditors").post(push).status_code == 403
    LineState.objects.update(observed_level="open")
    with pytest.raises(Refused, match="No line of this account waits"):
        push_restore(account.pk)
    assert "Nobody" in client.get(url).content.decode()


def test_pushing_tries_an_order_that_waits_for_its_next_try_now() -> None:
    account = make_customer("10001", make_version())
    LineState.objects.update(observed_level="suspend")
    line, device = account.service_lines.get(), LineState.objects.get().device
    task = EnforcementTask.objects.create(
        line=line,
        device=device,
        level="open",
        restores=True,
        generation=1,
        why="paid",
        due_at=clock.now() + 30 * MINUTE,
    )
    assert push_restore(account.pk) == 1
    task.refresh_from_db()
    assert task.due_at <= clock.now()
    assert EnforcementTask.objects.count() == 1


def test_where_many_are_due_the_preview_is_kept_fresh_and_old_ones_are_forgotten() -> None:
    town(sonar(status_switch_days=None), 2)
    with clock.at(instant("2026-01-20 15:00")):
        assert keep_preview() == 0
        with patch("delinquency.asked_runs.AT_ONCE", 1):
            found = [keep_preview() for _ in range(4)]
    assert found[0] > 0
    assert len(set(found)) == 1
    assert RunRequest.objects.count() == 3
