"""The admin's sidebar: by what people do, not by table.

What is wanted every day stands open; what is only looked at to find something out is folded away beneath it.
A plain list that settings imports; nothing here may touch models.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy


def _may_see(right: str) -> Callable[[HttpRequest], bool]:
    def may_see(request: HttpRequest) -> bool:
        return bool(request.user.has_perm(right))

    return may_see


def _screen(
    title: str, icon: str, app: str, model: str, *, page: str = "changelist", right: str = ""
) -> dict[str, Any]:
    """Return an entry; whoever may see the rows is offered it, unless the page asks for a right of its own."""
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{model}_{page}"),
        "permission": _may_see(right or f"{app}.view_{model}"),
    }


def _group(title: str, *screens: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "separator": True, "collapsible": False, "items": list(screens)}


def _folded(title: str, *screens: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "separator": False, "collapsible": True, "items": list(screens)}


SIDEBAR = [
    _group(
        "Today",
        {"title": "Home", "icon": "home", "link": reverse_lazy("admin:index")},
        _screen("Needs attention", "priority_high", "accounts", "attention"),
        _screen("Second person", "how_to_reg", "invoicing", "approval"),
        _screen("More time asked for", "event_repeat", "delinquency", "gracerequest"),
        _screen("Releases asked for", "lock_reset", "netenforce", "releaserequest"),
        _screen("Runs", "schedule", "delinquency", "taskrun", page="runs"),
        _screen("What comes next", "upcoming", "delinquency", "taskrun", page="tonight"),
        _screen("Free to go, still blocked", "lock_clock", "delinquency", "taskrun", page="blocked"),
        _screen("Pause", "front_hand", "accounts", "pause"),
    ),
    _group(
        "Customers",
        _screen("Accounts", "groups", "accounts", "account"),
        _screen("Contacts", "contact_mail", "accounts", "contact"),
        _screen("Service lines", "router", "accounts", "serviceline"),
        _screen("Funding sources", "credit_card", "accounts", "fundingsource"),
    ),
    _group(
        "Tickets and calls",
        _screen("Tickets", "confirmation_number", "delinquency", "ticket"),
        _screen("Next ticket", "move_to_inbox", "delinquency", "ticket", page="next", right="delinquency.work_ticket"),
        _screen("Calls to make", "call", "delinquency", "calltask", page="worklist"),
        _screen("Messages received", "inbox", "accounts", "inboundmessage"),
    ),
    _group(
        "Money",
        _screen("Invoices", "receipt_long", "invoicing", "invoice"),
        _screen("Payments", "payments", "invoicing", "payment"),
        _screen("Bank files", "account_balance", "invoicing", "bankfile"),
        _screen("Refunds", "currency_exchange", "invoicing", "refundattempt"),
        _screen("Charges", "add_card", "invoicing", "charge"),
        _screen("Charge attempts", "sync_alt", "invoicing", "paymentattempt"),
    ),
    _group(
        "Late payers",
        _screen("Cases", "folder_open", "delinquency", "case"),
        _screen("Grace given", "event_upcoming", "delinquency", "gracegrant"),
        _screen("Promises", "handshake", "delinquency", "promise"),
        _screen("Disputes", "gavel", "delinquency", "dispute"),
        _screen("Airbag", "shield", "delinquency", "airbagtrip"),
        _screen("Calendar", "calendar_month", "delinquency", "exclusion", page="calendar"),
    ),
    _group(
        "Many at once",
        _screen("Actions on many", "done_all", "delinquency", "massaction"),
        _screen(
            "Put an area on hold",
            "thunderstorm",
            "delinquency",
            "massaction",
            page="hold",
            right="delinquency.hold_accounts",
        ),
        _screen("Accounts on hold", "pause_circle", "delinquency", "accounthold"),
        _screen("Imports", "upload_file", "delinquency", "importfile"),
        _screen("Shadow mode", "contrast", "accounts", "shadow"),
        _screen("Moves of accounts", "move_up", "delinquency", "movebatch"),
    ),
    _group(
        "Network",
        _screen("Devices", "dns", "netenforce", "device"),
        _screen("Orders", "task_alt", "netenforce", "enforcementtask"),
        _screen("Holds", "pan_tool", "netenforce", "hold"),
        _screen("Releases and windows", "lock_open", "netenforce", "paymentwindow"),
        _screen("Line states", "lan", "netenforce", "linestate"),
    ),
    _group(
        "Reports",
        _screen("Figures by month", "monitoring", "delinquency", "monthfigures", page="charts"),
        _screen("Ageing", "stacked_bar_chart", "delinquency", "reportsubscription", page="ageing"),
        _screen("Revenue and tax", "receipt", "delinquency", "reportsubscription", page="revenue"),
        _screen("Payouts", "account_balance_wallet", "delinquency", "reportsubscription", page="payouts"),
        _screen("Notices and cuts", "summarize", "delinquency", "event", page="report_sent"),
        _screen("Adjustments by user", "supervisor_account", "invoicing", "ledgerentry", page="adjustments"),
        _screen("All reports", "lab_profile", "delinquency", "reportsubscription", page="reports"),
        _screen("Reports by e-mail", "schedule_send", "delinquency", "reportsubscription"),
    ),
    _group(
        "Policies",
        _screen("Policies", "policy", "delinquency", "policy"),
        _screen("Studies", "query_stats", "delinquency", "study"),
        _screen("Forecasts", "trending_up", "delinquency", "forecast"),
        _screen("Letters", "edit_note", "accounts", "noticetemplate"),
    ),
    _folded(
        "Set up",
        _screen("Companies", "apartment", "accounts", "company"),
        _screen("Billing defaults", "tune", "invoicing", "billingdefault"),
        _screen("Catalogue", "category", "invoicing", "catalogitem"),
        _screen("Taxes", "percent", "invoicing", "tax"),
        _screen("Discounts", "sell", "invoicing", "discount"),
        _screen("Account statuses", "label", "accounts", "accountstatus"),
        _screen("Account types", "badge", "accounts", "accounttype"),
        _screen("Exclusions", "event_busy", "delinquency", "exclusion"),
        _screen("Columns of imports", "view_column", "delinquency", "importmapping"),
        _screen("Holiday copies", "public", "delinquency", "holidaycopy"),
        _screen("Minutes of work", "timer", "delinquency", "actminutes"),
        _screen("Contact rules", "schedule", "accounts", "outreachrules"),
        _screen("Ticket queues", "inbox", "delinquency", "ticketqueue"),
        _screen("Canned replies", "quickreply", "delinquency", "cannedreply"),
        _screen("Macros", "bolt", "delinquency", "macro"),
        _screen("Address lists", "list_alt", "netenforce", "addresslist"),
    ),
    _folded(
        "Staff and rights",
        _screen("Users", "person", "accounts", "user"),
        _screen("Open pages", "visibility", "accounts", "presence"),
        _screen("Exports", "download", "accounts", "dataexport"),
        _screen("Saved filters", "bookmark", "accounts", "savedfilter"),
        _screen("Money limits", "price_check", "invoicing", "moneylimit"),
        _screen("Grace limits", "event_available", "delinquency", "gracelimit"),
        _screen("Release limits", "rule", "netenforce", "releaselimit"),
        _screen("Audit record", "verified_user", "accounts", "auditentry"),
        _screen("Is the record whole?", "encrypted", "accounts", "auditentry", page="whole"),
    ),
    _folded(
        "Other programs",
        _screen("API tokens", "vpn_key", "delinquency", "apitoken"),
        _screen("Webhooks", "webhook", "delinquency", "webhookendpoint"),
        _screen("Calls to webhooks", "call_made", "delinquency", "webhookdelivery"),
        _screen("Calls of the API", "api", "delinquency", "apirequest"),
        _screen("Use of the API", "bar_chart", "delinquency", "apiuse"),
    ),
    _folded(
        "Behind: money",
        _screen("Ledger", "menu_book", "invoicing", "ledgerentry"),
        _screen("Billing runs", "play_circle", "invoicing", "billingrun"),
        _screen("Billing of accounts", "calendar_month", "invoicing", "billingparameters"),
        _screen("Subscriptions", "autorenew", "invoicing", "subscription"),
        _screen("Gateway reports", "webhook", "invoicing", "gatewayevent"),
        _screen("Payouts fetched", "account_balance_wallet", "invoicing", "payout"),
        _screen("Lines of payouts", "format_list_bulleted", "invoicing", "payoutline"),
        _screen("Pages to add a card", "add_link", "invoicing", "sourcepage"),
        _screen("Sandbox gateway", "science", "invoicing", "sandboxcharge"),
        _screen("Sandbox pages", "web", "invoicing", "sandboxpage"),
    ),
    _folded(
        "Behind: late payers",
        _screen("Log of runs", "list", "delinquency", "taskrun"),
        _screen("Runs by hand", "touch_app", "delinquency", "runrequest"),
        _screen("Checks", "fact_check", "delinquency", "sweep"),
        _screen("Events", "event_note", "delinquency", "event"),
        _screen("Steps taken", "stairs", "delinquency", "steprun"),
        _screen("Standings", "flag", "delinquency", "standing"),
        _screen("Late invoices", "schedule", "delinquency", "invoicestanding"),
        _screen("Policy versions", "history", "delinquency", "policyversion"),
        _screen("Old system: states", "history_toggle_off", "delinquency", "oldstate"),
        _screen("Old system: accepted", "rule", "delinquency", "accepteddifference"),
    ),
    _folded(
        "Behind: letters and portal",
        _screen("Notices", "mail", "accounts", "notice"),
        _screen("Reports sent", "outgoing_mail", "delinquency", "reportmailing"),
        _screen("Calls made", "call_log", "accounts", "callrecord"),
        _screen("Left alone", "do_not_disturb_on", "accounts", "suppression"),
        _screen("Stopped channels", "block", "accounts", "channelbreaker"),
        _screen("Reports of providers", "fact_check", "accounts", "providerevent"),
        _screen("Sent by day", "bar_chart", "accounts", "channelday"),
        _screen("What was sent", "outbox", "accounts", "simulatedmessage"),
        _screen("Portal: requests", "key", "accounts", "signinrequest"),
        _screen("Portal: entries", "login", "accounts", "portalentry"),
        _screen("Portal: closed links", "link_off", "accounts", "portaldoor"),
    ),
    _folded(
        "Behind: network",
        _screen("Lines on devices", "cable", "netenforce", "lineplacement"),
        _screen("Comparisons", "difference", "netenforce", "devicereading"),
        _screen("RADIUS answers", "router", "netenforce", "radiusanswer"),
        _screen("Simulated memory", "memory", "netenforce", "simulatedentry"),
    ),
]


@lru_cache(maxsize=1)
def _links() -> dict[str, str]:
    """Return each entry's address by its title; they are looked up once, as each costs some."""
    return {str(entry["title"]): str(entry["link"]) for group in SIDEBAR for entry in group["items"]}


@lru_cache(maxsize=1024)
def _entry_of(path: str) -> str:
    """Return the title of the entry that a page belongs to: of several whose address begins it, the longest."""
    return max((title for title, link in _links().items() if path.startswith(link)), key=_length, default="")


def _length(title: str) -> int:
    return len(_links()[title])


def _is_at(title: str) -> Callable[[HttpRequest], bool]:
    def is_at(request: HttpRequest) -> bool:
        return _entry_of(request.path) == title

    return is_at


for _entry in (entry for group in SIDEBAR for entry in group["items"]):
    _entry["active"] = _is_at(_entry["title"])
