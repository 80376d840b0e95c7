"""The wiring of the back office: settings, addresses, workers, timetable.

Only ``billing_project.kernel`` may be imported by the apps.
"""

import gc

# What a start imports stays for good; to look for garbage after every 700 new objects took a sixth of each start,
# and some of each page. What lies about until then is a few megabytes.
gc.set_threshold(50_000, 20, 20)
