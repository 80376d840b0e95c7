"""import_funding_sources: bring funding sources in from a CSV file (contract section 7)."""

from delinquency.imports.funding_sources import import_funding_sources

from ._importing import ImportCommand


class Command(ImportCommand):
    """Import funding sources, all or nothing."""

    help = "Import funding sources from a CSV file, all or nothing; importing it again changes nothing."
    run = staticmethod(import_funding_sources)
