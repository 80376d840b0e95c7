"""The back office's screens of the billing room, a module per section."""

from . import billing, catalog, charge, invoice, ledger, payment

__all__ = ["billing", "catalog", "charge", "invoice", "ledger", "payment"]
