"""One row written by the very code that imports files, so that the API adds no rule of its own."""

import csv
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from delinquency.imports.report import Report

from .problems import Problem


def import_row(read: Callable[[str], Report], cells: Mapping[str, object]) -> Report:
    """Import one row; raises Problem with each cell that is wrong, and Refused."""
    with tempfile.TemporaryDirectory(prefix="billing-api-") as folder:
        file = Path(folder) / "row.csv"
        with file.open("w", newline="", encoding="utf-8") as output:
            writer = csv.DictWriter(output, fieldnames=list(cells))
            writer.writeheader()
            writer.writerow({name: "" if value is None else value for name, value in cells.items()})
        report = read(str(file))
    if report.problems:
        errors = [{"field": problem.column or "", "message": problem.message} for problem in report.problems]
        raise Problem(422, "row_refused", "Nothing was written; errors says how to mend each field.", errors=errors)
    return report
