"""The base of every command of the outer face: one way to answer, refuse and end.

A command subclasses :class:`Command` and writes ``arguments`` and ``work``::

    class Command(command.Command):
        help = "Do one billing tick."

        def arguments(self, parser):
            command.add_at(parser)

        def work(self, *, at, **options):
            done = tick(at=clock.now())
            return command.Answer({"issued": done}, [f"{done} invoices issued."])

What the base does: ``--json`` prints exactly one JSON document on stdout (also
for a refusal); an error is one line on stderr; the exit code is 0 for done, 1
for refused or findings, 2 for bad arguments. ``--at`` sets the clock for the
whole command. Without ``DATABASE_URL`` the embedded database is started if it
is not running, and stopped again if nobody else uses it.
"""

import argparse
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError, connections
from django.utils.module_loading import import_string

from . import acting, clock
from .errors import Refused
from .progress import Progress

__all__ = [
    "Answer",
    "BadArguments",
    "Command",
    "Progress",
    "add_at",
    "add_dry_run",
    "iso_date",
    "iso_instant",
    "read_text",
    "to_json",
]

DONE, REFUSED, BAD_ARGUMENTS, INTERRUPTED = 0, 1, 2, 130

# The advisory lock under which an empty embedded database gets its tables; any fixed number will do.
_MIGRATION_LOCK = 7_402_118

# SQLSTATE 42P01, 42703: a table or a column is missing, so migrations are.
_NOT_MIGRATED = {"42P01", "42703"}
# SQLSTATE 53100: no room is left where the database lives.
_DISK_FULL = "53100"


class BadArguments(Refused):
    """Say no because the arguments of a command make no sense; it ends with exit code 2."""

    def __init__(self, words: str, code: str = "bad_arguments") -> None:
        super().__init__(code, words)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command has to say: a document for programs and lines for people.

    ``findings`` makes the exit code 1 although nothing went wrong in the command itself.
    ``trouble`` are lines for stderr: what was found wrong, one line each.
    """

    document: Any
    lines: Iterable[str] = ()
    findings: bool = False
    trouble: Iterable[str] = ()


class OneLineParser(CommandParser):
    """Report a bad argument as one line with exit code 2, without the usage text before it."""

    def error(self, message: str) -> NoReturn:
        """End with one line, or raise CommandError when called from other code."""
        if self.called_from_command_line:
            self.exit(BAD_ARGUMENTS, f"{self.prog}: {_one_line(message)}; --help shows the arguments\n")
        raise CommandError(f"Error: {message}", returncode=BAD_ARGUMENTS)


class Command(BaseCommand):
    """Answer a command of the outer face; subclasses write ``arguments`` and ``work``."""

    needs_database: ClassVar[bool] = True
    # The server checks the whole system when it starts; cron should not pay for it each minute.
    requires_system_checks = []
    exit_code = DONE

    def arguments(self, parser: CommandParser) -> None:
        """Add the command's own arguments; ``--json`` is there already."""

    def work(self, **options: Any) -> Answer:
        """Do the work and return the answer; may raise Refused."""
        raise NotImplementedError

    def add_arguments(self, parser: CommandParser) -> None:
        """Add ``--json`` and the command's own arguments."""
        parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
        self.arguments(parser)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return Django's parser, made to complain in one line."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.__class__ = OneLineParser
        parser.prog = subcommand
        return parser

    def handle(self, *args: Any, **options: Any) -> None:
        """Run ``work`` under the wanted clock and print its answer."""
        with ExitStack() as stack:
            stack.enter_context(acting.as_program(f"command {type(self).__module__.rpartition('.')[2]}"))
            if isinstance(options.get("at"), datetime):
                stack.enter_context(clock.at(options["at"]))
            answer = self.work(**options)
        if options["json"]:
            self.stdout.write(to_json(answer.document))
        else:
            for line in answer.lines:
                self.stdout.write(line)
        for line in answer.trouble:
            self.stderr.write(_one_line(line), self.style.ERROR)
        self.exit_code = REFUSED if answer.findings else DONE

    def run_from_argv(self, argv: list[str]) -> None:
        """Run as a program: turn every way of failing into one line and an exit code."""
        self._called_from_command_line = True
        parser = self.create_parser(argv[0], argv[1])
        options = vars(parser.parse_args(argv[2:]))
        options.pop("args", None)
        # The broker is only a doorbell; a command must work, and be silent, without one.
        logging.getLogger("billing_project.kernel.nudge").setLevel(logging.ERROR)
        signal.signal(signal.SIGTERM, _end_on_signal)
        code = self._run(options)
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if code:
            sys.exit(code)

    def _run(self, options: dict[str, Any]) -> int:
        try:
            with _embedded_database() if self.needs_database else ExitStack():
                self.execute(**options)
        except BrokenPipeError:
            return DONE
        except KeyboardInterrupt:
            return self._fail("interrupted", "Interrupted; run it again to finish.", INTERRUPTED, options)
        except Exception as error:  # noqa: BLE001 - the one door through which a command ends
            if options.get("traceback"):
                traceback.print_exc()
            return self._fail(*explain(error), options)
        finally:
            connections.close_all()
        return self.exit_code

    def _fail(self, code: str, words: str, exit_code: int, options: dict[str, Any]) -> int:
        line = _one_line(words)
        if options.get("json"):
            self.stdout.write(to_json({"error": {"code": code, "message": line}}))
        self.stderr.write(line, self.style.ERROR)
        return exit_code


