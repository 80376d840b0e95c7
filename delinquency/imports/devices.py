"""import_devices: the boxes that slow or block lines."""

import json
from collections.abc import Mapping
from typing import Any

from billing_project.kernel.errors import Refused
from netenforce.models import Device
from netenforce.rules.options import check_options, check_secret

from .reader import Row, Sheet, read_sheet, refuse_twice
from .report import Report, run_import

REQUIRED = ("name", "driver", "host", "port", "username", "secret", "options")

_REASON = "imported"
# What a simulated device is reached by is nothing.
_NEEDS_NO_HOST = (Device.Driver.SIMULATED, Device.Driver.NFTABLES)


def import_devices(path: str, *, dry_run: bool = False) -> Report:
    """Import devices; raises BadArguments or Refused if the file as a whole is of no use."""
    return run_import(read_sheet(path, REQUIRED), "device", work, dry_run=dry_run)


def work(sheet: Sheet, report: Report) -> None:
    """Import the rows of a sheet; what is wrong with them is noted there, and then nothing may be kept."""
    drivers = {str(driver.value): driver for driver in Device.Driver}
    known = Device.objects.filter(name__in={name.strip() for name in sheet.values("name")})
    existing = {device.name: device for device in known.select_for_update()}
    refuse_twice(sheet.rows, "name")
    wanted = [values for row in sheet.rows if (values := _read(row, drivers)) is not None]
    if sheet.problems:
        return
    for values in wanted:
        device = existing.get(values["name"])
        if device is None:
            device, differs = Device(), True
            report.created += 1
        else:
            differs = any(getattr(device, name) != value for name, value in values.items())
            report.updated += differs
            report.unchanged += not differs
        if differs:
            for name, value in values.items():
                setattr(device, name, value)
            device._change_reason = _REASON  # type: ignore[attr-defined]  # read by simple-history
            device.save()


def _read(row: Row, drivers: Mapping[str, Device.Driver]) -> dict[str, Any] | None:
    """Return the fields of a device; a blank secret leaves a known one as it is."""
    values: dict[str, Any] = {
        "name": row.text("name", longest=80, required=True),
        "driver": row.one_of("driver", drivers, "driver"),
        "host": row.text("host", longest=200),
        "port": None if row.blank("port") else row.whole("port", 1, 65535),
        "username": row.text("username", longest=80),
        "options": {} if row.blank("options") else _options(row),
    }
    if values["driver"] is not None:
        try:
            check_options(values["driver"], values["options"])
        except Refused as refusal:
            row.refuse("options", f"cannot be: {refusal.words.removeprefix('options: ')}")
    if values["driver"] is not None and values["driver"] not in _NEEDS_NO_HOST and not values["host"]:
        row.refuse("host", f"is blank, but a {values['driver']} device needs one; write its name or address.")
    if not row.blank("secret"):
        values["secret"] = row.cells["secret"]
        if values["driver"] is not None:
            try:
                check_secret(values["driver"], values["secret"])
            except Refused as refusal:
                row.refuse("secret", f"cannot be: {refusal.words}")
    return None if row.bad else values


def _options(row: Row) -> dict[str, Any]:
    try:
        options = json.loads(row.cells["options"])
    except (ValueError, RecursionError):
        options = None
    if not isinstance(options, dict):
        row.refuse(
            "options",
            'is no JSON object; write it like {"tls": false}, in CSV "{""tls"": false}".',
        )
        return {}
    return options
