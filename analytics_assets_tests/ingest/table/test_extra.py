"""An undeclared column: what dlt's schema keeps of it, and how the catalogue describes it."""

import pytest

from analytics_assets.ingest.table.extra import ExtraColumn


def test_the_schema_keeps_field_and_first_day() -> None:
    """The name alone does not say which field it is; dlt knows a column beside another as a variant."""
    hint = ExtraColumn("mediaId", "media_id", "bigint", "2025-03-01").hint
    assert hint == {
        "name": "media_id",
        "data_type": "bigint",
        "nullable": True,
        "x-api-field": "mediaId",
        "x-first-seen": "2025-03-01",
    }
    beside = ExtraColumn("mediaId", "media_id__v_text", "text", "2025-03-01", is_variant=True).hint
    assert beside == {**hint, "name": "media_id__v_text", "data_type": "text", "variant": True}


@pytest.mark.parametrize(
    ("column", "description"),
    [
        (ExtraColumn("mood", "mood", "text", "2025-03-01"), "Not declared; first seen 2025-03-01"),
        (ExtraColumn("mood", "mood", "text", ""), "Not declared; first seen before such days were kept"),
        (
            ExtraColumn("media\nId", "media_id", "text", "2025-03-01"),
            "Not declared; first seen 2025-03-01; the API calls it media\\nId",
        ),
        (
            ExtraColumn("mood", "mood__v_bigint", "bigint", "2025-03-01", is_variant=True),
            "Not declared; first seen 2025-03-01; values of mood that are bigint",
        ),
    ],
    ids=lambda value: value.name if isinstance(value, ExtraColumn) else "",
)
def test_the_catalogue_says_what_it_is(column: ExtraColumn, description: str) -> None:
    """Since when it is there, and what is in it where its name does not say so."""
    assert column.description == description
