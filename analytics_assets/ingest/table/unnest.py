"""Items that have a list of values each become a row for each value, as insights APIs nest them by metric."""

from typing import Any

from analytics_assets.ingest.fields import Row
from analytics_assets.ingest.table.values import kind_of


def unnested(items: list[Any], field: str) -> tuple[list[Any], list[tuple[Any, str]]]:
    """Return a row for each element of the list in ``field`` of each item, and the items that have none, with reasons.

    A row has the fields of its element and those of the item around it. One that both have is the item's; the
    element's is then called ``values.id`` if the list is called ``values``. An element that is no object stands under
    the list's name.
    """
    rows: list[Any] = []
    rejected: list[tuple[Any, str]] = []
    for item in items:
        elements = item.get(field) if isinstance(item, dict) else None
        if isinstance(elements, list):
            around = {name: value for name, value in item.items() if name != field}
            rows += [_row(around, element, field) for element in elements]
        elif isinstance(item, dict) and elements is not None:
            rejected.append((item, f"{field} is {kind_of(elements)}, not a list"))
        else:
            rejected.append((item, f"{field} is missing" if isinstance(item, dict) else f"is {kind_of(item)}"))
    return rows, rejected


def _row(around: Row, element: object, field: str) -> Row:
    if not isinstance(element, dict):
        return around | {field: element}
    own = {f"{field}.{name}" if name in around else name: value for name, value in element.items()}
    return around | own
