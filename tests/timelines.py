"""Play a scenario through the pure timeline, and read its answer."""

from typing import Any

from delinquency.rules.scenario import parse_scenario


def play(policy: dict[str, Any], *invoices: tuple[str, str, str], until: str, **facts: Any) -> list[tuple[str, str]]:
    """Return (date, kind) of every event; an invoice is (number, issued on, amount)."""
    rows = [{"number": n, "issued_on": on, "due_on": on, "amount": amount} for n, on, amount in invoices]
    scenario = {"timezone": "America/New_York", "policy": policy, "invoices": rows, "until": until} | facts
    return [(str(event.on), str(event.kind)) for event in parse_scenario(scenario).answer()]


def only(events: list[tuple[str, str]], *kinds: str) -> list[tuple[str, str]]:
    """Return the events of some kinds."""
    return [event for event in events if event[1] in kinds]


def paid(received: str, amount: str, invoice: str | None = None, reference: str = "P-1") -> dict[str, Any]:
    """Return a payment."""
    return {"reference": reference, "received": received, "amount": amount, "invoice": invoice}


A = ("A", "2026-01-01", "100.00")
B = ("B", "2026-02-01", "100.00")
