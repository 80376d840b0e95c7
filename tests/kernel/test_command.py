"""The base of the commands: one answer, one line of error, three exit codes."""

import json
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.core.management.base import CommandError
from django.db import OperationalError, ProgrammingError

from billing_project.kernel import clock, command
from billing_project.kernel.errors import Refused


class Probe(command.Command):
    """A command that does what the test says."""

    needs_database = False
    does: ClassVar[Callable[..., command.Answer]]

    def arguments(self, parser: Any) -> None:
        command.add_at(parser)
        command.add_dry_run(parser)

    def work(self, **options: Any) -> command.Answer:
        return type(self).does(**options)


def run(does: Callable[..., command.Answer], *arguments: str) -> int:
    """Run the probe as manage.py would, and return its exit code."""
    Probe.does = staticmethod(does)  # type: ignore[assignment]
    try:
        Probe().run_from_argv(["manage.py", "probe", *arguments])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def _raise(error: BaseException) -> Callable[..., command.Answer]:
    def does(**_: Any) -> command.Answer:
        raise error

    return does


def test_an_answer_is_lines_for_people_and_one_document_for_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def does(**_: Any) -> command.Answer:
        document = {"amount": Decimal("1.50"), "on": date(2026, 1, 31), "numbers": {"b", "a"}}
        return command.Answer(document, ["1.50 on Jan 31"])

    assert run(does) == 0
    assert capsys.readouterr().out == "1.50 on Jan 31\n"
    assert run(does, "--json") == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"amount": "1.50", "on": "2026-01-31", "numbers": ["a", "b"]}
    assert said.err == ""


def test_findings_end_with_1_and_are_told_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lambda **_: command.Answer({}, ["seen"], findings=True, trouble=["row 3\nis bad"])) == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == ("seen\n", "row 3; is bad\n")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (Refused("no_such", "There is no account 7; look at the number."), 1, "There is no account 7"),
        (command.BadArguments("--from is after --to; swap them."), 2, "--from is after --to"),
        (CommandError("two\nlines"), 1, "two; lines"),
        (
            OperationalError('connection to server at "h", port 1 failed: Connection refused\n\tIs it?'),
            1,
            "refused",
        ),
        (FileNotFoundError(2, "No such file or directory", "x.csv"), 1, "x.csv: No such file"),
        (ValueError("surprise"), 1, "Unexpected ValueError at test_command.py"),
        (KeyboardInterrupt(), 130, "Interrupted"),
    ],
)
def test_an_error_is_one_line_and_never_a_traceback(
    error: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(_raise(error)) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert len(said.err.splitlines()) == 1
    assert run(_raise(error), "--json") == code
    assert words in json.loads(capsys.readouterr().out)["error"]["message"]


def test_missing_tables_are_named_as_that() -> None:
    from psycopg.errors import UndefinedTable

    error = ProgrammingError('relation "x" does not exist')
    error.__cause__ = UndefinedTable()
    code, words, _ = command.explain(error)
    assert code == "not_migrated"
    assert "manage.py migrate" in words


@pytest.mark.parametrize("arguments", [("--at", "yesterday"), ("--at", "2026-02-30"), ("--unknown",), ("extra",)])
def test_bad_arguments_end_with_2_in_one_line(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lambda **_: command.Answer({}), *arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1


def test_at_sets_the_clock_of_the_whole_command() -> None:
    seen = []
    run(lambda **_: seen.append(clock.now()) or command.Answer({}), "--at", "2026-01-31T09:00-05:00")  # type: ignore[func-returns-value]
    assert seen == [datetime(2026, 1, 31, 14, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("text", "instant"),
    [("2026-01-31", "2026-01-31T00:00+00:00"), ("2026-01-31T09:00Z", "2026-01-31T09:00+00:00")],
)
def test_an_instant_without_offset_is_utc(text: str, instant: str) -> None:
    assert command.iso_instant(text) == datetime.fromisoformat(instant)


def test_dates_are_iso_dates() -> None:
    assert command.iso_date("2028-02-29") == date(2028, 2, 29)
    with pytest.raises(ArgumentTypeError):
        command.iso_date("02/03/2026")


def test_a_file_is_read_with_or_without_a_mark_and_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b"\xef\xbb\xbfnumber\n1\n")
    assert command.read_text(file) == "number\n1\n"
    file.write_bytes(b"number\n\xff\n")
    with pytest.raises(Refused, match="line 2 is not UTF-8"):
        command.read_text(file)
    with pytest.raises(command.BadArguments, match="No such file"):
        command.read_text(tmp_path / "none.csv")
    with pytest.raises(command.BadArguments, match="directory"):
        command.read_text(tmp_path)
    with pytest.raises(Refused, match="larger"):
        command.read_text(file, bytes_max=3)


def test_progress_is_sparse_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with command.Progress(1000, "Days") as progress:
        for _ in range(1000):
            progress.advance()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[-1].startswith("Days: 1000/1000")
