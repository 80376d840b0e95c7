"""What is owed and paid: billing defaults, the catalogue, invoices, payments and their ledger."""
