"""CSV files for the imports: one good row of each kind, a folder to write them in, and a way to run the commands."""

import csv
import io
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management import call_command, load_command_class

from billing_project.kernel import clock
from billing_project.kernel.command import Command
from delinquency.imports.report import Report

ACCOUNT = {
    "number": "0017", "name": "Ann Example", "status": "Active", "billing_default": "Sonar example",
    "timezone": "America/New_York", "bill_day": "1", "next_bill_on": "2026-02-01",
    "contact_name": "Ann Example", "email": "ann@customer.example", "phone": "+15550100123",
}  # fmt: skip
INVOICE = {
    "number": "0001", "account": "0017", "issued_on": "2026-01-01", "due_on": "2026-01-16",
    "amount": "100.00", "description": "January",
}  # fmt: skip
PAYMENT = {"reference": "P-1", "account": "0017", "received": "2026-01-24T14:10", "amount": "40.00"}
DEVICE = {
    "name": "north", "driver": "routeros", "host": "192.0.2.1", "port": "8728", "username": "billing",
    "secret": "s3cret", "options": '{"tls": false}',
}  # fmt: skip
SOURCE = {
    "account": "0017", "rank": "1", "gateway": "sandbox", "customer_token": "cus_1", "source_token": "tok_ok",
    "brand": "Visa", "last4": "4242", "expires_on": "2028-05-31",
}  # fmt: skip


class Files:
    """A folder of CSV files; call it to write rows, or give it the text itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str, *rows: dict[str, str]) -> str:
        """Write rows under a header of all their columns; return the path."""
        text = io.StringIO()
        columns = list(dict.fromkeys(column for row in rows for column in row))
        writer = csv.DictWriter(text, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
        return self.text(name, text.getvalue())

    def text(self, name: str, text: str) -> str:
        """Write a text as it is; return the path."""
        path = self.folder / f"{name}.csv"
        path.write_bytes(text.encode())
        return str(path)


def run(name: str, *args: str, **options: Any) -> tuple[int, str, str]:
    """Run a command and return its exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    command = load_command_class("delinquency", name)
    assert isinstance(command, Command)
    call_command(command, *args, stdout=out, stderr=err, **options)
    return command.exit_code, out.getvalue(), err.getvalue()


def mistakes(found: Report) -> list[tuple[int, str | None]]:
    """Return line and column of each mistake."""
    return [(problem.line, problem.column) for problem in found.problems]


def local(text: str, zone: str = "America/New_York") -> datetime:
    """Return the instant of a local time."""
    return clock.instant(datetime.fromisoformat(text), zone)
