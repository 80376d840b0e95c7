"""One event, one line, whatever a hostile name or an answer contains; and never a link that opens an account."""

import logging
import re

# What follows in a customer's link opens their account (SEC-04).
_LINK = re.compile(r"(/portal/enter/|%2Fportal%2Fenter%2F|[?&]again=)[^/\s?&\"'<>]+", re.IGNORECASE)


class OneLine(logging.Formatter):
    """Write time, level, logger and message on one line, with control characters escaped and links masked.

    A traceback keeps its lines; it is ours, and it is read by people.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S%z")

    def format(self, record: logging.LogRecord) -> str:
        """Return the whole entry, a traceback too, without the secret part of any link."""
        return _LINK.sub(r"\1***", super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        """Return the line with everything unprintable escaped."""
        line = super().formatMessage(record)
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
