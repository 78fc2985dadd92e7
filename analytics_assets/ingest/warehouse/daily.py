"""The view ``insights_daily``: what was measured on each day, a number per metric, so that nobody has to read JSON.

Numbers are put together as the setting ``metrics`` says of each metric; one that it does not name is never added up.
``docs/exploring.md`` has the rule.
"""

from collections.abc import Iterator

from analytics_assets.ingest.endpoint import READ_AT, Column, Endpoint
from analytics_assets.ingest.warehouse.view import Tables, View

# numbers of one day, metric and span: of all rows where they add up, else of one post, story or account
_NUMBER = """CASE adds_up WHEN 'sum' THEN SUM(number) WHEN 'unique' THEN MAX(number)
    ELSE MAX(CASE WHEN nth = 1 THEN number END) END"""
_NO_TEXT = "CAST(NULL AS TEXT)"
_NO_MOMENT = "CAST(NULL AS TIMESTAMP WITH TIME ZONE)"


def daily(tables: Tables) -> str | None:
    """Return the query of the view; ``None`` where no table has numbers and a cursor."""
    every = (query for endpoint in tables.settings.resolved_endpoints for query in _of_endpoint(tables, endpoint))
    return "\nUNION ALL\n".join(every) or None


INSIGHTS_DAILY = View(
    "insights_daily",
    "What was measured, a number per day and metric; it is of all rows where adds_up is sum, and else of whose it says",
    daily,
)


def _of_endpoint(tables: Tables, endpoint: Endpoint) -> Iterator[str]:
    """Yield a query for each column with numbers that the endpoint's table has; there is no day without a cursor."""
    name, cursor = endpoint.name, endpoint.cursor
    if cursor is None or not tables.has(name, cursor, *endpoint.merge_key):
        return
    for column in endpoint.columns:
        if column.number_in and tables.has(name, column.name, column.number_in.metric):
            metric = f"CAST({tables.column(column.number_in.metric)} AS TEXT)"
            whose = f"COALESCE({_whose(tables, endpoint)}, {_joined(tables, endpoint.merge_key)})"
            yield _numbers(tables, endpoint, _measured(tables, endpoint, column, metric, whose), "TRUE")
    for column in endpoint.measured_alone:
        if tables.has(name, column.name):
            measured = _measured(tables, endpoint, column, tables.text(column.name), _whose(tables, endpoint))
            # beside the value of a metric it stands in the row of each metric of the day: of those one counts
            once = " AND nth = 1 AND whose IS NOT NULL" if endpoint.metric else ""
            yield _numbers(tables, endpoint, measured, f"number IS NOT NULL{once}")


def _numbers(tables: Tables, endpoint: Endpoint, measured: str, which: str) -> str:
    """Return the query that puts measured rows together, those of which a condition is true."""
    return f"""SELECT {tables.text(endpoint.name)} AS endpoint, day, NULLIF(of_one, '') AS whose, metric, period,
    adds_up, COUNT(*) AS rows, COUNT(*) - COUNT(number) AS rows_without_number, {_NUMBER} AS number
FROM (
    SELECT day, whose, metric, period, adds_up, number, CASE WHEN adds_up = 'sum' THEN NULL ELSE whose END AS of_one,
        ROW_NUMBER() OVER (
            PARTITION BY day, whose, metric, period
            ORDER BY CASE WHEN number IS NULL THEN 1 ELSE 0 END, moment DESC, restated_at DESC NULLS LAST,
                read_at DESC NULLS LAST
        ) AS nth
    FROM ({measured}) AS measured
) AS numbered
WHERE {which}
GROUP BY day, of_one, metric, period, adds_up"""


def _measured(tables: Tables, endpoint: Endpoint, number: Column, metric: str, whose: str) -> str:
    """Return the query of a row for each number in a column."""
    zone, cursor = tables.text(tables.settings.timezone), tables.column(endpoint.cursor or "")
    restated, read = (
        tables.column(name) if name and tables.has(endpoint.name, name) else _NO_MOMENT
        for name in (endpoint.restated_by, READ_AT.name)
    )
    has_period = endpoint.period and number.number_in and tables.has(endpoint.name, endpoint.period)
    period = f"CAST({tables.column(endpoint.period)} AS TEXT)" if has_period and endpoint.period else _NO_TEXT
    adds_up = " ".join(
        f"WHEN {tables.text(name)} THEN {tables.text(how)}" for name, how in sorted(tables.settings.metrics.items())
    )
    return f"""
        SELECT CAST({cursor} AT TIME ZONE {zone} AS DATE) AS day, {whose} AS whose, {metric} AS metric,
            {period} AS period, CASE {metric} {adds_up} END AS adds_up,
            CAST({tables.column(number.name)} AS DOUBLE PRECISION) AS number,
            {cursor} AS moment, {restated} AS restated_at, {read} AS read_at
        FROM {tables.table(endpoint.name)} WHERE {cursor} IS NOT NULL
    """


def _whose(tables: Tables, endpoint: Endpoint) -> str:
    """Return the text that says what a row's numbers are of; null where nothing does, empty where all are of one."""
    if endpoint.whose is None or not tables.has(endpoint.name, *endpoint.whose):
        return _NO_TEXT
    return _joined(tables, endpoint.whose) if endpoint.whose else "''"


def _joined(tables: Tables, columns: tuple[str, ...]) -> str:
    return " || '/' || ".join(f"CAST({tables.column(name)} AS TEXT)" for name in columns)
