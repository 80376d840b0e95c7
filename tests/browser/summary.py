"""Print the table of the stories at the end of a run, whichever worker measured them."""

from typing import Any

import pytest

from tests.browser.stories import MEASURED, Told, table


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send what a worker measured to the process that prints."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["stories"] = [tuple(row) for row in MEASURED]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object | None) -> None:
    """Take over what a worker measured; one that broke off sends nothing."""
    if error is None:
        MEASURED.extend(Told(*row) for row in getattr(node, "workeroutput", {}).get("stories", ()))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the stories that were measured, beside their bars."""
    if MEASURED:
        terminalreporter.write_sep("-", "stories: clicks, the stock admin's, fields, seconds")
        for line in table(MEASURED):
            terminalreporter.write_line(line)
