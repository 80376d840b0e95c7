"""One event, one line: whatever a hostile name or an answer of a provider contains."""

import logging


class OneLine(logging.Formatter):
    """Write time, level, logger and message on one line, with control characters escaped.

    A traceback keeps its lines; it is ours, and it is read by people.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S%z")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        """Return the line with everything unprintable escaped."""
        line = super().formatMessage(record)
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
