"""What the commands that take a JSON file share: reading it, and naming it in every refusal."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from billing_project.kernel import command
from billing_project.kernel.errors import Refused
from delinquency.rules import json_text


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Put the file's name before whatever is refused inside: "FILE: steps[1].at: …"."""
    try:
        yield
    except Refused as refusal:
        raise Refused(refusal.code, f"{path}: {refusal.words}") from refusal


def read_json(path: str) -> Any:
    """Return the content of a JSON file; raises BadArguments if it is not there and Refused if it is not JSON."""
    text = command.read_text(Path(path))
    with naming(path):
        return json_text.read(text)
