"""The wiring holds together: imports, migrations, timetable, sidebar, documented variables."""

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.management import call_command

from billing_project.channels import PROVIDERS
from billing_project.schedule import TIMETABLE
from billing_project.sidebar import SIDEBAR
from tests.house.tree import ROOMS, ROOT

pytestmark = pytest.mark.house


def test_imports_go_downwards_only() -> None:
    code = "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_contract_about_the_wiring_names_every_module_of_it() -> None:
    """A new module beside settings.py must be out of bounds for the rooms from its first day."""
    text = (ROOT / "pyproject.toml").read_text()
    modules = {file.stem for file in (ROOT / "billing_project").glob("*.py") if file.stem != "__init__"}
    assert {name for name in modules if f'"billing_project.{name}"' not in text} == set()


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_the_system_checks_are_clean() -> None:
    call_command("check", fail_level="WARNING")


def test_every_entry_of_the_timetable_is_a_task_with_a_queue() -> None:
    from billing_project.celery import app

    app.loader.import_default_modules()
    for name, entry in TIMETABLE.items():
        assert entry["task"] == name
        assert name in app.tasks
        assert app.amqp.router.route({}, name)["queue"].name in settings.CELERY_TASK_QUEUES


def test_every_task_is_routed_to_a_queue_that_somebody_reads() -> None:
    from billing_project.celery import app

    app.loader.import_default_modules()
    own = [name for name in app.tasks if name.split(".")[0] in ROOMS]
    assert own
    for name in own:
        assert app.amqp.router.route({}, name)["queue"].name in settings.CELERY_TASK_QUEUES


def test_every_link_of_the_sidebar_leads_to_a_screen() -> None:
    for screen in _screens():
        assert str(screen["link"]).startswith("/admin/")


def test_every_model_of_ours_has_a_screen() -> None:
    from django.apps import apps
    from django.contrib import admin

    missing = {
        model._meta.label
        for room in ROOMS
        for model in apps.get_app_config(room).get_models()
        if not model.__name__.startswith("Historical")
        and not admin.site.is_registered(model)
        and not any(inline.model is model for desk in admin.site._registry.values() for inline in desk.inlines)
    }
    assert missing == set()


def test_every_variable_is_described_in_the_example() -> None:
    read = {
        name
        for module in ("settings.py", "channels.py")
        for name in re.findall(r'"([A-Z][A-Z_]{3,})"', (ROOT / "billing_project" / module).read_text())
    }
    providers = {name for variables in PROVIDERS.values() for names in variables for name in names}
    example = (ROOT / ".env.example").read_text()
    described = set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE))
    contract = {
        "DATABASE_URL", "REDIS_URL", "PORT", "PUBLIC_BASE_URL", "ALLOWED_HOSTS", "SECRET_KEY",
        "FIELD_ENCRYPTION_KEY", "DEBUG", "EMAIL_CHANNEL", "EMAIL_URL", "SMS_CHANNEL", "VOICE_CHANNEL",
        "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM", "TWILIO_API_BASE", "PAYMENT_GATEWAY",
        "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_BASE",
        "STRIPE_SILENT_HOURS", "PAYMENT_WINDOW_MINUTES", "PAYMENT_WINDOWS_A_DAY", "PAYMENT_WINDOWS_A_CASE",
        "TRUSTED_PROXIES", "NETWORK_PARALLEL", "WEBHOOK_PRIVATE_NETWORKS", "STAFF_TWO_FACTOR",
        "SWEEP_WORKERS",
    }  # fmt: skip
    assert contract | providers == described
    assert described & read == described


def _screens() -> Iterator[dict[str, object]]:
    for group in SIDEBAR:
        yield from group["items"]
