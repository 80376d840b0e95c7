"""What all tests share: one throw-away PostgreSQL and Valkey for the run, and nudges that are only recorded.

The process that was started first (with xdist: its controller) starts the servers; its workers
have a database each. Two runs at once have servers of their own. The servers end with
that process, also when it is killed, and the next run clears their folders away.
"""

import fcntl
import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from billing_project import embedded, places
from billing_project.kernel import nudge
from billing_project.processes import end_with_parent
from tests import template_database
from tests.browser.summary import pytest_sessionfinish, pytest_terminal_summary, pytest_testnodedown  # noqa: F401

# Nothing of the developer's own environment, or of a .env file, may reach a test: an empty variable counts
# as not set, and .env does not fill it. Settings are first read after this.
for variable in (
    "ALLOWED_HOSTS", "DEBUG", "EMAIL_CHANNEL", "EMAIL_URL", "FIELD_ENCRYPTION_KEY", "PAYMENT_GATEWAY",
    "PAYMENT_WINDOWS_A_CASE", "PAYMENT_WINDOWS_A_DAY", "PAYMENT_WINDOW_MINUTES", "PORT", "TRUSTED_PROXIES",
    "PUBLIC_BASE_URL", "SECRET_KEY", "SMS_CHANNEL", "STRIPE_API_BASE", "STRIPE_SECRET_KEY", "STRIPE_SILENT_HOURS",
    "STRIPE_WEBHOOK_SECRET", "TWILIO_ACCOUNT_SID", "TWILIO_API_BASE", "TWILIO_AUTH_TOKEN", "TWILIO_FROM",
    "VOICE_CHANNEL", "WEBHOOK_PRIVATE_NETWORKS",
    "STAFF_TWO_FACTOR", "VOICE_CHANNEL",
):  # fmt: skip
    os.environ[variable] = ""
os.environ["DJANGO_SETTINGS_MODULE"] = "billing_project.settings"
# One device after the other, on the connection of the test, unless a test says otherwise.
os.environ["NETWORK_PARALLEL"] = "1"
os.environ["SECRET_KEY"] = "not a secret, and only for tests; long enough for everyone"
os.environ["FIELD_ENCRYPTION_KEY"] = "bm90IGEgc2VjcmV0LCBhbmQgb25seSBmb3IgdGVzdHM="

# What is imported and collected stays until the end. Looking through it for garbage again and again took a sixth of
# the whole run, so nobody looks before pytest_collection_finish, and nobody looks at that part afterwards.
gc.disable()
OBJECTS_BEFORE_A_LOOK = 50_000

# Each of these takes half a minute and more; late in the run one worker would wait for the other.
LONG = frozenset({"test_crawl.py", "test_demo.py", "test_golden.py", "test_role_matrix.py", "test_same_story.py"})

PREFIX = "billing-test-"
FAST = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=60",
    "shared_buffers=64MB",
)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start the servers, then let Django read its settings; xdist's workers inherit the addresses."""
    if not hasattr(config, "workerinput"):
        _start_servers(config)
    from django.conf import settings

    # pytest-django sets Django up only where settings have been read by now.
    if os.environ.get("BILLING_TEST_TEMPLATE"):
        settings.DATABASES["default"].setdefault("TEST", {})["TEMPLATE"] = template_database.NAME
    assert settings.DATABASES
    # The product's own takes a third of a second for each password; tests/accounts/test_passwords.py looks at that one.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    from tests.emptying import empty_quickly

    empty_quickly()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the file that takes by far the longest first, so that it is not what one worker does alone at the end.

    Others that take half a minute and more come next. The other whole servers come in the middle, not beside the first;
    files of rules, which need no database and are the shortest, end it all.
    Workers take files in this order (script/test: ``--no-loadscope-reorder``).
    """
    longest = [item for item in items if item.path.name == "test_server.py"]
    servers = [item for item in items if item.get_closest_marker("server") and item not in longest]
    apart = {*longest, *servers}
    others = sorted((item for item in items if item not in apart), key=_turn)
    half = len(others) // 2
    items[:] = [*longest, *others[:half], *servers, *others[half:]]


def _turn(item: pytest.Item) -> int:
    """Return when the file of a test has its turn: those that are equal keep their order."""
    if item.path.name in LONG:
        return 0
    return 2 if item.path.parent.name == "rules" else 1


def pytest_collection_finish() -> None:
    """Look for garbage from now on, and only among what the tests make."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BEFORE_A_LOOK, 10, 10)
    gc.enable()


def _start_servers(config: pytest.Config) -> None:
    _clear_old_runs()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=places.short_tmp()))
    folder.chmod(0o755)  # as root the servers run as another user, who must get through
    lock = (folder / "run.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    where = places.temporary_place(folder)
    where.make()
    # SIGQUIT: PostgreSQL ends at once together with its children.
    start = partial(embedded.start_postgres, where, settings=FAST, before_exec=partial(end_with_parent, signal.SIGQUIT))
    brought = template_database.bring(where)
    start()
    embedded.start_valkey(where, before_exec=end_with_parent, durable=False)
    os.environ["DATABASE_URL"] = f"postgres://app@{str(where.sockets).replace('/', '%2F')}/{embedded.DATABASE}"
    os.environ["REDIS_URL"] = f"unix://{where.valkey_socket}"
    if not config.option.collectonly and (
        brought or template_database.make(os.environ["DATABASE_URL"], partial(embedded.stop_postgres, where), where)
    ):
        os.environ["BILLING_TEST_TEMPLATE"] = "yes"
    start()

    def end() -> None:
        embedded.stop_valkey(where)
        embedded.stop_postgres(where)
        lock.close()
        shutil.rmtree(folder, ignore_errors=True)

    config.add_cleanup(end)


@pytest.fixture(autouse=True)
def nudges() -> Iterator[list[nudge.Nudge]]:
    """Record the nudges of a test instead of sending them."""
    with nudge.recorded() as recorded:
        yield recorded


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """End the sessions that threads of a test have left open, so that the test database can be dropped."""
    from django.db import connection

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        # A test of real transactions empties all tables behind itself; nobody else may empty these.
        for table in ("accounts_auditentry", "accounts_auditlink", "accounts_auditseal"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER audit_never_emptied")
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def _clear_old_runs() -> None:
    """Remove what runs left behind that were killed; a run that lives holds its lock."""
    for folder in Path(places.short_tmp()).glob(f"{PREFIX}*"):
        try:
            if folder.stat().st_uid != os.geteuid():
                continue
            with (folder / "run.lock").open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue
