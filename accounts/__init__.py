"""Who the customer is: companies, accounts, contacts, lines, funding sources; and the post room."""
