"""The back office's screens of the billing room, a module per section."""

from . import (
    approval,
    bank_file,
    billing,
    catalog,
    charge,
    gateway,
    help_words,
    invoice,
    ledger,
    payment,
    payout,
    refund,
)

__all__ = [
    "approval",
    "bank_file",
    "billing",
    "catalog",
    "charge",
    "gateway",
    "help_words",
    "invoice",
    "ledger",
    "payment",
    "payout",
    "refund",
]
