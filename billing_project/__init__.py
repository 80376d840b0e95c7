"""The wiring of the back office: settings, addresses, workers, timetable.

Only ``billing_project.kernel`` may be imported by the apps.
"""
