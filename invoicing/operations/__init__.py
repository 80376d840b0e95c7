"""The verbs of the billing room. Each locks the account, then its invoices; none waits for a network."""
