#!/usr/bin/env python
"""Run a command of the back office; ``manage.py help`` lists them."""

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

# Django's own commands that talk to the database. The commands of the project
# look after the embedded database themselves (billing_project/kernel/command.py).
NEED_THE_DATABASE = {
    "changepassword", "clean_duplicate_history", "clean_old_history", "clearsessions", "createsuperuser",
    "dbshell", "dumpdata", "flush", "inspectdb", "loaddata", "makemigrations", "migrate", "populate_history",
    "remove_stale_contenttypes", "shell", "showmigrations", "sqlflush",
}  # fmt: skip


def main() -> None:
    """Run the command line, with the embedded database up where one of Django's commands needs it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_project.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("manage.py: Django is not installed for this Python; use .venv/bin/python (script/server makes it).")
    from django.db import Error

    from billing_project.kernel import acting

    try:
        name = sys.argv[1] if len(sys.argv) > 1 else "help"
        with _database_for(name), acting.as_program(f"command {name}"):
            execute_from_command_line(sys.argv)
    except Error as error:
        if "--traceback" in sys.argv:
            raise
        from billing_project.kernel.command import explain

        sys.exit(explain(error)[1])
    except KeyboardInterrupt:
        sys.exit(130)


def _database_for(command: str) -> AbstractContextManager[Any]:
    if command not in NEED_THE_DATABASE or {"-h", "--help"} & set(sys.argv):
        return nullcontext()
    from django.conf import settings

    from billing_project import embedded

    if not settings.EMBEDDED_DATABASE:
        return nullcontext()
    return embedded.keep_for_program()


if __name__ == "__main__":
    main()
