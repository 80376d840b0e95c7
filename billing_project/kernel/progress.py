"""A progress bar on stderr, so that stdout stays for the answer."""

import sys
from types import TracebackType
from typing import Self, TextIO

from .clock import monotonic

BAR_WIDTH = 30
REDRAW_SECONDS = 0.1
# Where nobody watches (a log, a pipe) a line is written at each of these fractions, and no more.
SPARSE_STEPS = 10


class Progress:
    """Show how far a long job is: a bar on a terminal, about ten lines elsewhere.

    Use it as a context manager and call :meth:`advance` after each piece.
    """

    def __init__(self, total: int, label: str, *, stream: TextIO | None = None) -> None:
        self.total = max(total, 0)
        self.label = label
        self.done = 0
        self._stream = stream or sys.stderr
        self._tty = self._stream.isatty()
        self._drawn_at = float("-inf")
        self._step = -1
        self._started_at = monotonic()

    def __enter__(self) -> Self:
        """Draw the empty bar."""
        self._show("")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the cursor on a new line, also after an error."""
        if self._tty:
            self._draw("")
            self._stream.write("\n")
            self._stream.flush()
        elif kind is None and self.done < self.total:
            self._line("")

    def advance(self, by: int = 1, note: str = "") -> None:
        """Count pieces as done and show it, with a short note such as the day."""
        self.done = min(self.total, self.done + by)
        self._show(note)

    def _show(self, note: str) -> None:
        if self._tty:
            if monotonic() - self._drawn_at >= REDRAW_SECONDS or self.done == self.total:
                self._draw(note)
            return
        step = self.done * SPARSE_STEPS // self.total if self.total else SPARSE_STEPS
        if step != self._step:
            self._step = step
            self._line(note)

    def _draw(self, note: str) -> None:
        self._drawn_at = monotonic()
        filled = BAR_WIDTH * self.done // self.total if self.total else BAR_WIDTH
        bar = "#" * filled + "-" * (BAR_WIDTH - filled)
        self._stream.write(f"\r{self.label} [{bar}] {self.done}/{self.total} {note[:30]:<30}")
        self._stream.flush()

    def _line(self, note: str) -> None:
        seconds = monotonic() - self._started_at
        self._stream.write(f"{self.label}: {self.done}/{self.total} after {seconds:.0f} s {note}".rstrip() + "\n")
        self._stream.flush()
