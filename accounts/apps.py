"""The accounts room."""

from typing import Any

from django.apps import AppConfig
from django.core.checks import register
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, post_save, pre_save


class AccountsConfig(AppConfig):
    """Standing facts about customers, and the post room that writes to them."""

    name = "accounts"
    verbose_name = "Customers"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks, connect the receivers, and write the shipped rows after each migration."""
        from billing_project.kernel import acting

        from . import receivers  # noqa: F401  (models must be loaded first)
        from .hooks.anymail_readers import check_reports
        from .outreach.registry import check_channels

        register(check_channels)
        register(check_reports)
        # Every write says who is at work (the audit record), from the first connection on.
        connection_created.connect(acting.listen)
        pre_save.connect(acting.before_save)
        post_save.connect(acting.after_save)
        post_migrate.connect(_write_shipped_rows, sender=self)


def _write_shipped_rows(*, using: str, plan: Any = (), **_: Any) -> None:
    """Write the rows that ship with the program, unless the tables have just been taken away."""
    if using == "default" and not any(backwards for _migration, backwards in plan):
        from .operations import ensure_basics

        ensure_basics()
