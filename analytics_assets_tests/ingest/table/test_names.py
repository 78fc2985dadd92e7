"""How fields become names of columns."""

import pytest
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.normalizers.naming.direct import NamingConvention as Direct
from dlt.common.normalizers.naming.snake_case import NamingConvention as SnakeCase
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analytics_assets.ingest.table.names import column_name, plain_name, short, shown, variant_name


@given(fields=st.lists(st.text(max_size=80), unique=True, max_size=12))
@example(fields=["", " ", "_", "__", "x", "X", "xx"])
@example(fields=["_dlt", "_dlt_", "_dlt_id", "dlt_id", "_Dlt_Id", "xmin", "XMIN", "_table_x", "1a", "_1a"])
@example(fields=[f"{'n' * 60}{letter}" for letter in "abcABC_"])
@settings(deadline=None, derandomize=True, database=None)
def test_names_are_distinct_and_stay_as_they_are(fields: list[str]) -> None:
    """Every field has a name of its own that dlt does not change, and that no database refuses or keeps for itself."""
    naming = short(SnakeCase(63))
    taken: set[str] = set()
    for field in fields:
        name = column_name(field, naming, taken)
        assert name not in taken
        taken.add(name)
        for whole in (name, variant_name(name, "bigint")):
            assert SnakeCase(63).normalize_path(whole) == whole
            assert len(whole.encode()) <= 63
        assert not name.startswith("_dlt")
        assert name not in {"xmin", "xmax", "cmin", "cmax", "ctid", "tableoid", "oid", "rowid"}


@pytest.mark.parametrize("naming", [SnakeCase(63), SnakeCase(65_536), Direct(63)], ids=["63", "65536", "direct"])
def test_names_do_not_depend_on_the_warehouse(naming: NamingConvention) -> None:
    """What a database would take does not count."""
    assert len(plain_name("n" * 80, short(naming))) == 52


def test_names_for_people() -> None:
    """What cannot be printed, and what PostgreSQL cannot store, is written as an escape."""
    assert [shown(name) for name in ("mediaId", "größe", "a\0b", "\uf026", "a\nb", "")] == [
        "mediaId",
        "größe",
        "a\\x00b",
        "\\uf026",
        "a\\nb",
        "",
    ]
