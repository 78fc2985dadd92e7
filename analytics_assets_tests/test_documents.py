"""The examples of the documents do what they say: each block is run as a reader would, in the order of its page.

The info string of a fenced block says how: ``bash`` and ``python`` are run, ``sql`` is asked of the warehouse, and a
``text`` block right behind one of these is what it prints (``...`` stands for anything). A block whose first line is a
comment with a file's name is written to that file. ``bash postgres`` is run only where there is a PostgreSQL. What is
not run says so on the line before: ``<!-- not run: why -->``.
"""

import datetime as dt
import doctest
import importlib.util
import inspect
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest

from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.warehouse.writer import duckdb_writer
from analytics_assets.ingest.window import Window
from analytics_assets.sandbox import __main__ as sandbox_command
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.control import with_control
from analytics_assets.sandbox.faults import KINDS, Fault
from analytics_assets_tests.project import DAY, KEY, Project, asked, stories
from analytics_assets_tests.warehouses import Postgres

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = ("SECURITY.md", "docs/embed.md", "docs/operations.md", "docs/runbook.md", "docs/sandbox.md")
_FENCE = re.compile(
    r"^(?:<!-- (?P<note>[^\n]*) -->\n)?```(?P<info>[^\n]*)\n(?P<text>.*?)^```\n", re.MULTILINE | re.DOTALL
)
_FILE = re.compile(r"(?:#|--) (?P<name>[\w./-]+\.\w+)\n")
_ALIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_LONGEST = 90
_NEEDS_POSTGRES = "bash postgres"


@dataclass
class Block:
    """A fenced block of a page: how it is run, what it says, what it prints, and why it is not run."""

    kind: str
    text: str
    note: str = ""
    prints: str | None = None
    file: str | None = field(init=False)

    def __post_init__(self) -> None:
        """Find the name of the file that the block is, if it is one."""
        found = _FILE.match(self.text)
        self.file = found["name"] if found else None

    def as_shell(self) -> str:
        """Return what a reader would type."""
        if self.file:
            return f"mkdir -p {Path(self.file).parent}\ncat >{self.file} <<'END'\n{self.text}END\n"
        if self.kind == "python":
            return f".venv/bin/python -W ignore - <<'END'\n{self.text}END\n"
        if self.kind == "sql":
            query = (
                "import duckdb, sys; print(duckdb.connect('warehouse.duckdb', read_only=True).sql(sys.stdin.read()))"
            )
            return f".venv/bin/python -c \"{query}\" <<'END'\n{self.text}END\n"
        # what is started in the background has to be there before the next block asks it
        wait = "until curl -sf http://127.0.0.1:8765/_sandbox/health >/dev/null; do sleep 0.1; kill -0 $!; done\n"
        return self.text + (wait if self.text.endswith("&\n") else "")


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page; a ``text`` block is what the one before it prints."""
    found: list[Block] = []
    for match in _FENCE.finditer((ROOT / page).read_text()):
        if match["info"] == "text" and not match["note"]:
            found[-1].prints = match["text"]
        else:
            found.append(Block(match["info"], match["text"], match["note"] or ""))
    return found


def run(chosen: list[Block], project: Project, **replaced: str) -> list[str]:
    """Run blocks in one shell, in the project's folder; compare what they print, and return it."""
    assert chosen
    out = Path(tempfile.mkdtemp(dir=project.path / "tmp"))
    parts = [f"exec >{out}/{number} 2>{out}/{number}.err\n{block.as_shell()}" for number, block in enumerate(chosen)]
    script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "".join(parts)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    replaced |= {"analytics_assets.sandbox &": f"analytics_assets.sandbox --port {port} &", "8765": port}
    for old, new in replaced.items():
        script = script.replace(old, new)
    code = _shell(script, project)
    said = [(out / f"{number}").read_text() if (out / f"{number}").exists() else None for number in range(len(chosen))]
    last = max(number for number, text in enumerate(said) if text is not None)
    assert code == 0, f"this ended with {code}:\n{chosen[last].text}\n{(out / f'{last}.err').read_text()}{said[last]}"
    printed = [text or "" for text in said]
    for shown, real in replaced.items():
        printed = [text.replace(real, shown) for text in printed]
    for block, text in zip(chosen, printed, strict=True):
        if block.prints is not None:
            alike = doctest.OutputChecker().check_output(block.prints, text, _ALIKE)
            assert alike, f"this prints something else:\n{block.text}\n{text}"
    return printed


