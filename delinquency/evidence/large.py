"""Evidence packs that are too large for a page: made by the task of large files, and kept for seven days."""

from collections.abc import Iterator
from datetime import date
from urllib.parse import parse_qs, urlencode

from accounts import exports
from accounts.models import Account, DataExport, User
from billing_project.kernel.errors import Refused

from .pack import ROWS_MOST, file_name_of, json_bytes, pdf_bytes, read_pack

SOURCE = "evidence"
RIGHT = exports.OWN_RIGHTS[SOURCE]
PIECE = 1 << 20


def ask_for_pack(account: Account, first: date, last: date, form: str, *, by: User) -> DataExport:
    """Leave a pack to be made by a task; raises Refused while three large files of the same person wait."""
    return exports.ask_for(
        DataExport(
            source=SOURCE, title=f"Evidence pack {account.number}", filter_words=f"{first} to {last}", kind=form,
            query=urlencode({"account": account.pk, "first": first, "last": last}), with_contacts=True,
            file_name=file_name_of(account.number, first, last, form), asked_by=by,
        )
    )  # fmt: skip


def make_pack(export: DataExport) -> int:
    """Make a pack that somebody asked for, and return its rows; one that cannot be made says why."""
    if export.asked_by is None or not export.asked_by.has_perm(RIGHT):
        exports.fail(export, "The person who asked for it may not make evidence packs any more.")
        return 0
    if not exports.room_left():
        exports.fail(export, "The disk has less than 1 GB left; make room, then ask again.")
        return 0
    asked = {name: values[0] for name, values in parse_qs(export.query).items()}
    account = Account.objects.select_related("company", "status", "account_type").get(pk=asked["account"])
    days = date.fromisoformat(asked["first"]), date.fromisoformat(asked["last"])
    whole = False
    try:
        pack = read_pack(account, *days, rows_max=ROWS_MOST)
        rows = sum(len(one.rows) for one in pack.tables)
        DataExport.objects.filter(pk=export.pk).update(rows_total=rows)
        content = pdf_bytes(pack) if export.kind == "pdf" else json_bytes(pack)
        exports.write(export, _pieces(content), lambda: rows)
        whole = True
    except Refused as refusal:
        exports.fail(export, refusal.words)
        return 0
    finally:
        # Also when its time is over: nobody waits for a file that never comes.
        if not whole and not DataExport.objects.filter(pk=export.pk, state=exports.STATE.FAILED).exists():
            exports.fail(export, "It broke off while being made; the program's log says why. Choose fewer days.")
    return rows


def _pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]
