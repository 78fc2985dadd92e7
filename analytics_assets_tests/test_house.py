"""The house rules that no linter knows: how long things may be, and that what is silenced says why."""

import ast
import re
from pathlib import Path

import analytics_assets

_MOST_LINES = 250
_MOST_LINES_OF_A_FUNCTION = 40
_MOST_SILENCED = 45
_SILENCED = re.compile(r"#\s*(?:noqa|type:\s*ignore)\b")
# a code for each linter that is silenced, and then words
_WITH_REASON = re.compile(
    r"#\s*(?:noqa: [A-Z0-9, ]+|type: ignore\[[a-z-]+\](?:\s*#\s*noqa: [A-Z0-9, ]+)?)\s*[#(-]+\s*\S.*[a-z]{3}"
)

PACKAGE = Path(analytics_assets.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


def test_files_are_short() -> None:
    """No file is longer than 250 lines."""
    assert {path.name: lines for path in FILES if (lines := len(path.read_text().splitlines())) > _MOST_LINES} == {}


def test_functions_are_short() -> None:
    """No function is longer than 40 lines, its docstring among them."""
    long = {
        f"{path.relative_to(PACKAGE)}:{node.name}": lines
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > _MOST_LINES_OF_A_FUNCTION
    }
    assert long == {}


def test_what_is_silenced_says_why() -> None:
    """There are fewer than 46 lines that silence a linter, and each gives its reason."""
    silenced = [
        f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for path in FILES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if _SILENCED.search(line)
    ]
    assert len(silenced) <= _MOST_SILENCED
    assert [line for line in silenced if not _WITH_REASON.search(line)] == []


def test_nobody_sees_an_unresolved_endpoint() -> None:
    """``ENDPOINTS`` is read where settings are made of it, and by the API that stands in for a vendor; nowhere else."""
    may = {"ingest/endpoints.py", "ingest/settings.py"}
    readers = {
        path.relative_to(PACKAGE).as_posix()
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if "ENDPOINTS" in {getattr(node, "id", ""), getattr(node, "attr", "")}
        or (isinstance(node, ast.alias) and node.name == "ENDPOINTS")
    }
    assert {reader for reader in readers - may if not reader.startswith("sandbox/")} == set()
