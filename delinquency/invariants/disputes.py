"""I9: what is disputed holds nothing back, and nothing is held off without a dispute."""

from .check import Check

NOT_FROZEN = Check(
    "I9",
    "a dispute is being looked into, but its invoice is not frozen",
    "withdraw the dispute and open it again on the invoice's page",
    """
    SELECT 'account ' || a.number || ', invoice ' || i.number || ', disputed since ' || d.opened_on
    FROM delinquency_dispute d JOIN accounts_account a ON a.id = d.account_id
    JOIN invoicing_invoice i ON i.id = d.invoice_id
    WHERE d.state = 'open' AND i.state = 'open' AND NOT i.frozen
    ORDER BY a.number, i.number""",
)

OF_ANOTHER = Check(
    "I9",
    "a dispute is about an invoice, or on a ticket, of another account",
    "open it again on the right invoice, and withdraw this one",
    """
    SELECT 'account ' || a.number || ', invoice ' || i.number || ', ticket ' || t.number
    FROM delinquency_dispute d JOIN accounts_account a ON a.id = d.account_id
    JOIN invoicing_invoice i ON i.id = d.invoice_id JOIN delinquency_ticket t ON t.id = d.ticket_id
    WHERE i.account_id <> d.account_id OR t.account_id <> d.account_id
    ORDER BY a.number, i.number""",
)

DISPUTES = (NOT_FROZEN, OF_ANOTHER)
