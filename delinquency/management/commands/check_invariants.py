"""check_invariants: look whether everything that must always hold does hold."""

from typing import Any

from billing_project.kernel import command
from delinquency.invariants import CHECKED, check_invariants


class Command(command.Command):
    """Check the invariants over all rows."""

    help = "Check what must always hold; exit 1 and one line for each place where it does not."

    def work(self, **_: Any) -> command.Answer:
        """Check, and answer with what is broken."""
        broken = check_invariants()
        checked = ", ".join(CHECKED)
        return command.Answer(
            {"checked": list(CHECKED), "broken": broken},
            [] if broken else [f"All invariants hold ({checked})."],
            findings=bool(broken),
            trouble=[f"{row.invariant} {row.where}: {row.what}; {row.mend}." for row in broken],
        )
