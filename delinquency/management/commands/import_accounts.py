"""import_accounts: bring accounts in from a CSV file (contract section 7)."""

from delinquency.imports.accounts import import_accounts

from ._importing import ImportCommand


class Command(ImportCommand):
    """Import accounts, all or nothing."""

    help = "Import accounts from a CSV file, all or nothing; importing it again changes nothing."
    run = staticmethod(import_accounts)
