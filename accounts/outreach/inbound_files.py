"""Pure: which files that come with a letter are kept: few, small, and by what they are, not by what they say."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from billing_project.kernel.texts import mask_cards, storable

FILES_MAX = 5
SIZE_MAX = 2 * 1024 * 1024
# So many more are named; the rest is not worth a row.
NAMED_MAX = 20
NAME_LENGTH = 100
_MAGIC = (
    (b"%PDF-", "application/pdf", (".pdf",)),
    (b"\x89PNG\r\n\x1a\n", "image/png", (".png",)),
    (b"\xff\xd8\xff", "image/jpeg", (".jpg", ".jpeg")),
)
_TEXT = "text/plain"


@dataclass(frozen=True, slots=True)
class File:
    """A file as it came: the name and type are what its sender says."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Vetted:
    """A file that is kept (``content``), or only named (``refused_why``)."""

    name: str
    content_type: str
    size: int
    content: bytes | None
    refused_why: str = ""


def vetted(files: Iterable[File]) -> list[Vetted]:
    """Return which of the files are kept, and why the others are not."""
    found: list[Vetted] = []
    kept = 0
    for file in files:
        one = _vetted(file, kept)
        kept += one.content is not None
        found.append(one)
        if len(found) >= NAMED_MAX:
            break
    return found


def clean_name(name: str, ending: str = "") -> str:
    """Return a name that is one name: no folder, no hidden sign, no leading dot; with the ending its content has."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", storable(name)))[-1]
    shown = "".join(sign for sign in last if unicodedata.category(sign)[0] != "C" and sign not in '"<>|:*?\n\t')
    shown = mask_cards(" ".join(shown.split())).strip(". ") or "attachment"
    if ending and not shown.lower().endswith(ending):
        shown = shown[: NAME_LENGTH - len(ending)] + ending
    return shown[:NAME_LENGTH] if len(shown) <= NAME_LENGTH else shown[: NAME_LENGTH - 8] + shown[-8:]


def _vetted(file: File, kept: int) -> Vetted:
    size = len(file.content)
    kind = _kind_of(file)
    if kind is None:
        why = "Only PDF, PNG, JPEG and plain text are kept; its content is none of these."
    elif size > SIZE_MAX:
        why = f"It is {size / 1024 / 1024:.1f} MB; at most {SIZE_MAX // 1024 // 1024} MB are kept."
    elif kept >= FILES_MAX:
        why = f"Only the first {FILES_MAX} files of a letter are kept."
    else:
        content_type, ending = kind
        content = file.content
        if content_type == _TEXT:
            content = mask_cards(storable(content.decode("utf-8-sig"))).encode()
        return Vetted(clean_name(file.name, ending), content_type, len(content), content)
    shown = storable(file.content_type, 60) or "unknown"
    return Vetted(clean_name(file.name), shown, size, None, why)


def _kind_of(file: File) -> tuple[str, str] | None:
    """Return what a file is by its first bytes, and the ending its name should have."""
    lower = file.name.lower()
    for magic, content_type, endings in _MAGIC:
        if file.content.startswith(magic):
            return content_type, next((ending for ending in endings if lower.endswith(ending)), endings[0])
    says_text = lower.endswith(".txt") or ("." not in lower and file.content_type == _TEXT)
    if says_text and b"\x00" not in file.content:
        try:
            file.content.decode("utf-8-sig")
        except UnicodeDecodeError:
            return None
        return _TEXT, ".txt"
    return None
