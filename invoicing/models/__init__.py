"""What is owed, and what was paid."""

from .approval import Approval, MoneyLimit
from .bank_file import BankFile, BankFileRow
from .billing_default import BillingDefault, BillingParameters
from .billing_run import BillingRun
from .catalog import CatalogItem, Discount, Subscription, Tax
from .charge import Charge
from .gateway_event import GatewayEvent, GatewayPoll, SandboxPage, SourcePage
from .invoice import Invoice, InvoiceLine, InvoiceSeries
from .ledger import LedgerEntry, ReasonCode
from .payment import Payment, PaymentAttempt, SandboxCharge
from .payout import Payout, PayoutLine
from .refund import RefundAttempt

__all__ = [
    "Approval",
    "BankFile",
    "BankFileRow",
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
    "MoneyLimit",
    "Payment",
    "PaymentAttempt",
    "Payout",
    "PayoutLine",
    "ReasonCode",
    "RefundAttempt",
    "SandboxCharge",
    "SandboxPage",
    "SourcePage",
    "Subscription",
    "Tax",
]
