"""docs/runbook.md names each message that the project gives, and none that it does not give any more.

A message is what is said where something is raised, skipped or logged as a warning, and each text of the modules that
put such words together (``SPOKEN``). Its placeholders are ``…``. The runbook names it where the first cell of a table
quotes it, or a part of it of at least three of its words; all of them, where it has fewer.
"""

import ast
import functools
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import get_args

import analytics_assets
from analytics_assets.ingest.errors import Kind, Problem

PACKAGE = Path(analytics_assets.__file__).parent
RUNBOOK = PACKAGE.parent / "docs" / "runbook.md"
_CALLS = {"Problem", "_problem", "Failure", "SkipReason", "_with_advice", "warning", "error", "exception"}
_NAMES = {"msg", "what", "why", "came", "meant"}
# Files and folders whose messages are put together of parts, so that each of their texts is one.
SPOKEN = (
    "alerts/",
    "cluster/launcher.py",
    "lost.py",
    "assets.py",
    "checks/",
    "ingest/warehouse/quality.py",
    "failures.py",
    "jobs.py",
    "pause.py",
    "resources.py",
    "schedules.py",
    "sensors/",
    "commands/ending.py",
    "ingest/api/",
    "ingest/api_settings.py",
    "ingest/cancelling.py",
    "ingest/configured.py",
    "ingest/connection.py",
    "ingest/database_errors.py",
    "ingest/doubts.py",
    "ingest/endpoint_settings.py",
    "ingest/errors.py",
    "ingest/key.py",
    "ingest/list_settings.py",
    "ingest/load.py",
    "ingest/misspelt.py",
    "ingest/opening.py",
    "ingest/portion.py",
    "ingest/proving.py",
    "ingest/questions/",
    "ingest/setting_names.py",
    "ingest/table/",
    "ingest/upkeep_settings.py",
    "ingest/warehouse/destination.py",
    "ingest/warehouse/emptiness.py",
    "ingest/warehouse/evolution.py",
    "ingest/warehouse/outcome.py",
    "ingest/warehouse/standing.py",
    "ingest/warehouse/warehouse.py",
    "ingest/warehouse/writer.py",
)
# Files of which what functions return is said as well. What others return is data: SQL, TOML, HTML.
RETURNING = (
    "commands/",
    "ingest/estimate.py",
    "ingest/probe/windows.py",
    "ingest/report.py",
    "ingest/settings.py",
    "report/headline.py",
)
# Texts that nobody reads as a message, and what they are.
NOT_MESSAGES = {
    "the warehouse's *": "a key, by which causes are told apart",
    "The social analytics API, and the settings*": "what the UI says of the resource",
    "…. In force: …*": "what the UI says of a field of the resource",
    "urllib3.*": "names of loggers",
    "(?:00|*": "a regular expression",
    "Could not set lock*": "what DuckDB says, and our message begins with",
    "what it is": "the head of a column in the data dictionary",
    "one by one": "a loop's way out, which nobody sees",
    "a about access*": "words that a recording keeps",
    "account accounts*": "words that a recording keeps",
    "application/json": "a header",
    "Content-Type": "a header",
    "Idempotency-Key": "a header",
    "…/runs/…": "an address",
    "again …": "part of an id",
    "failed": "part of an id",
    "recovered": "part of an id",
    "… h … min": "a duration",
    "… min": "a duration",
    "… of …": "days of an endpoint",
    "analytics_assets rate budget": "the name of a connection",
}
# Messages without a word of their own, and where their words come from.
HANDED_ON = {
    "build.py": "what ingest/misspelt.py and ingest/key.py say",
    "commands/dev.py": "the last words of a Dagster that has ended",
    "commands/init.py": "what ingest/settings.py says of an endpoint that is none",
    "commands/loading.py": "why the run has failed",
    "commands/record.py": "the same, and why nothing is recorded",
    "definitions.py": "what ingest/configured.py says",
    "ingest/capture/format.py": "nobody reads it: it is caught, and said otherwise",
    "ingest/exact_json.py": "nobody reads it: it cannot be",
    "ingest/warehouse/move.py": "nobody reads it: both of its warehouses are databases",
    "ingest/settings.py": "what a function of it says of an endpoint that is none",
    "report/asset.py": "a problem of ingest, behind the name of the report",
}
# Words of a text that is one: shorter ones are names and parts. These files say something in fewer.
_LEAST = 3
LEAST = {
    "alerts/wording.py": 1,
    "alerts/summary.py": 2,
    "alerts/webhook.py": 2,
    "alerts/outbox.py": 2,
    "commands/ending.py": 1,
}
_SQL = re.compile(
    r"\b(SELECT|SET memory|DELETE FROM|CREATE TABLE|INSERT INTO|IS NULL|AS TEXT|COUNT\(|SET DATA|UPDATE analytics|pg_)"
)


def _text(node: ast.AST) -> str | None:
    """Return a text as a reader sees it, with ``…`` for what is put in; ``None`` for what is none."""
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
        return "".join(map(str, parts))
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _plain(text: str) -> str:
    return " ".join(re.sub(r"%[.\d]*[a-z]\b|\{[^{}\s\"]*\}", "…", text).split())


def _words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z_]{2,}", text)


def _texts(tree: ast.AST) -> Iterator[str]:
    """Yield the texts below a node, whole, and what is put into them; none that ``_is_other``."""
    if (text := _text(tree)) is not None:
        yield text
        if isinstance(tree, ast.JoinedStr):
            for part in tree.values:
                if isinstance(part, ast.FormattedValue):
                    yield from _texts(part.value)
        return
    for child in ast.iter_child_nodes(tree):
        if not _is_other(child):
            yield from _texts(child)


