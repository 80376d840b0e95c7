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
        """Connect the receivers, and write the shipped roles after each migration."""
        from . import receivers  # noqa: F401  (models must be loaded first)

        post_migrate.connect(_write_shipped_roles, sender=self)


def _write_shipped_roles(*, using: str, apps: Any, plan: Any = (), **_: Any) -> None:
    """Write the shipped roles once all rooms have their tables, unless these have just been taken away."""
    migrated = {model._meta.label for model in apps.get_models()}
    if (
        using == "default"
        and {"invoicing.MoneyLimit", "netenforce.ReleaseLimit"} <= migrated
        and not any(backwards for _migration, backwards in plan)
    ):
        from .roles import ensure_roles

        ensure_roles()
