"""The wiring as a Django app: only what must happen once all apps are loaded."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class DeskAdminConfig(AdminConfig):
    """Django's admin, with the site of the back office."""

    default_site = "billing_project.desk_site.DeskSite"


class BillingProjectConfig(AppConfig):
    """Finish the admin once every app has registered its screens."""

    name = "billing_project"
    verbose_name = "Back office"

    def ready(self) -> None:
        """Make our Celery app the current one, and take screens out of the admin that would mislead.

        The timetable is ``schedule.py``; editing rows of django-celery-beat would change nothing.
        """
        from django.apps import apps
        from django.contrib import admin

        from . import celery, checks  # noqa: F401  (so that nudges find the broker in every process)
        from .kernel import among  # noqa: F401  (so that every query may say it)

        for model in apps.get_app_config("django_celery_beat").get_models():
            if admin.site.is_registered(model):
                admin.site.unregister(model)
