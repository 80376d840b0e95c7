"""The netenforce room."""

from typing import Any

from django.apps import AppConfig
from django.core.checks import register
from django.db.models.signals import post_migrate


class NetenforceConfig(AppConfig):
    """Desired and observed network state."""

    name = "netenforce"
    verbose_name = "Network"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the check of the drivers, connect the receivers, and write the shipped rows after each migration."""
        from . import receivers  # noqa: F401  (models must be loaded first)
        from .drivers.registry import check_drivers  # models must be loaded first

        register(check_drivers)
        post_migrate.connect(_write_shipped_rows, sender=self)


def _write_shipped_rows(*, using: str, plan: Any = (), **_: Any) -> None:
    """Write the rows that ship with the program, unless the tables have just been taken away."""
    if using == "default" and not any(backwards for _migration, backwards in plan):
        from .operations import ensure_basics

        ensure_basics()
