"""import_invoices: bring invoices in from a CSV file (contract section 7)."""

from delinquency.imports.invoices import import_invoices

from ._importing import ImportCommand


class Command(ImportCommand):
    """Import invoices, all or nothing."""

    help = "Import invoices from a CSV file, all or nothing; importing it again changes nothing."
    run = staticmethod(import_invoices)
