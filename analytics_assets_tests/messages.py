"""What docs/messages.md shows of each kind of failure, to be compared with what a user really reads."""

import re
from pathlib import Path

from analytics_assets.ingest.errors import Kind

DOCUMENT = Path(__file__).parents[1] / "docs" / "messages.md"
# what differs from run to run
_VARYING = (
    (re.compile(r"(127\.0\.0\.1:)(?!5432)\d+"), r"\g<1>8765"),
    (re.compile(r"analytics_test_[0-9a-f]+"), "social"),
    (re.compile(r"server at \"[^\"]*\"(?: \([^)]*\))?, port \d+"), 'server at "127.0.0.1", port 5432'),
    (re.compile(r"PID \d+"), "PID 4711"),
    (re.compile(r"python3[0-9.]*"), "python"),
    (re.compile(r"(?<=more than )[0-9.]+ s"), "60 s"),
)


def documented(kind: Kind) -> str:
    """Return the message that the document has of a kind, in one line."""
    section = re.search(rf"^## `{kind}`$(.*?)(?=^## |\Z)", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    assert section, kind
    shown = re.search(r"^```text\n(.*?)^```$", section[1], re.MULTILINE | re.DOTALL)
    assert shown, kind
    return " ".join(shown[1].split())


def as_documented(message: str) -> str:
    """Return a message without what differs from run to run, in one line."""
    for varying, example in _VARYING:
        message = varying.sub(example, message)
    return " ".join(message.split())
