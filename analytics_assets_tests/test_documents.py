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
import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest

from analytics_assets.ingest.configured import load_settings
from analytics_assets.sandbox import __main__ as sandbox_command
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.control import with_control
from analytics_assets.sandbox.faults import KINDS
from analytics_assets_tests.project import DAY, Project, asked, stories

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = ("docs/embed.md", "docs/sandbox.md")
_FENCE = re.compile(
    r"^(?:<!-- (?P<note>[^\n]*) -->\n)?```(?P<info>[^\n]*)\n(?P<text>.*?)^```\n", re.MULTILINE | re.DOTALL
)
_FILE = re.compile(r"(?:#|--) (?P<name>[\w./-]+\.\w+)\n")
_ALIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_LONGEST = 90


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


def run(page: str, kinds: set[str], project: Project, **replaced: str) -> None:
    """Run the blocks of these kinds in one shell, in the project's folder, and compare what they print."""
    chosen = [block for block in blocks(page) if block.kind in kinds and not block.note.startswith("not run: ")]
    assert chosen, page
    out = project.path / "tmp" / "printed"
    out.mkdir()
    parts = [f"exec >{out}/{number} 2>{out}/{number}.err\n{block.as_shell()}" for number, block in enumerate(chosen)]
    script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "".join(parts)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    replaced |= {"analytics_assets.sandbox &": f"analytics_assets.sandbox --port {port} &", "8765": port}
    for old, new in replaced.items():
        script = script.replace(old, new)
    # a reader has no key to begin with, and nothing may be left in the home folder that the page does not name
    environment = {**os.environ, "HOME": str(project.path / "home"), "PYTHONWARNINGS": "ignore"}
    environment.pop("API_KEY")
    (project.path / "home").mkdir()
    (project.path / ".venv").symlink_to(sys.prefix)
    with subprocess.Popen(
        ["bash", "-c", script], cwd=project.path, env=environment, start_new_session=True, stdin=subprocess.DEVNULL
    ) as shell:
        try:
            code = shell.wait(_LONGEST)
        finally:
            if shell.poll() is None:
                os.killpg(shell.pid, signal.SIGKILL)
    last = max(int(path.name) for path in out.iterdir() if path.suffix != ".err")
    said = (out / f"{last}.err").read_text() + (out / f"{last}").read_text()
    assert code == 0, f"{page}: this block ended with {code}:\n{chosen[last].text}\n{said}"
    for number, block in enumerate(chosen):
        if block.prints is not None:
            printed = (out / f"{number}").read_text()
            for shown, real in replaced.items():
                printed = printed.replace(real, shown)
            alike = doctest.OutputChecker().check_output(block.prints, printed, _ALIKE)
            assert alike, f"{page}: this block prints something else:\n{block.text}\n{printed}"


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_run(page: str, project: Project) -> None:
    """A reader who types a page from top to bottom gets what it shows, and nothing is left in the home folder."""
    run(page, {"bash", "python", "sql", "yaml", "toml"}, project)
    assert list((project.path / "home").iterdir()) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_run_or_says_why_not(page: str) -> None:
    """No example is left out in silence."""
    for block in blocks(page):
        runs = block.kind in {"bash", "bash postgres", "python", "sql"} or block.file
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
