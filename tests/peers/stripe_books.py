"""What the Stripe fake remembers: payments, refunds, disputes, pages, cards and the events about them."""

import json
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from billing_project.kernel import clock

DECLINES = {
    "pm_declined": "generic_decline", "pm_insufficient": "insufficient_funds", "pm_expired": "expired_card",
    "pm_stolen": "stolen_card", "pm_lost": "lost_card", "pm_pickup": "pickup_card", "pm_honor": "do_not_honor",
    "pm_fraud": "fraudulent", "pm_revoked": "revocation_of_authorization", "pm_3ds": "authentication_required",
}  # fmt: skip
INTENT = {
    "amount", "currency", "customer", "payment_method", "confirm", "off_session", "metadata", "expand", "description",
    "automatic_payment_methods", "payment_method_types",
}  # fmt: skip
SESSION = {
    "mode", "client_reference_id", "metadata", "success_url", "cancel_url", "locale", "customer", "currency",
    "setup_intent_data", "submit_type", "line_items", "payment_intent_data", "expires_at",
}  # fmt: skip
Row = dict[str, Any]


class Wrong(Exception):
    """An error to be answered."""

    def __init__(self, status: int, **error: Any) -> None:
        super().__init__(error)
        self.status, self.error = status, {"type": "invalid_request_error", "message": "Wrong.", **error}


def missing(param: str) -> Wrong:
    """Return the answer to what does not exist."""
    return Wrong(404, code="resource_missing", param=param, message=f"No such {param}")


