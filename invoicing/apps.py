"""The invoicing room."""

from django.apps import AppConfig
from django.core.checks import Tags, register


class InvoicingConfig(AppConfig):
    """Money owed and money paid."""

    name = "invoicing"
    verbose_name = "Billing"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen to the customers' room, and check the gateway's configuration when the server starts."""
        from accounts import signals

        from . import receivers
        from .gateways.checks import check_gateway

        signals.status_changed.connect(receivers.on_status_changed, dispatch_uid="invoicing.status_changed")
        signals.account_closed.connect(receivers.on_account_closed, dispatch_uid="invoicing.account_closed")
        signals.about_to_send.connect(receivers.on_about_to_send, dispatch_uid="invoicing.about_to_send")
        signals.attachments_wanted.connect(receivers.on_attachments_wanted, dispatch_uid="invoicing.attachments_wanted")
        register(check_gateway, Tags.compatibility)
