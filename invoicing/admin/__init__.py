"""The back office's screens of the billing room, a module per section."""

from . import billing, catalog, charge, gateway, invoice, ledger, payment

__all__ = ["billing", "catalog", "charge", "gateway", "invoice", "ledger", "payment"]
