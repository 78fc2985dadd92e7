"""The columns of an endpoint as its rows show them: renamed, of another type than declared, or of nobody's."""

from collections.abc import Mapping
from typing import Any

from analytics_assets.ingest.endpoint import Column, DataType, Endpoint
from analytics_assets.ingest.probe.findings import Finding, Said
from analytics_assets.ingest.probe.rows import column_for, form_of
from analytics_assets.ingest.table.values import is_exact_as_double, kind_of, typed_column

_TYPES: dict[type, DataType] = {str: "text", bool: "bool", int: "bigint", float: "double", dict: "json", list: "json"}
# what insights APIs call these, where an item is a metric
_ALIASES = {"metric": ("name", "metric_name")}

Fields = Mapping[str, list[Any]]


def type_of(values: list[Any], path: str) -> tuple[DataType | None, str]:
    """Return the type of a column for these values, and a note where they are of several; ``None`` without a value."""
    present = [value for value in values if value is not None]
    types = list(dict.fromkeys(_TYPES[type(value)] for value in present))
    if not types:
        return None, "no row has a value"
    if form_of(path, values):
        return "timestamp", ""
    if set(types) == {"bigint", "double"} and all(is_exact_as_double(one) for one in present if isinstance(one, int)):
        return "double", ""
    if len(types) == 1:
        return types[0], ""
    kinds = ", ".join(dict.fromkeys(kind_of(value) for value in present))
    return types[0], f"values are {kinds}: those of another type go to a column beside it"


def called_by_us(path: str, endpoint: Endpoint | None, *, is_unnested: bool) -> str:
    """Return the column for a field; ours, where the items of a nested list call it as insights APIs do."""
    ours = {column.name for column in endpoint.columns} if endpoint else set()
    aliased = (name for name, aliases in _ALIASES.items() if is_unnested and name in ours and path in aliases)
    return next(aliased, column_for(path))


def say_columns(finding: Finding, endpoint: Endpoint | None, fields: Fields, *, is_unnested: bool) -> None:
    """Say which columns have to be declared, for ours that the API calls or types otherwise, and the types of others.

    ``endpoint`` is ours of that name, if there is one.
    """
    ours = {column.name: column for column in endpoint.sent_columns} if endpoint else {}
    used = {path for path in fields if path in ours} | {*finding.sources.values()}
    for name, column in ours.items():
        if name in finding.sources or name in finding.columns:
            continue
        path = name if name in fields else _source(name, fields, used, is_unnested=is_unnested)
        if path is None and endpoint and name not in {*endpoint.merge_key, endpoint.cursor}:
            finding.missing.append(name)
        elif path is None:
            # what was found for them stands in their place
            continue
        else:
            used.add(path)
            _say_ours(finding, column, path, fields[path])
    around = {path.partition(".")[0] for path in used if "." in path}
    for path, values in fields.items():
        if path not in used | around and path not in finding.columns and "." not in path:
            data_type, note = type_of(values, path)
            name = column_for(path)
            spec = {"from": path, "data_type": data_type} if name != path else data_type
            finding.others[name] = Said(spec, note, is_sure=bool(data_type))


def _say_ours(finding: Finding, column: Column, path: str, values: list[Any]) -> None:
    _, misfits = typed_column(values, column.data_type)
    data_type, note = type_of(values, path) if misfits else (column.data_type, "")
    if path != column.name:
        spec = {"from": path, "data_type": data_type or column.data_type}
        finding.columns[column.name] = Said(spec, note)
    elif misfits and data_type:
        finding.columns[column.name] = Said(
            data_type, f"{len(misfits)} values are no {column.data_type}. {note}".strip()
        )


def _source(name: str, fields: Fields, used: set[str], *, is_unnested: bool) -> str | None:
    aliases = _ALIASES.get(name, ()) if is_unnested else ()
    called_so = [path for path in fields if path not in used and (column_for(path) == name or path in aliases)]
    return min(called_so, key=lambda path: path.count("."), default=None)
