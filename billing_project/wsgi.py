"""The web as gunicorn sees it."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_project.settings")
# Pages may hold the database for 15 s at most, workers for ten minutes (settings.py reads this).
os.environ.setdefault("PROCESS_ROLE", "web")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