class Books:
    """Stripe's books; whoever calls holds the lock."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.things: dict[str, Row] = {}
        self.told: list[Row] = []
        log.touch()

    def note(self, row: Row) -> None:
        """Append to the log, for good."""
        with self.log.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def serve(self, method: str, path: str, params: Row) -> Row:
        """Answer a request of the API."""
        routes: list[tuple[str, str, Callable[..., Row]]] = [
            ("POST", r"/v1/payment_intents", self._charge),
            ("GET", r"/v1/payment_intents", self._list_intents),
            ("POST", r"/v1/payment_intents/(\w+)/cancel", self._cancel),
            ("POST", r"/v1/refunds", self._refund),
            ("GET", r"/v1/refunds", lambda asked: self._list("refund", payment_intent=asked["payment_intent"])),
            ("GET", r"/v1/disputes", lambda asked: self._list("dispute", payment_intent=asked["payment_intent"])),
            ("GET", r"/v1/payouts", lambda asked: self._list("payout", status=asked["status"])),
            (
                "GET",
                r"/v1/balance_transactions",
                lambda asked: self._list("balance_transaction", payout=asked["payout"]),
            ),
            ("POST", r"/v1/customers", self._customer),
            ("POST", r"/v1/checkout/sessions", self._page),
            ("POST", r"/v1/checkout/sessions/(\w+)/expire", self._expire),
            ("GET", r"/v1/(payment_intents|checkout/sessions|payment_methods)/(\w+)", self._retrieve),
        ]
        for wanted, pattern, handler in routes:
            found = re.fullmatch(pattern, path)
            if found and wanted == method:
                return handler(*found.groups(), params)
        raise Wrong(404, message=f"Unrecognized request URL ({method}: {path}).")

    # --- the API ---

    def _charge(self, asked: Row) -> Row:
        unknown = set(asked) - INTENT
        if unknown:
            raise Wrong(400, code="parameter_unknown", param=sorted(unknown)[0])
        token, amount = asked.get("payment_method", ""), int(asked["amount"])
        if amount < 50 and asked["currency"] == "usd":
            raise Wrong(400, code="amount_too_small", param="amount")
        if token == "pm_gone":
            raise Wrong(400, code="resource_missing", param="payment_method")
        if token == "pm_foreign":
            raise Wrong(400, param="payment_method", message="It does not belong to this customer.")
        intent = self._intent(asked, amount)
        intent["payment_method"] = token
        return self._shown(self._confirm(intent, token), asked)

    def _intent(self, asked: Row, amount: int) -> Row:
        return self._new(
            "pi", "payment_intent", amount=amount, amount_received=0, currency=asked["currency"],
            customer=asked.get("customer"), metadata=asked.get("metadata", {}), status="requires_payment_method",
            last_payment_error=None, latest_charge=None, payment_method=None,
        )  # fmt: skip

    def _confirm(self, intent: Row, token: str) -> Row:
        if token in DECLINES:
            reason = DECLINES[token]
            code = reason if reason in ("expired_card", "authentication_required") else "card_declined"
            error = {
                "type": "card_error", "code": code, "decline_code": reason, "message": f"{token}: {reason}",
            }  # fmt: skip
            intent["last_payment_error"] = error
            self._tell("payment_intent.payment_failed", intent)
            raise Wrong(402, **error, payment_intent=dict(intent))
        if token == "pm_action":
            intent["status"] = "requires_action"
        elif token == "pm_bank":
            intent["status"] = "processing"
            self._tell("payment_intent.processing", intent)
        else:
            self._succeed(intent)
        return intent

    def _succeed(self, intent: Row) -> None:
        charge = self._new(
            "ch", "charge", amount=intent["amount"], amount_refunded=0, disputed=False, payment_intent=intent["id"],
        )  # fmt: skip
        intent |= {"status": "succeeded", "amount_received": intent["amount"], "latest_charge": charge["id"]}
        intent["last_payment_error"] = None
        self.note({"charged": dict(intent)})
        self._tell("payment_intent.succeeded", intent)

    def _list_intents(self, asked: Row) -> Row:
        since = int(asked.get("created", {}).get("gte", 0))
        until = int(asked.get("created", {}).get("lte", 1 << 40))
        rows = [
            row for row in self.things.values()
            if row["object"] == "payment_intent" and since <= row["created"] <= until
            and asked.get("customer") in (None, row["customer"])
        ]  # fmt: skip
        return self._pages(rows, asked)

    def _cancel(self, pk: str, asked: Row) -> Row:
        intent = self._get(pk, "intent")
        if intent["status"] in ("succeeded", "canceled"):
            raise Wrong(400, code="payment_intent_unexpected_state")
        intent["status"] = "canceled"
        self._tell("payment_intent.canceled", intent)
        return self._shown(intent, asked)

    def _refund(self, asked: Row) -> Row:
        intent = self._get(asked["payment_intent"], "payment_intent")
        charge = self._get(intent["latest_charge"], "charge")
        amount = int(asked["amount"])
        if amount <= 0 or charge["amount_refunded"] + amount > charge["amount"]:
            raise Wrong(400, param="amount", message="Refund amount is greater than unrefunded amount on charge.")
        row = self._new(
            "re", "refund", amount=amount, currency=intent["currency"], payment_intent=intent["id"], status="succeeded",
            metadata=asked.get("metadata", {}),
        )  # fmt: skip
        charge["amount_refunded"] += amount
        self.note({"refunded": row})
        self._tell("charge.refunded", charge)
        return row

    def _customer(self, asked: Row) -> Row:
        return self._new("cus", "customer", metadata=asked.get("metadata", {}))

    def _page(self, asked: Row) -> Row:
        unknown = set(asked) - SESSION
        if unknown:
            raise Wrong(400, code="parameter_unknown", param=sorted(unknown)[0])
        paying = asked["mode"] == "payment"
        if paying and not 30 * 60 <= int(asked["expires_at"]) - clock.now().timestamp() <= 24 * 3600:
            raise Wrong(400, param="expires_at")
        if not paying and not (asked.get("customer") and asked.get("currency")):
            raise Wrong(400, param="customer")
        row = self._new(
            "cs", "checkout.session", mode=asked["mode"], status="open", metadata=asked.get("metadata", {}),
            customer=asked.get("customer"), payment_intent=None, setup_intent=None, asked=asked,
            expires_at=int(asked.get("expires_at") or clock.now().timestamp() + 86400),
        )  # fmt: skip
        row["url"] = f"https://checkout.stripe.com/c/pay/{row['id']}"
        return row

    def _expire(self, pk: str, asked: Row) -> Row:
        row = self._get(pk, "session")
        if row["status"] != "open":
            raise Wrong(400, message="Only open sessions can be expired.")
        row["status"] = "expired"
        self._tell("checkout.session.expired", row)
        return row

    def _retrieve(self, kind: str, pk: str, asked: Row) -> Row:
        if kind == "payment_methods":
            return self.method(pk)
        return self._shown(self._get(pk, kind.rpartition("/")[2][:-1]), asked)

    # --- what happens there without us ---

    def list_events(self) -> list[Row]:
        """Return every event so far."""
        return self.told

    def refund(self, intent: str, amount: int) -> Row:
        """Give money back in the dashboard."""
        return self._refund({"payment_intent": intent, "amount": amount})

    def dispute(self, intent: str, status: str = "needs_response", amount: int | None = None) -> Row:
        """Let the payer dispute a charge, or move its dispute on."""
        paid = self._get(intent, "intent")
        charge = self._get(paid["latest_charge"], "charge")
        open_ones = [row for row in self.things.values() if row.get("payment_intent") == intent]
        known = next((row for row in open_ones if row["object"] == "dispute"), None)
        row = known or self._new(
            "du", "dispute", amount=amount or charge["amount"], currency=paid["currency"], payment_intent=intent,
            reason="fraudulent",
        )  # fmt: skip
        row["status"], charge["disputed"] = status, True
        ended = status in ("won", "lost", "warning_closed")
        self._tell(f"charge.dispute.{'created' if known is None else 'closed' if ended else 'updated'}", row)
        return row

    def finish(self, intent: str, ok: bool = True) -> Row:
        """End a bank debit that was under way."""
        row = self._get(intent, "intent")
        if ok:
            self._succeed(row)
        else:
            row["status"] = "requires_payment_method"
            row["last_payment_error"] = {
                "type": "card_error",
                "code": "payment_failed",
                "decline_code": "debit_not_authorized",
            }
            self._tell("payment_intent.payment_failed", row)
        return row

    def use_page(self, page: str, token: str) -> Row:
        """Do what a customer does on a page: pay with a card, which may be declined, or add it."""
        row = self._get(page, "session")
        assert row["status"] == "open"
        if row["mode"] == "setup":
            self.method(token)["customer"] = row["customer"]
            made = self._new("seti", "setup_intent", status="succeeded", payment_method=token)
            row |= {"status": "complete", "setup_intent": made["id"]}
        else:
            data = row["asked"]["payment_intent_data"]
            price = row["asked"]["line_items"]["0"]["price_data"]
            if row["payment_intent"] is None:
                asked = {"currency": price["currency"], "customer": row["customer"], "metadata": data["metadata"]}
                row["payment_intent"] = self._intent(asked, int(price["unit_amount"]))["id"]
            intent = self._get(row["payment_intent"], "intent")
            intent["payment_method"] = token
            try:
                self._confirm(intent, token)
            except Wrong:
                return row  # the page says so, and stays open
            row["status"] = "complete"
        self._tell("checkout.session.completed", row)
        return row

    def pay_elsewhere(self, amount: int, metadata: Row | None = None) -> Row:
        """Take a payment that nobody here asked for."""
        intent = self._intent({"currency": "usd", "metadata": metadata or {}}, amount)
        self._succeed(intent)
        return intent

    def change_method(self, token: str, **changes: Any) -> Row:
        """Renew a card, or with customer=None take it from its customer."""
        row = self.method(token)
        row["card"] |= {name: value for name, value in changes.items() if name != "customer"}
        if "customer" in changes:
            row["customer"] = changes["customer"]
        self._tell(
            "payment_method.detached" if row["customer"] is None else "payment_method.automatically_updated", row
        )
        return row

    def pay_out(self) -> Row:
        """Pay out what was charged and given back and is in no payout yet, less 2.9 % and 0.30 of each charge."""
        payout = self._new("po", "payout", currency="usd", status="paid", amount=0, arrival_date=int(
            clock.now().timestamp()) + 172_800)  # fmt: skip
        for row in [row for row in self.things.values() if row["object"] in ("charge", "refund")]:
            if row.get("paid_out"):
                continue
            row["paid_out"], back = True, row["object"] == "refund"
            fee = 0 if back else -(-row["amount"] * 29 // 1000) + 30
            gross = -row["amount"] if back else row["amount"]
            self._new("txn", "balance_transaction", payout=payout["id"], type=row["object"], amount=gross, fee=fee,
                      currency="usd", source=dict(row), description=None)  # fmt: skip
            payout["amount"] += gross - fee
        self._new("txn", "balance_transaction", payout=payout["id"], type="payout", amount=-payout["amount"], fee=0,
                  currency="usd", source=payout["id"], description="STRIPE PAYOUT")  # fmt: skip
        return payout

    def stands(self) -> dict[str, Row]:
        """Return how every payment stands, by its key."""
        return {
            row["metadata"].get("attempt", row["id"]): {
                "status": row["status"],
                "refunded": self.things[row["latest_charge"]]["amount_refunded"] if row["latest_charge"] else 0,
                "dispute": next((other["status"] for other in self.things.values()
                                 if other["object"] == "dispute" and other["payment_intent"] == row["id"]), ""),
            }
            for row in self.things.values() if row["object"] == "payment_intent"
        }  # fmt: skip

    # --- small things ---

    def method(self, token: str) -> Row:
        """Return a card; all that begin with pm_ exist."""
        if not token.startswith("pm_") or token == "pm_gone":
            raise missing("payment_method")
        card = {"brand": "visa", "last4": "4242", "exp_month": 8, "exp_year": 2031}
        bank = {"bank_name": "TEST BANK", "last4": "6789"}
        kind = "us_bank_account" if token == "pm_bank" else "card"
        return self.things.setdefault(token, {
            "id": token, "object": "payment_method", "type": kind, "customer": "cus_known", "created": 0,
            kind: bank if token == "pm_bank" else card,
        })  # fmt: skip

    def _new(self, prefix: str, kind: str, **fields: Any) -> Row:
        pk = f"{prefix}_{uuid.uuid4().hex[:24]}"
        row = {"id": pk, "object": kind, "created": int(clock.now().timestamp()), "livemode": False, **fields}
        self.things[pk] = row
        return row

    def _get(self, pk: str | None, name: str) -> Row:
        if pk is None or pk not in self.things:
            raise missing(name)
        return self.things[pk]

    def _list(self, kind: str, **wanted: str) -> Row:
        rows = [row for row in self.things.values() if row["object"] == kind]
        found = [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]
        return {"object": "list", "data": found, "has_more": False, "url": "/v1"}

    def _pages(self, rows: list[Row], asked: Row) -> Row:
        """Return a page of a list, newest first, from after a row on."""
        rows = rows[::-1]
        after = asked.get("starting_after")
        if after:
            rows = rows[[row["id"] for row in rows].index(after) + 1 :]
        size = int(asked.get("limit", 10))
        inner = {"expand": {key: value.removeprefix("data.") for key, value in asked.get("expand", {}).items()}}
        shown = [self._shown(row, inner) for row in rows[:size]]
        return {"object": "list", "data": shown, "has_more": len(rows) > size, "url": "/v1/payment_intents"}

    def _shown(self, row: Row, asked: Row) -> Row:
        """Return a row with what was asked for put in place of its id."""
        shown = {name: value for name, value in row.items() if name != "asked"}
        for path in asked.get("expand", {}).values():
            name, _, inner = path.partition(".")
            if isinstance(shown.get(name), str):
                thing = self.method(shown[name]) if name == "payment_method" else self._get(shown[name], name)
                shown[name] = self._shown(thing, {"expand": {"0": inner}} if inner else {})
        return shown

    def _tell(self, kind: str, row: Row) -> None:
        """Keep an event: how the thing looked at that moment, which may be another way by the time it is read."""
        thing = {name: value for name, value in row.items() if name != "asked"}
        event = {
            "id": f"evt_{uuid.uuid4().hex[:24]}", "object": "event", "type": kind, "livemode": False,
            "created": int(clock.now().timestamp()), "api_version": "2026-10-28.endive",
            "data": {"object": json.loads(json.dumps(thing))},
        }  # fmt: skip
        self.told.append(event)
