"""The view ``insight_history``: each number, and when it was known; ``docs/restatements.md`` has queries."""

from analytics_assets.ingest.endpoint import Endpoint
from analytics_assets.ingest.warehouse.ledger import LEDGER
from analytics_assets.ingest.warehouse.numbers_of import Measured, NumbersOf
from analytics_assets.ingest.warehouse.restated import RESTATEMENTS
from analytics_assets.ingest.warehouse.view import Tables, View

_STATES = "endpoint, id, metric, column_name, moment, day, value, number, known_from, known_until"


def _history(tables: Tables) -> str | None:
    """Return the query: what the tables hold now, and before it what they held until each restatement."""
    if not (tables.has(RESTATEMENTS) and tables.has(LEDGER)):
        return None
    restated = tables.table(RESTATEMENTS)
    whose = "PARTITION BY endpoint, id, column_name"
    changes = (
        "SELECT endpoint, id, metric, column_name, moment, day, old_value, old_number, seen_at, "
        f"LAG(seen_at) OVER ({whose} ORDER BY seen_at) AS known_since FROM {restated}"
    )
    latest = (
        f"SELECT endpoint, id, column_name, MAX(seen_at) AS seen_at FROM {restated} GROUP BY endpoint, id, column_name"
    )
    now = " UNION ALL ".join(
        state
        for endpoint in tables.settings.resolved_endpoints
        if tables.has(endpoint.name, *endpoint.merge_key)
        for state in _now(tables, endpoint)
    )
    before = (
        "SELECT endpoint, id, metric, column_name, moment, day, old_value AS value, old_number AS number, "
        f"COALESCE(known_since, {_first_read(tables, 'changed')}) AS known_from, seen_at AS known_until "
        "FROM changes AS changed"
    )
    states = [before]
    if now:
        states.append(
            "SELECT present.endpoint, present.id, present.metric, present.column_name, present.moment, present.day, "
            "present.value, present.number, "
            f"COALESCE(latest.seen_at, {_first_read(tables, 'present')}), CAST(NULL AS TIMESTAMP WITH TIME ZONE) "
            f"FROM ({now}) AS present LEFT JOIN latest ON latest.endpoint = present.endpoint "
            "AND latest.id = present.id AND latest.column_name = present.column_name"
        )
    known = " UNION ALL ".join(states)
    return f"WITH changes AS ({changes}), latest AS ({latest}) SELECT {_STATES} FROM ({known}) AS known"


def _now(tables: Tables, endpoint: Endpoint) -> list[str]:
    numbers = NumbersOf(tables, endpoint, tables.data_types(endpoint.name))

    def state(column: Measured) -> str:
        return (
            f"SELECT {tables.text(endpoint.name)} AS endpoint, {numbers.id_of('held')} AS id, "
            f"{numbers.metric_of('held', column)} AS metric, {tables.text(column.column)} AS column_name, "
            f"{numbers.moment_of('held')} AS moment, {numbers.day_of('held')} AS day, "
            f"CAST({numbers.value_of('held', column)} AS TEXT) AS value, {numbers.number_of('held', column)} AS number "
            f"FROM {tables.table(endpoint.name)} AS held"
        )

    return [state(column) for column in numbers.measured]


def _first_read(tables: Tables, row: str) -> str:
    """Return when a row was read for the first time, at the earliest: no table keeps when that was."""
    first = (
        f"SELECT MIN(asked.started_at) FROM {tables.table(LEDGER)} AS asked WHERE asked.outcome = 'loaded' "
        f"AND asked.endpoint = {row}.endpoint AND (asked.window_start IS NULL OR {row}.moment IS NULL "
        f"OR (asked.window_start <= {row}.moment AND asked.window_end > {row}.moment))"
    )
    return f"GREATEST(({first}), {row}.moment)"


HISTORY = View("insight_history", "Each number, and from when until when it was known", _history)
