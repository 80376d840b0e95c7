"""What a check is, and what it finds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """A query that returns one text for each place where an invariant is broken; it may ask for %(at)s."""

    invariant: str
    what: str
    mend: str
    sql: str
    together: str = ""  # checks with the same word are asked in one query


@dataclass(frozen=True, slots=True)
class Broken:
    """A place where an invariant is broken."""

    invariant: str
    what: str
    where: str
    mend: str
