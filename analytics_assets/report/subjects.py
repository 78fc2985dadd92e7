"""What the numbers of an endpoint are about: a post, a story, an account."""

from collections.abc import Sequence

from analytics_assets.ingest.endpoint import Column, Endpoint
from analytics_assets.ingest.settings import Settings

_NAMED_BY = "_id"


def subject_of(endpoint: Endpoint, settings: Settings) -> tuple[str, ...]:
    """Return the columns that say what a row's numbers are about; together with day and metric they make one number.

    It is what the row refers to; or the row itself, where others refer to it; or what is left of an id of several
    fields without metric and moment; or a column such as ``media_id``. Nothing, where none of these is there.
    """
    if refers := [column.name for column in endpoint.columns if column.references]:
        return (refers[0],)
    if len(endpoint.merge_key) == 1:
        others = (column for one in settings.resolved_endpoints for column in one.columns)
        if any(column.references == endpoint.name for column in others):
            return endpoint.merge_key
    elif of_key := tuple(name for name in endpoint.merge_key if _can_be_subject(endpoint, endpoint.column(name))):
        return of_key
    named = (column for column in endpoint.columns if column.name.endswith(_NAMED_BY))
    return next(
        ((one.name,) for one in named if one.name not in endpoint.merge_key and _can_be_subject(endpoint, one)), ()
    )


def parent_of(endpoint: Endpoint, settings: Settings) -> Endpoint | None:
    """Return the endpoint whose rows the subjects are, if it has a simple id, and is loaded."""
    name = next((column.references for column in endpoint.columns if column.references), None)
    parents = (one for one in settings.resolved_endpoints if one.name == name and len(one.merge_key) == 1)
    return next(parents, None)


def describing(endpoint: Endpoint, subject_columns: Sequence[str]) -> tuple[str, ...]:
    """Return the text columns that may tell a reader what a row is: a caption, an address."""
    apart = {*endpoint.merge_key, endpoint.metric, *subject_columns}
    return tuple(
        column.name
        for column in endpoint.columns
        if column.data_type == "text" and not (column.is_hashed or column.references or column.name in apart)
    )


def _can_be_subject(endpoint: Endpoint, column: Column) -> bool:
    return column.name not in {endpoint.metric, endpoint.cursor} and column.data_type in {"text", "bigint"}
