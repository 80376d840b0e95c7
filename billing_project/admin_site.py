"""How the admin looks: a plain dict that settings imports; nothing here may touch models."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

from .sidebar import SIDEBAR

# White on the 600 and 700 of it reaches 4.5:1, and so do they on white.
BLUE = {
    "50": "oklch(97% .014 254.604)",
    "100": "oklch(93.2% .032 255.585)",
    "200": "oklch(88.2% .059 254.128)",
    "300": "oklch(80.9% .105 251.813)",
    "400": "oklch(70.7% .165 254.624)",
    "500": "oklch(62.3% .214 259.815)",
    "600": "oklch(48.8% .243 264.376)",
    "700": "oklch(42.4% .199 265.638)",
    "800": "oklch(37.9% .146 265.522)",
    "900": "oklch(32% .12 266)",
    "950": "oklch(28.2% .091 267.935)",
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Back office",
    "SITE_HEADER": "Back office",
    "SITE_SUBHEADER": "Billing and delinquency",
    "SITE_SYMBOL": "account_balance_wallet",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "6px",
    "COLORS": {"primary": BLUE},
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("desk/icon.svg")},
    ],
    "STYLES": [
        lambda _request: static("desk/desk.css"),
        lambda _request: static("desk/list.css"),
        lambda _request: static("desk/sign_in.css"),
    ],
    "ACCOUNT": {
        "navigation": [
            {"title": "Your sign-in", "link": reverse_lazy("staff_second_factor")},
            {"title": "Change password", "link": reverse_lazy("admin:password_change")},
        ]
    },
    "SCRIPTS": [lambda _request: static("desk/keys.js")],
    "DASHBOARD_CALLBACK": "delinquency.admin.home.dashboard",
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": SIDEBAR},
}