def _is_other(node: ast.AST) -> bool:
    """Say whether a node is a docstring, a regular expression, or what describes a setting, a job or a sensor."""
    if isinstance(node, ast.Call):
        return ast.unparse(node.func).startswith(("re.", "Field", "dg.schedule", "dg.sensor", "dg.define", "dg.job"))
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _calls(tree: ast.AST) -> Iterator[list[ast.expr]]:
    """Yield the arguments of each call that raises, skips or logs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if name in _CALLS or name.endswith("Error"):
                yield [*node.args, *(one.value for one in node.keywords)]


def _said(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what is raised, skipped for or logged, and what is put into a variable for that."""
    for arguments in _calls(tree):
        yield from arguments
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _NAMES.intersection(getattr(one, "id", "") for one in node.targets):
            yield node.value


@functools.cache
def _trees() -> dict[str, ast.Module]:
    """Return the package's modules by their paths, without the vendor that is played."""
    paths = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
    return {name: ast.parse(path.read_text()) for name, path in paths.items() if not name.startswith("sandbox/")}


def _has_no_words(arguments: list[ast.expr]) -> bool:
    """Say whether what is said is neither there nor in a variable that ``_said`` looks at."""
    texts = [_plain(text) for one in arguments for text in _texts(one)]
    names = {node.id for one in arguments for node in ast.walk(one) if isinstance(node, ast.Name)}
    return bool(arguments) and not names & _NAMES and not any(len(_words(text)) > 1 for text in texts)


def _texts_of_calls(tree: ast.AST) -> set[str]:
    """Return what stands in such places; a text that is put into another has to have three words, as a name has not."""
    return {
        _plain(text)
        for node in _said(tree)
        for text in _texts(node)
        if len(_words(_plain(text))) >= (_LEAST - 1 if text == _text(node) else _LEAST)
    }


def _texts_of_file(tree: ast.AST, least: int) -> set[str]:
    return {text for text in map(_plain, _texts(tree)) if len(_words(text)) >= least}


def _is_spoken(name: str) -> bool:
    return name.startswith(SPOKEN)


@functools.cache
def messages() -> dict[str, set[str]]:
    """Return the messages that have words, by the files that they stand in."""
    found: dict[str, set[str]] = {}
    for name, tree in _trees().items():
        texts = _texts_of_calls(tree)
        if name.startswith(RETURNING):
            texts |= {
                text for node in ast.walk(tree) if isinstance(node, ast.Return) for text in _texts_of_file(node, 3)
            }
        if _is_spoken(name):
            texts |= _texts_of_file(tree, LEAST.get(name, _LEAST))
        found[name] = {
            text for text in texts if not _SQL.search(text) and not any(fnmatchcase(text, one) for one in NOT_MESSAGES)
        }
    found["ingest/errors.py"] |= set(get_args(Kind))
    return found


def quotes() -> list[str]:
    """Return what the runbook quotes: the first cells of its tables."""
    cells = re.findall(r"^\| (`.*?`) \| .+ \| .+ \|$", RUNBOOK.read_text(), re.MULTILINE)
    return [quote for cell in cells for quote in re.findall(r"`([^`]+)`", cell)]


def _names(quote: str, message: str) -> bool:
    return quote in message and len(_words(quote)) >= min(3, len(_words(message)))


def test_the_runbook_names_each_message() -> None:
    """Whoever reads a message finds it in the runbook."""
    quoted = quotes()
    missing = {
        name: sorted(left)
        for name, texts in messages().items()
        if (left := [text for text in texts if not any(_names(quote, text) for quote in quoted)])
    }
    assert missing == {}


def test_the_runbook_names_nothing_else() -> None:
    """What the runbook quotes stands in the code, so that nothing stale stays."""
    known = {text for texts in messages().values() for text in texts}
    assert [quote for quote in quotes() if not any(_names(quote, text) for text in known)] == []


def test_each_entry_says_what_to_do() -> None:
    """Every row of the page has a quote, a meaning and an advice; none is quoted twice."""
    rows = [line for line in RUNBOOK.read_text().splitlines() if line.startswith("|")]
    entries = [row for row in rows if not row.startswith(("| Message ", "|---"))]
    assert [row for row in entries if not re.fullmatch(r"\| `.+` \| \S.+\. \| \S.+\. \|", row)] == []
    found = quotes()
    assert sorted({one for one in found if found.count(one) > 1}) == []


def test_what_passes_by_itself_is_listed() -> None:
    """The kinds for which a reader may wait are those that a step is tried again for."""
    step = re.search(r"Does it pass by itself\?\*\*(.+?)mostly do", RUNBOOK.read_text(), re.DOTALL)
    assert step
    passing = {kind for kind in get_args(Kind) if Problem(kind, "").is_transient}
    assert set(re.findall(r"`(.+?)`", step[1])) == passing


def test_what_is_handed_on_has_its_words_elsewhere() -> None:
    """A message without a word of its own is none of a file that nobody has looked at."""
    found = {name for name, tree in _trees().items() if any(map(_has_no_words, _calls(tree))) and not _is_spoken(name)}
    assert found == set(HANDED_ON)


def test_every_exception_to_the_rule_is_one() -> None:
    """No file and no text is let pass that is not there."""
    names, texts = set(_trees()), {_plain(text) for tree in _trees().values() for text in _texts(tree)}
    assert [one for one in SPOKEN if not any(name.startswith(one) for name in names)] == []
    assert [one for one in NOT_MESSAGES if not any(fnmatchcase(text, one) for text in texts)] == []
