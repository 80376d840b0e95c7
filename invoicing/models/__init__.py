"""What is owed, and what was paid."""

from .billing_default import BillingDefault, BillingParameters
from .billing_run import BillingRun
from .catalog import CatalogItem, Discount, Subscription, Tax
from .charge import Charge
from .gateway_event import GatewayEvent, GatewayPoll, SandboxPage, SourcePage
from .invoice import Invoice, InvoiceLine, InvoiceSeries
from .ledger import LedgerEntry
from .payment import Payment, PaymentAttempt, SandboxCharge

__all__ = [
    "BillingDefault",
    "BillingParameters",
    "BillingRun",
    "CatalogItem",
    "Charge",
    "Discount",
    "GatewayEvent",
    "GatewayPoll",
    "Invoice",
    "InvoiceLine",
    "InvoiceSeries",
    "LedgerEntry",
    "Payment",
    "PaymentAttempt",
    "SandboxCharge",
    "SandboxPage",
    "SourcePage",
    "Subscription",
    "Tax",
]
