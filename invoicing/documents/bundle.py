"""Many documents in one file (ZIP), made and sent one after the other, so that no more than one is in memory."""

import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from io import RawIOBase
from typing import Any

from billing_project.kernel.errors import Refused

FAILED_NAME = "not-made.txt"


@dataclass(frozen=True, slots=True)
class Part:
    """One document of a bundle: its file name, its date, and how to make it."""

    name: str
    on: date
    make: Callable[[], bytes]


class _Sink(RawIOBase):
    """Collect what the archive writes until it is sent."""

    def __init__(self) -> None:
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.written += data
        return len(data)

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        data, self.written = bytes(self.written), bytearray()
        return data


def bundle(parts: Iterable[Part]) -> Iterator[bytes]:
    """Yield a ZIP of documents, piece by piece; one that cannot be made is named, with why, in a text file in it."""
    sink, names, failures = _Sink(), set[str](), list[str]()
    with zipfile.ZipFile(sink, "w") as archive:
        for part in parts:
            try:
                made = part.make()
            except Refused as refused:
                failures.append(f"{part.name}: {refused.words}")
                continue
            archive.writestr(_entry(_own_name(part.name, names), part.on), made)
            yield sink.taken()
        if failures:
            archive.writestr(_entry(FAILED_NAME, date(1980, 1, 1)), "\n".join(failures) + "\n")
    yield sink.taken()


def _entry(name: str, on: date) -> zipfile.ZipInfo:
    # The document's own date, not today's: the same choice makes the same file. ZIP begins in 1980.
    return zipfile.ZipInfo(name, (max(on.year, 1980), on.month, on.day, 0, 0, 0))


def _own_name(name: str, taken: set[str]) -> str:
    stem, _, ending = name.rpartition(".")
    own, count = name, 1
    while own.lower() in taken:
        count += 1
        own = f"{stem}-{count}.{ending}"
    taken.add(own.lower())
    return own
