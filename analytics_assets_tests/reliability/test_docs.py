"""docs/reliability.md is what the matrix says."""

from typing import get_args

from analytics_assets.ingest.errors import Kind
from analytics_assets_tests.reliability.write_docs import DOCUMENT, render


def test_the_document_is_up_to_date() -> None:
    """`python -m analytics_assets_tests.reliability.write_docs` writes it anew."""
    assert DOCUMENT.read_text() == render()


def test_every_kind_of_failure_is_explained() -> None:
    """A reader of a message finds its kind in the document."""
    assert not [kind for kind in get_args(Kind) if f"| `{kind}` |" not in render()]
