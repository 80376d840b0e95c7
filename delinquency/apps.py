"""The delinquency room."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class DelinquencyConfig(AppConfig):
    """Decides what happens to accounts that do not pay."""

    name = "delinquency"
    verbose_name = "Delinquency"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the receivers, and write the shipped roles and minutes after each migration."""
        from . import receivers, run_notes  # noqa: F401  (models must be loaded first)

        post_migrate.connect(_write_shipped, sender=self)


def _write_shipped(*, using: str, apps: Any = None, plan: Any = (), **_: Any) -> None:
    """Write the shipped roles and minutes of work once all rooms have their tables, unless these were just taken.

    Emptying a database comes here as well, without telling of any tables: then all of them are there.
    """
    wanted = {"invoicing.MoneyLimit", "netenforce.ReleaseLimit", "delinquency.ActMinutes"}
    migrated = {model._meta.label for model in apps.get_models()} if apps is not None else wanted
    if using == "default" and wanted <= migrated and not any(backwards for _migration, backwards in plan):
        from .operations.work_minutes import ensure_minutes
        from .roles import ensure_roles

        ensure_roles()
        ensure_minutes()
