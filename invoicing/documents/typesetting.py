"""A page's texts → PDF bytes, by typst. Texts go in as data, never as markup; the same page makes the same bytes."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import typst
from django.conf import settings

from billing_project.kernel.errors import Refused

FOLDER = Path(settings.BASE_DIR) / "templates" / "documents"
# Readable by screen readers (PDF/UA). What that refuses, such as a sign that no font has, is printed without it.
ACCESSIBLE = "ua-1"

_own = threading.local()


def typeset(template: str, page: dict[str, Any], *, stamp: int, logo: str = "") -> bytes:
    """Return the PDF of a page, dated ``stamp`` (seconds since 1970); raises Refused if it cannot be set."""
    inputs = {"page": json.dumps(page, ensure_ascii=False, sort_keys=True), "logo": logo}
    try:
        return _compile(template, inputs, stamp, [ACCESSIBLE])
    except Refused:
        return _compile(template, inputs, stamp, [])


@lru_cache(maxsize=64)
def can_be_drawn(logo: str) -> bool:
    """Tell whether a drawing can be set at all; a broken one would spoil every document."""
    try:
        _compile("logo", {"logo": logo}, 0, [])
    except Refused:
        return False
    return True


def _compile(template: str, inputs: dict[str, str], stamp: int, standards: list[Any]) -> bytes:
    with _compiler() as compiler:
        made = compiler.compile(
            input=FOLDER / f"{template}.typ", format="pdf", sys_inputs=inputs, timestamp=stamp, pdf_standards=standards,
        )  # fmt: skip
    assert isinstance(made, bytes)
    return made


@contextmanager
def _compiler() -> Iterator[typst.Compiler]:
    """Lend this thread's compiler, which keeps fonts and templates read; raises Refused for what it refuses."""
    compiler = getattr(_own, "compiler", None) or typst.Compiler(
        root=FOLDER, font_paths=_fonts(), ignore_system_fonts=True
    )
    _own.compiler = None  # one that broke off is not used again
    try:
        yield compiler
    except BaseException as error:
        # A panic of the compiler is no Exception; anything else that is none is not ours to stop.
        if not isinstance(error, RuntimeError) and type(error).__name__ != "PanicException":
            raise
        raise Refused("document_failed", f"The document cannot be set: {str(error)[:300]}") from error
    _own.compiler = compiler


@lru_cache(maxsize=1)
def _fonts() -> typst.Fonts:
    # Only those shipped: with the machine's own, the bytes would differ from machine to machine.
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[FOLDER / "fonts"])
