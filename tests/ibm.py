"""Turn the receivables data set into the CSV files of contract section 7: accounts, invoices and payments.

    python tests/ibm.py ibm-accounts-receivable.csv FOLDER

Invoices keep their own due dates and their numbers with leading zeros; each was paid in
full on its settled date.
"""

import csv
import sys
from datetime import date
from pathlib import Path

ZONE = "America/New_York"


def write_files(source: Path, folder: Path, *, billing_default: str = "Sonar example") -> dict[str, Path]:
    """Write accounts.csv, invoices.csv and payments.csv into a folder; return their paths by name."""
    with source.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    customers = sorted({row["customerID"] for row in rows})
    tables = {
        "accounts": [_account(number, billing_default) for number in customers],
        "invoices": [_invoice(row) for row in rows],
        "payments": [_payment(row) for row in rows],
    }
    folder.mkdir(parents=True, exist_ok=True)
    return {name: write_table(folder / f"{name}.csv", table) for name, table in tables.items()}


def _account(number: str, billing_default: str) -> dict[str, str]:
    return {
        "number": number,
        "name": f"Customer {number}",
        "status": "Active",
        "billing_default": billing_default,
        "timezone": ZONE,
        "bill_day": "1",
        "next_bill_on": "",
        "contact_name": f"Payables of {number}",
        "email": f"{number.lower()}@customer.example",
        "phone": "",
    }


def _invoice(row: dict[str, str]) -> dict[str, str]:
    return {
        "number": row["invoiceNumber"],
        "account": row["customerID"],
        "issued_on": iso(row["InvoiceDate"]),
        "due_on": iso(row["DueDate"]),
        "amount": row["InvoiceAmount"],
        "description": "",
    }


def _payment(row: dict[str, str]) -> dict[str, str]:
    return {
        "reference": f"PAY-{row['invoiceNumber']}",
        "account": row["customerID"],
        "received": iso(row["SettledDate"]),
        "amount": row["InvoiceAmount"],
        "invoice": row["invoiceNumber"],
    }


def write_table(path: Path, rows: list[dict[str, str]]) -> Path:
    """Write rows as a CSV file with a header."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def iso(text: str) -> str:
    """Turn the data set's M/D/YYYY into an ISO date."""
    month, day, year = text.split("/")
    return date(int(year), int(month), int(day)).isoformat()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python tests/ibm.py ibm-accounts-receivable.csv FOLDER")
    for written in write_files(Path(sys.argv[1]), Path(sys.argv[2])).values():
        print(written)