def _shell(script: str, project: Project) -> int:
    """Run a script in the project's folder as somebody whose home folder is empty, and return its exit code."""
    home, environment = project.path / "home", project.path / ".venv"
    home.mkdir(exist_ok=True)
    if not environment.exists():
        environment.symlink_to(sys.prefix)
    with subprocess.Popen(
        ["bash", "-c", script],
        cwd=project.path,
        env={**os.environ, "HOME": str(home), "PYTHONWARNINGS": "ignore"},
        start_new_session=True,
        stdin=subprocess.DEVNULL,
    ) as shell:
        try:
            return shell.wait(_LONGEST)
        finally:
            if shell.poll() is None:
                os.killpg(shell.pid, signal.SIGKILL)


def runnable(page: str) -> list[Block]:
    """Return the blocks of a page that are run everywhere."""
    return [block for block in blocks(page) if block.kind != _NEEDS_POSTGRES and not block.note.startswith("not run: ")]


@pytest.mark.parametrize("page", ["docs/embed.md", "docs/sandbox.md"])
def test_the_examples_run(page: str, project: Project) -> None:
    """A reader who types a page from top to bottom gets what it shows, and nothing is left in the home folder."""
    run(runnable(page), project)
    assert list((project.path / "home").iterdir()) == []


@pytest.mark.slow
def test_operations_on_duckdb(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Backup and restore bring back table and history, the queries find what they ask for, and nothing is left."""
    before = set(project.path.rglob("*"))
    monkeypatch.setenv("DAGSTER_HOME", str(project.path))
    sandbox = project.serve(rows={"stories": [*stories(5), {"timestamp": f"{DAY}T12:00:00Z"}]})
    with dg.DagsterInstance.get() as instance:
        assert project.materialize(instance=instance).success
    sandbox.faults.append(Fault("status", status=404))
    with pytest.raises(Exception, match="404"):
        project.load(Window.of_day(dt.date(2025, 3, 2)))
    sandbox.faults.clear()
    found = runnable("docs/operations.md")
    restore = next(number for number, block in enumerate(found) if "cp backup/warehouse.duckdb ." in block.text)
    uninstall = next(number for number, block in enumerate(found) if "rm -rf .venv" in block.text)
    failed, *_ = run(found[:restore], project)
    assert "2025-03-02 │ failed" in failed
    assert "path not found" in failed

    (project.path / "warehouse.duckdb").write_bytes(b"lost")
    shutil.rmtree(project.path / ".dagster")
    _, loaded_until, *_ = run(found[restore:uninstall], project)
    assert "stories  │ 2025-03-02" in loaded_until
    assert len(project.ids()) == 5
    with dg.DagsterInstance.get() as instance:
        assert len(instance.get_runs()) == 1

    rejected, *_ = run([*found[uninstall + 1 :], found[uninstall]], project)
    assert "id" in rejected
    left = {str(path.relative_to(project.path)) for path in set(project.path.rglob("*")) - before}
    assert {path for path in left if not path.startswith(("tmp/tmp", "backup"))} == {"home"}


def test_the_key_is_in_no_file(project: Project) -> None:
    """The search that the page on security offers finds nothing after a load, and the key where it stands."""
    project.serve(rows={"stories": [*stories(2), {"id": f"key {KEY}", "timestamp": f"{DAY}T12:00:00Z"}]})
    project.load()
    run(runnable("SECURITY.md"), project)
    (project.path / "leak.log").write_text(f"asked with {KEY}")
    with pytest.raises(AssertionError, match=r"leak\.log"):
        run(runnable("SECURITY.md"), project)


def test_a_copy_waits_for_a_load(project: Project) -> None:
    """``flock`` and the loads' own lock on the DuckDB file keep each other out."""
    take = ["flock", "--nonblock", f"{project.path}/warehouse.duckdb.lock", "true"]
    with duckdb_writer(project.path / "warehouse.duckdb", logging.getLogger()):
        assert subprocess.run(take, check=False).returncode == 1
    assert subprocess.run(take, check=False).returncode == 0


@pytest.mark.postgres
def test_operations_on_postgres(project: Project, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dump brings back what was lost, and the last command leaves nothing in the database."""
    project.serve(rows={"stories": stories(5)})
    project.load()
    backup, restore, drop = (block for block in blocks("docs/operations.md") if block.kind == _NEEDS_POSTGRES)
    example = "postgresql://user:password@host:5432/db"
    monkeypatch.setenv("WAREHOUSE", postgres.url)
    run([backup], project, **{example: postgres.url})
    postgres.execute("DELETE FROM analytics.stories")
    postgres.execute("DROP TABLE analytics._analytics_windows CASCADE")
    run([restore], project)
    assert len(postgres.table("stories")) == 5
    # the next load goes on as if nothing had been
    assert project.load().rows_loaded == 5
    run([drop], project)
    assert postgres.schemas() == []


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_run_or_says_why_not(page: str) -> None:
    """No example is left out in silence."""
    for block in blocks(page):
        runs = block.kind in {"bash", _NEEDS_POSTGRES, "python", "sql"} or block.file
        assert runs or block.note.startswith("not run: "), block


@pytest.mark.parametrize("page", PAGES)
def test_the_readme_lists_the_page_and_its_links_are_alive(page: str) -> None:
    """Nobody has to guess that a document exists, and it leads nowhere that is not there."""
    assert f"]({page})" in README
    for target in re.findall(r"\]\((?!http)([^)#]+)", (ROOT / page).read_text()):
        assert (ROOT / page).parent.joinpath(target).exists(), target


def definitions_of(page: str, file: str, project: Project) -> dg.Definitions:
    """Return what a file of a page defines, as Dagster finds it."""
    block = next(block for block in blocks(page) if block.file == file)
    (project.path / file).write_text(block.text)
    spec = importlib.util.spec_from_file_location(Path(file).stem, project.path / file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    defs = module.defs
    found = defs if isinstance(defs, dg.Definitions) else defs(dg.ComponentTree.for_test())
    assert isinstance(found, dg.Definitions)
    return found


# Dagster says so of arguments that the page uses, and of one that it uses itself
@pytest.mark.filterwarnings("ignore:Parameter .* is currently in beta")
def test_the_asset_behind_runs_for_the_day_that_was_loaded(project: Project) -> None:
    """The page's automation condition requests yesterday's partition, which ``eager`` by itself would pass over."""
    defs = definitions_of("docs/embed.md", "deployment.py", project)
    now = dt.datetime(2025, 3, 5, 3, tzinfo=dt.UTC)
    instance = project.instance()
    before = dg.evaluate_automation_conditions(defs=defs, instance=instance, evaluation_time=now)
    instance.report_runless_asset_event(dg.AssetMaterialization("media_insights", partition="2025-03-04"))
    after = dg.evaluate_automation_conditions(defs=defs, instance=instance, cursor=before.cursor, evaluation_time=now)
    assert after.get_requested_partitions(dg.AssetKey("posts_measured")) == {"2025-03-04"}


@pytest.mark.slow
def test_the_other_group_is_loaded_by_its_job(project: Project) -> None:
    """The page's job loads all four assets in their new group, with the page size of the resource that was put in."""
    sandbox = project.serve(rows={"stories": stories(60)})
    defs = definitions_of("docs/embed.md", "marketing.py", project)
    job = defs.resolve_job_def("load_marketing")
    assert job.executor_def.name == "multiprocess"
    assert job.execute_in_process(partition_key=DAY, instance=project.instance()).success
    assert {(path, params["limit"]) for path, params in asked(sandbox)} == {
        (endpoint.path, "50") for endpoint in load_settings().resolved_endpoints
    }
    assert len(project.ids()) == 60


def test_the_sandbox_page_names_everything() -> None:
    """Each option of its command line, each control path, each kind of fault and each option of one is in the page."""
    page = (ROOT / "docs/sandbox.md").read_text()
    options = re.findall(r'add_argument\("(--[a-z-]+)"', inspect.getsource(sandbox_command))
    paths = [route.path for route in with_control(Sandbox()).routes if "_sandbox" in getattr(route, "path", "")]
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)\|$", page, re.MULTILINE))
    assert [name for name in (*options, *paths) if f"`{name}" not in page and f" {name}" not in page] == []
    for kind, function in KINDS.items():
        wanted = [name for name in inspect.signature(function).parameters if name != "answer"]
        assert [name for name in wanted if f"`{name}`" not in rows[kind]] == [], kind
