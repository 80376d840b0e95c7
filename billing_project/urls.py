"""Every address of the program."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from delinquency.admin.search import search_page

from . import health

# Each room brings its own pages under the one address of the portal.
PORTAL = ("accounts.portal.urls", "invoicing.portal.urls", "delinquency.portal.urls")

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index", permanent=False), name="root"),
    path("admin/", include("accounts.admin.entrance")),
    # Before the admin's own addresses: its search by model gives way to the one that finds anything.
    path("admin/search/", admin.site.admin_view(search_page)),
    path("admin/", admin.site.urls),
    *(path("portal/", include(module)) for module in PORTAL),
    path("api/v1/", include("delinquency.api.urls")),
    path("callbacks/", include("accounts.hooks.urls")),
    path("callbacks/", include("invoicing.hooks.urls")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