def explain(error: Exception) -> tuple[str, str, int]:
    """Return the code, the one line and the exit code by which an exception is reported."""
    if isinstance(error, BadArguments):
        return error.code, error.words, BAD_ARGUMENTS
    if isinstance(error, Refused):
        return error.code, error.words, REFUSED
    if isinstance(error, CommandError):
        return "refused", str(error), error.returncode
    if isinstance(error, DatabaseError | InterfaceError):
        return explain_database(error)
    if isinstance(error, ImproperlyConfigured):
        return "configuration", f"The configuration is wrong: {error}", REFUSED
    if isinstance(error, OSError) and error.filename:
        return "file", f"{error.filename}: {error.strerror}; check the path and its permissions.", REFUSED
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(where.filename).name}:{where.lineno}"
    return (
        "unexpected",
        f"Unexpected {type(error).__name__} at {place}: {error}; --traceback shows all of it.",
        REFUSED,
    )


def explain_database(error: Exception) -> tuple[str, str, int]:
    """Return how an error of the database itself is reported."""
    where = database_place()
    if isinstance(error, ProgrammingError) and getattr(error.__cause__, "sqlstate", "") in _NOT_MIGRATED:
        return (
            "not_migrated",
            f"The database {where} lacks tables of this version; run 'manage.py migrate' first.",
            REFUSED,
        )
    if getattr(error.__cause__, "sqlstate", "") == _DISK_FULL:
        words = (
            f"The disk of the database {where} is full ({_reason(error)}); make room and run it again: what was done"
            " stays, and the rest is done then."
        )
        return "disk_full", words, REFUSED
    if isinstance(error, OperationalError | InterfaceError):
        words = f"The database {where} cannot be used ({_reason(error)}); start that server or mend DATABASE_URL."
        return "database", words, REFUSED
    return "database", f"The database {where} refused: {str(error).strip()}", REFUSED


def _reason(error: Exception) -> str:
    """Return the telling part of what libpq says; it repeats itself for each address and adds a hint."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["connection lost"]
    for mark in ("FATAL:  ", "failed: "):
        for line in lines:
            if mark in line:
                return line.rpartition(mark)[2]
    return lines[0]


def database_place() -> str:
    """Return where the database is, without its password."""
    chosen = settings.DATABASES["default"]
    host, port = chosen.get("HOST") or "local socket", chosen.get("PORT")
    return f"{chosen.get('NAME')!r} at {host}{f':{port}' if port else ''}"


@contextmanager
def _embedded_database() -> Iterator[None]:
    """Keep the embedded database up, with its tables, unless DATABASE_URL names another."""
    if not settings.EMBEDDED_DATABASE:
        yield
        return
    # By its name: the kernel must not import the wiring around it.
    keep = import_string(settings.EMBEDDED_DATABASE_KEEPER)
    with keep():
        _migrate_if_empty()
        yield


def _migrate_if_empty() -> None:
    from django.core.management import call_command

    with connections["default"].cursor() as cursor:
        if _has_tables(cursor):
            return
        cursor.execute("SELECT pg_advisory_lock(%s)", [_MIGRATION_LOCK])
        try:
            if not _has_tables(cursor):
                call_command("migrate", interactive=False, verbosity=0)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_MIGRATION_LOCK])


def _has_tables(cursor: Any) -> bool:
    cursor.execute("SELECT to_regclass('public.django_migrations') IS NOT NULL")
    return bool(cursor.fetchone()[0])


def add_at(parser: CommandParser) -> None:
    """Add ``--at ISO``: the instant as of which the command runs."""
    parser.add_argument(
        "--at", type=iso_instant, metavar="ISO", help="as of this instant (UTC unless it says); default: now"
    )


def add_dry_run(parser: CommandParser) -> None:
    """Add ``--dry-run``: show what would happen and write nothing."""
    parser.add_argument("--dry-run", action="store_true", help="show what would happen, write nothing")


# Beyond these no business is done, and sums of dates run over.
YEARS = (1970, 2200)


def iso_instant(text: str) -> datetime:
    """Read an ISO date or date-time as an instant; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        if not YEARS[0] <= moment.year <= YEARS[1]:
            raise ValueError(moment)
        return moment
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an ISO instant; write it like 2026-01-31T09:00 or 2026-01-31T09:00-05:00"
        ) from None


def iso_date(text: str) -> date:
    """Read an ISO date."""
    try:
        day = date.fromisoformat(text.strip())
        if not YEARS[0] <= day.year <= YEARS[1]:
            raise ValueError(day)
        return day
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an ISO date; write it like 2026-01-31") from None


def read_text(path: str | Path, *, bytes_max: int = 50_000_000) -> str:
    """Read a UTF-8 file (a BOM is fine); raises BadArguments or Refused with the reason."""
    file = Path(path)
    try:
        with file.open("rb") as stream:
            data = stream.read(bytes_max + 1)
    except OSError as error:
        raise BadArguments(f"{file}: {error.strerror}; check the path and its permissions.", "file") from error
    if len(data) > bytes_max:
        raise Refused("file_too_large", f"{file}: larger than {bytes_max:,} bytes; split it.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Refused("not_utf8", f"{file}: line {line} is not UTF-8; save the file as UTF-8.") from error


def to_json(document: Any) -> str:
    """Write a document as JSON: Decimals as strings, dates in ISO form, sets sorted."""
    return json.dumps(document, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, date):  # a datetime too
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return sorted(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)


def _one_line(words: str) -> str:
    return "; ".join(part.strip() for part in str(words).splitlines() if part.strip())


def _end_on_signal(number: int, frame: object) -> None:
    sys.exit(128 + number)
