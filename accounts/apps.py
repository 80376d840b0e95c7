"""The accounts room."""

from typing import Any

from django.apps import AppConfig
from django.core.checks import register
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    """Standing facts about customers, and the post room that writes to them."""

    name = "accounts"
    verbose_name = "Customers"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the check of the channels, and write the shipped rows after each migration."""
        from .outreach.registry import check_channels  # models must be loaded first

        register(check_channels)
        post_migrate.connect(_write_shipped_rows, sender=self)


def _write_shipped_rows(*, using: str, plan: Any = (), **_: Any) -> None:
    """Write the rows that ship with the program, unless the tables have just been taken away."""
    if using == "default" and not any(backwards for _migration, backwards in plan):
        from .operations import ensure_basics

        ensure_basics()
