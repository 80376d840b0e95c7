"""JSON as people send it: read strictly, with the line of what is wrong."""

import json
from typing import Any, NoReturn

from billing_project.kernel.errors import Refused


def read(text: str) -> Any:
    """Return what a JSON text says.

    Raises Refused for what is no JSON (with line and column), for a key that one object holds twice (one of the two
    would be lost in silence), for NaN and Infinity, and for nesting or numbers beyond all reason.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise _refuse(f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}.") from error
    except RecursionError as error:
        raise _refuse("is nested far too deeply for a policy or a scenario; mend it.") from error
    except ValueError as error:  # Python reads no number of more than some thousand digits
        raise _refuse("holds a number with thousands of digits; mend it.") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _refuse(f"{key!r:.70} stands twice in one object{_whose(found)}; keep one of the two.")
        found[key] = value
    return found


def _whose(found: dict[str, Any]) -> str:
    """Say which object it is, as far as its own names tell."""
    for name in ("key", "name", "number", "reference"):
        if isinstance(found.get(name), str):
            return f" (the one whose {name} is {found[name]!r:.70})"
    return ""


def _constant(name: str) -> NoReturn:
    raise _refuse(f"holds {name}, which is not a number; mend it.")


def _refuse(words: str) -> Refused:
    return Refused("bad_json", words)
