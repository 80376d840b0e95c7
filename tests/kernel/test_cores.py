"""Work shared out over the machine's cores, and kept here where that is not possible."""

import multiprocessing
import os
from datetime import date
from typing import Any

import pytest

from accounts.models import Account
from billing_project.kernel import cores
from billing_project.kernel.cores import PARTS_MIN, share_out
from delinquency import backtest
from delinquency.rules.document import parse
from tests.factories import make_account
from tests.worlds import Story, sonar

PARTS = range(PARTS_MIN)


def look(part: int) -> tuple[int, int, int]:
    """Return the part, the process that did it, and how many accounts it saw."""
    return part, os.getpid(), Account.objects.count()


def fail(part: int) -> int:
    """Fail at one of the parts."""
    if part == 3:
        raise ValueError("part 3")
    return part


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that the machine has two cores, whatever it has."""
    monkeypatch.setattr(cores, "_cores", lambda: 2)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("two_cores")
def test_other_processes_do_the_work_on_the_database_of_whoever_asked() -> None:
    make_account()
    done = sorted(share_out(look, PARTS))
    assert [part for part, _, _ in done] == list(PARTS)
    assert {seen for _, _, seen in done} == {1}
    assert os.getpid() not in {process for _, process, _ in done}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("two_cores")
def test_what_goes_wrong_in_another_process_is_told_here() -> None:
    with pytest.raises(ValueError, match="part 3"):
        list(share_out(fail, PARTS))


@pytest.mark.django_db
@pytest.mark.usefixtures("two_cores")
def test_inside_a_transaction_the_work_stays_here_as_nobody_else_sees_its_rows() -> None:
    make_account()
    assert list(share_out(look, PARTS)) == [(part, os.getpid(), 1) for part in PARTS]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("two_cores")
def test_a_worker_of_celery_may_have_no_children_and_does_the_work_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)  # type: ignore[attr-defined]
    assert {process for _, process, _ in share_out(look, PARTS)} == {os.getpid()}


@pytest.mark.django_db(transaction=True)
def test_a_backtest_counts_the_same_in_many_processes_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(PARTS_MIN):
        story = Story(sonar(), number=f"{index}")
        story.owes(f"A-{index}", "2026-01-01", f"{100 + index}.00")
    monkeypatch.setattr(backtest, "CHUNK", 1)
    span: tuple[Any, ...] = (parse(sonar()), date(2026, 1, 1), date(2026, 3, 31))
    answers, told = [], []
    for count in (1, 2):
        monkeypatch.setattr(cores, "_cores", lambda count=count: count)
        answers.append(backtest.backtest(*span, progress=told.append))
    assert answers[0] == answers[1]
    assert answers[0]["summary"]["status_switches"] == PARTS_MIN
    assert sum(told) == 2 * PARTS_MIN
