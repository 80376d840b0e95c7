"""The delinquency room."""

from django.apps import AppConfig


class DelinquencyConfig(AppConfig):
    """Decides what happens to accounts that do not pay."""

    name = "delinquency"
    verbose_name = "Delinquency"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the receivers."""
        from . import receivers  # noqa: F401  (models must be loaded first)
