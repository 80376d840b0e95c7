"""What a page costs: time on the wall, processor time of Python, time in the database, and its slowest statement."""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction
from django.test import Client

from accounts.models import Account
from tests.portal import come_in
from tests.screen_town import PAYER, lists, pages_about, sidebar_pages, turned

TURNS = 3
WHOLE = 0.8  # of a table's rows: reading so many is reading it whole


@dataclass
class Cost:
    """What one page cost: the medians of some turns, in seconds, and the slowest statement."""

    url: str
    wall: float
    processor: float
    database: float
    queries: int
    slowest: tuple[float, str]


@dataclass
class Statements:
    """The statements of a page with their parameters, and how long each took."""

    asked: list[tuple[float, str, Any]] = field(default_factory=list)

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Let a statement through, and note it."""
        begun = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.asked.append((time.perf_counter() - begun, sql, params))


class Walk:
    """Pages that were opened, and what each cost."""

    def __init__(self) -> None:
        self.found: list[Cost] = []

    def measure(self, client: Client, url: str) -> None:
        """Open a page some times: once for what is remembered from then on, then to measure it."""
        statements_of(client, url)
        walls, processors, databases = [], [], []
        slowest, queries = (0.0, ""), 0
        for _turn in range(TURNS):
            wall, processor = time.perf_counter(), time.process_time()
            asked = statements_of(client, url)
            walls.append(time.perf_counter() - wall)
            processors.append(time.process_time() - processor)
            databases.append(sum(one[0] for one in asked))
            queries = len(asked)
            slowest = max([slowest, *((seconds, sql) for seconds, sql, _params in asked)])
        self.found.append(
            Cost(
                url, statistics.median(walls), statistics.median(processors), statistics.median(databases), queries,
                slowest,
            )
        )  # fmt: skip


def statements_of(client: Client, url: str) -> list[tuple[float, str, Any]]:
    """Open a page, and return the statements that it took."""
    statements = Statements()
    with connection.execute_wrapper(statements):
        response = client.get(url, follow=True)
    assert response.status_code == 200, (url, response.status_code)
    return statements.asked


def every_page(staff: Client) -> Iterator[tuple[Client, str]]:
    """Return the pages of the back office and of the portal, each with the browser that opens it."""
    for url, desk in sorted(lists().items()):
        yield staff, url
        for other in turned(staff, url, desk):
            yield staff, other
    for url in sidebar_pages():
        yield staff, url
    payer, late = Account.objects.get(number=PAYER), Account.objects.get(number="10001")
    for account in (payer, late):
        for url in pages_about(account):
            yield staff, url
        portal = Client()
        come_in(portal, account)
        for url in ("/portal/", "/portal/pay/"):
            yield portal, url


def report(found: list[Cost], many: int) -> None:
    """Print what all pages cost together, and the dearest of them one by one."""
    walls = sorted(cost.wall * 1000 for cost in found)
    cuts = statistics.quantiles(walls, n=20)
    print(f"\n{len(found)} pages: p50 {cuts[9]:.0f} ms, p95 {cuts[-1]:.0f} ms, max {walls[-1]:.0f} ms")
    for cost in sorted(found, key=lambda cost: -cost.wall)[:many]:
        print(
            f"{cost.wall * 1000:7.0f} ms wall {cost.processor * 1000:6.0f} ms python {cost.database * 1000:6.0f} ms"
            f" database {cost.queries:3} queries {cost.url}"
        )
        if cost.slowest[0] > 0.02:
            print(f"        {cost.slowest[0] * 1000:6.0f} ms: {cost.slowest[1][:240]}")


def read_whole(statements: list[tuple[float, str, Any]], sizes: dict[str, int]) -> set[str]:
    """Return the tables of which statements read most rows, though indexes could have led them to a few.

    The plans are made without scans of whole tables and without joins that need one, so that it is not the planner's
    statistics that decide; what is counted then are the rows that were touched.
    """
    found = set()
    with connection.cursor() as cursor, transaction.atomic():
        for way in ("seqscan", "hashjoin", "mergejoin"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        for _seconds, sql, params in statements:
            if sql.lstrip("( ").startswith("SELECT"):
                cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", params)
                found |= _tables_read(cursor.fetchone()[0][0]["Plan"], sizes)
        for way in ("seqscan", "hashjoin", "mergejoin"):
            cursor.execute(f"SET LOCAL enable_{way} = DEFAULT")
    return found


def _tables_read(plan: dict[str, Any], sizes: dict[str, int]) -> set[str]:
    rows = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    table = plan.get("Relation Name", "")
    found = {table} if rows >= WHOLE * sizes.get(table, 1_000_000) else set()
    return found.union(*(_tables_read(part, sizes) for part in plan.get("Plans", ())))


def large_tables(rows_min: int) -> dict[str, int]:
    """Return the tables of at least so many rows, with their sizes as they were last looked at."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, reltuples FROM pg_class WHERE relkind = 'r' AND reltuples >= %s", [rows_min])
        return {name: int(rows) for name, rows in cursor.fetchall()}
