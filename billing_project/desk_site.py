"""The site that every screen of the back office belongs to; it needs the apps loaded."""

from typing import Any, cast

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite


class DeskSite(UnfoldAdminSite):
    """Unfold's site, except that the list of everything is made only for a page that shows it."""

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the apps and their screens, once somebody looks at them.

        Each page is given the list, and the sidebar has one of its own: to ask about every right and to look up some
        three hundred addresses took a ninth of a page's time, and nobody saw them.
        """
        make = super().get_app_list
        return cast("list[Any]", SimpleLazyObject(lambda: make(request, app_label)))
