"""A sender of letters in a process of its own, which a test may kill: passes until nothing is due at one instant.

``python -m tests.faults.dispatcher --at ISO [--forget]``; --forget plants the mistake of taking a lost answer for a no.
"""

import argparse
import os
from datetime import datetime

import django


def main() -> None:
    """Send what is due at the instant, and look up what is in doubt, until a pass does nothing."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--at", type=datetime.fromisoformat, required=True)
    parser.add_argument("--read-seconds", type=float, default=0.15)
    parser.add_argument("--forget", action="store_true")
    asked = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_project.settings")
    django.setup()

    from accounts import signals
    from accounts.outreach import twilio_client
    from accounts.outreach.dispatch import dispatch_notices
    from billing_project.kernel import nudge
    from billing_project.kernel.errors import Unavailable

    for signal in (signals.about_to_send, signals.notice_settled):
        signal.receivers = []  # the rooms above are silent: nobody vetoes
    twilio_client.READ_SECONDS = asked.read_seconds  # type: ignore[assignment]
    if asked.forget:
        twilio_client.OutcomeUnknown = Unavailable  # type: ignore[assignment, misc]
    with nudge.recorded():
        while outcomes := dispatch_notices(asked.at):
            print(dict(outcomes), flush=True)


if __name__ == "__main__":
    main()
