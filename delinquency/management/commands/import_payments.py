"""import_payments: bring payments in from a CSV file (contract section 7)."""

from delinquency.imports.payments import import_payments

from ._importing import ImportCommand


class Command(ImportCommand):
    """Import payments, all or nothing."""

    help = "Import payments from a CSV file, all or nothing; importing it again changes nothing."
    run = staticmethod(import_payments)
