"""How the admin looks, and its sidebar: by task, not by table.

A plain dict that settings imports; nothing here may touch models.
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _may_see(app: str, model: str) -> Callable[[HttpRequest], bool]:
    def may_see(request: HttpRequest) -> bool:
        return bool(request.user.has_perm(f"{app}.view_{model}"))

    return may_see


def _screen(title: str, icon: str, app: str, model: str, *, page: str = "changelist") -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{model}_{page}"),
        "permission": _may_see(app, model),
    }


def _group(title: str, *screens: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "separator": True, "collapsible": False, "items": list(screens)}


SIDEBAR = [
    _group(
        "Customers",
        _screen("Accounts", "groups", "accounts", "account"),
        _screen("Contacts", "contact_mail", "accounts", "contact"),
        _screen("Service lines", "router", "accounts", "serviceline"),
        _screen("Funding sources", "credit_card", "accounts", "fundingsource"),
        _screen("Needs attention", "priority_high", "accounts", "attention"),
        _screen("Pause", "front_hand", "accounts", "pause"),
        _screen("Portal: requests", "key", "accounts", "signinrequest"),
        _screen("Portal: entries", "login", "accounts", "portalentry"),
        _screen("Portal: closed links", "link_off", "accounts", "portaldoor"),
    ),
    _group(
        "Billing",
        _screen("Invoices", "receipt_long", "invoicing", "invoice"),
        _screen("Payments", "payments", "invoicing", "payment"),
        _screen("Bank files", "account_balance", "invoicing", "bankfile"),
        _screen("Refunds", "currency_exchange", "invoicing", "refundattempt"),
        _screen("Second person", "how_to_reg", "invoicing", "approval"),
        _screen("Charges", "add_card", "invoicing", "charge"),
        _screen("Charge attempts", "sync_alt", "invoicing", "paymentattempt"),
        _screen("Gateway reports", "webhook", "invoicing", "gatewayevent"),
        _screen("Pages to add a card", "add_link", "invoicing", "sourcepage"),
        _screen("Sandbox gateway", "science", "invoicing", "sandboxcharge"),
        _screen("Sandbox pages", "web", "invoicing", "sandboxpage"),
        _screen("Ledger", "menu_book", "invoicing", "ledgerentry"),
        _screen("Adjustments by user", "supervisor_account", "invoicing", "ledgerentry", page="adjustments"),
        _screen("Billing runs", "play_circle", "invoicing", "billingrun"),
        _screen("Billing of accounts", "calendar_month", "invoicing", "billingparameters"),
        _screen("Billing defaults", "tune", "invoicing", "billingdefault"),
        _screen("Subscriptions", "autorenew", "invoicing", "subscription"),
        _screen("Catalogue", "category", "invoicing", "catalogitem"),
        _screen("Taxes", "percent", "invoicing", "tax"),
        _screen("Discounts", "sell", "invoicing", "discount"),
    ),
    _group(
        "Delinquency",
        _screen("Cases", "folder_open", "delinquency", "case"),
        _screen("Tickets", "confirmation_number", "delinquency", "ticket"),
        _screen("Next ticket", "move_to_inbox", "delinquency", "ticket", page="next"),
        _screen("Calls to make", "call", "delinquency", "calltask", page="worklist"),
        _screen("Grace given", "event_upcoming", "delinquency", "gracegrant"),
        _screen("Promises", "handshake", "delinquency", "promise"),
        _screen("Disputes", "gavel", "delinquency", "dispute"),
        _screen("Standings", "flag", "delinquency", "standing"),
        _screen("Late invoices", "schedule", "delinquency", "invoicestanding"),
        _screen("Steps taken", "stairs", "delinquency", "steprun"),
        _screen("Calendar", "calendar_month", "delinquency", "exclusion", page="calendar"),
        _screen("Policies", "policy", "delinquency", "policy"),
        _screen("Policy versions", "history", "delinquency", "policyversion"),
        _screen("Studies", "query_stats", "delinquency", "study"),
        _screen("Forecasts", "calendar_month", "delinquency", "forecast"),
        _screen("Moves of accounts", "move_up", "delinquency", "movebatch"),
        _screen("Events", "event_note", "delinquency", "event"),
        _screen("Checks", "fact_check", "delinquency", "sweep"),
        _screen("Airbag", "shield", "delinquency", "airbagtrip"),
    ),
    _group(
        "Post room",
        _screen("Notices", "mail", "accounts", "notice"),
        _screen("Reports", "summarize", "delinquency", "event", page="report_sent"),
        _screen("Templates", "edit_note", "accounts", "noticetemplate"),
        _screen("Messages received", "inbox", "accounts", "inboundmessage"),
        _screen("Calls made", "call_log", "accounts", "callrecord"),
        _screen("Left alone", "do_not_disturb_on", "accounts", "suppression"),
        _screen("Stopped channels", "block", "accounts", "channelbreaker"),
        _screen("Reports of providers", "fact_check", "accounts", "providerevent"),
        _screen("Sent by day", "bar_chart", "accounts", "channelday"),
        _screen("Contact rules", "schedule", "accounts", "outreachrules"),
        _screen("What was sent", "outbox", "accounts", "simulatedmessage"),
    ),
    _group(
        "Network",
        _screen("Devices", "dns", "netenforce", "device"),
        _screen("Lines on devices", "cable", "netenforce", "lineplacement"),
        _screen("Address lists", "list_alt", "netenforce", "addresslist"),
        _screen("Enforcement tasks", "task_alt", "netenforce", "enforcementtask"),
        _screen("Holds", "pan_tool", "netenforce", "hold"),
        _screen("Payment windows", "lock_open", "netenforce", "paymentwindow"),
        _screen("Line states", "lan", "netenforce", "linestate"),
        _screen("Comparisons", "difference", "netenforce", "devicereading"),
        _screen("RADIUS answers", "router", "netenforce", "radiusanswer"),
        _screen("Release limits", "rule", "netenforce", "releaselimit"),
        _screen("Simulated memory", "memory", "netenforce", "simulatedentry"),
    ),
    _group(
        "Settings",
        _screen("Ticket queues", "inbox", "delinquency", "ticketqueue"),
        _screen("Canned replies", "quickreply", "delinquency", "cannedreply"),
        _screen("Macros", "bolt", "delinquency", "macro"),
        _screen("Companies", "apartment", "accounts", "company"),
        _screen("Account statuses", "label", "accounts", "accountstatus"),
        _screen("Account types", "badge", "accounts", "accounttype"),
        _screen("Exclusions", "event_busy", "delinquency", "exclusion"),
        _screen("Holiday copies", "public", "delinquency", "holidaycopy"),
        _screen("Money limits", "price_check", "invoicing", "moneylimit"),
        _screen("Users", "person", "accounts", "user"),
    ),
]

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
    "STYLES": [lambda _request: static("desk/desk.css")],
    "DASHBOARD_CALLBACK": "delinquency.admin.home.dashboard",
    "COMMAND": {"search_models": True, "show_history": False},
    "SIDEBAR": {"show_search": True, "show_all_applications": False, "navigation": SIDEBAR},
}
