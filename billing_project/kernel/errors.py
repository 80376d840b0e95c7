"""The few ways in which something can go wrong on purpose.

*Refused* is our no, and a person reads it. *Rejected*, *Unavailable* and
*OutcomeUnknown* are the three answers of the outside world; which one it is
decides whether trying again is pointless, safe or dangerous.
"""


class Refused(Exception):
    """Say no by our own rules; the words are shown to a person.

    ``code`` is a short stable name for programs ("unknown_zone"), ``words``
    one sentence that says what, where and how to mend it.
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(code, words)
        self.code = code
        self.words = words

    def __str__(self) -> str:
        """Return the words only, which is what a person should see."""
        return self.words


class StaleState(Refused):
    """Say no because the row has moved on since it was looked at."""

    def __init__(self, words: str, code: str = "stale_state") -> None:
        super().__init__(code, words)


class PortError(Exception):
    """Be the base of the three answers of a provider or a device."""


class Rejected(PortError):
    """They said no for good: it did not happen, and asking again is pointless.

    ``code`` is the vendor's own word for it, kept for the record.
    """

    def __init__(self, words: str, code: str = "") -> None:
        super().__init__(words)
        self.words = words
        self.code = code


class Unavailable(PortError):
    """It certainly did not happen; it may be tried again later."""


class OutcomeUnknown(PortError):
    """It may have happened: look it up, and never repeat it blindly."""
