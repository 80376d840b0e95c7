"""import_devices: bring network devices in from a CSV file (contract section 7)."""

from delinquency.imports.devices import import_devices

from ._importing import ImportCommand


class Command(ImportCommand):
    """Import network devices, all or nothing."""

    help = "Import network devices from a CSV file, all or nothing; importing it again changes nothing."
    run = staticmethod(import_devices)
