"""I9: what is disputed holds nothing back."""

from .check import Check

DISPUTES = (
    Check(
        "I9",
        "a dispute that is being looked into does not freeze its invoice, or is not of its invoice's account",
        "withdraw the dispute and open it again on the invoice's page",
        """
        SELECT 'account ' || a.number || ', invoice ' || i.number || ', disputed since ' || d.opened_on
        FROM delinquency_dispute d JOIN accounts_account a ON a.id = d.account_id
        JOIN invoicing_invoice i ON i.id = d.invoice_id JOIN delinquency_ticket t ON t.id = d.ticket_id
        WHERE (d.state = 'open' AND i.state = 'open' AND NOT i.frozen)
           OR i.account_id <> d.account_id OR t.account_id <> d.account_id
        ORDER BY a.number, i.number""",
    ),
)
