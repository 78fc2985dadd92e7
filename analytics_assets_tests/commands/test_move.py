"""`make move`: a DuckDB file goes into PostgreSQL with its history, proven alike, or nothing does."""

import datetime as dt
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from analytics_assets.commands.move import main
from analytics_assets.sandbox.app import Sandbox
from analytics_assets_tests.commands.conftest import Make
from analytics_assets_tests.project import DAY, WINDOW, Project, Row, stories
from analytics_assets_tests.warehouses import Duckdb, Postgres, Warehouse, contents, new_database

pytestmark = pytest.mark.postgres
TYPE, CREDENTIALS = "DESTINATION__WAREHOUSE__DESTINATION_TYPE", "DESTINATION__WAREHOUSE__CREDENTIALS"
COLUMNS = (
    "SELECT table_name, column_name, data_type, is_nullable, character_maximum_length FROM information_schema.columns "
    "WHERE table_schema = 'analytics' AND table_name NOT LIKE 'insight%_daily' ORDER BY table_name, ordinal_position"
)
# what a value may be, declared or not
EDGES: list[Row] = [
    {
        "caption": "",
        "text": "",
        "number": 7.5,
        "whole": 2**63 - 1,
        "flag": True,
        "nested": {"id": 12345678901234567890},
    },
    {
        "caption": "tab\t, line\n, \\N, \\. and \r",
        "number": 8,
        "whole": -(2**63),
        "flag": False,
        "nested": ["\t\\", ""],
    },
    {"caption": "\\.", "number": 1e300, "mood": "good", "nested": {"q": '"\\u0000 is no null byte: \\\\u0000'}},
    {"caption": "\U0001d54f é 🤦🏼‍♂️ \u2028", "number": -5e-324, "mood": 5, "nested": [1, {"a": None}]},
    {"caption": "line\n\\.\nline", "text": "12345678901234567", "mood": True, "nested": {}},
    {"caption": None, "number": 0.1, "mood": {"a": 1}, "when": "2025-03-01T00:00:00.000001+02:00"},
]
SECRET = "very-secret-word"
NO_ID = {"timestamp": f"{DAY}T05:00:00Z", "updated_at": f"{DAY}T05:00:00Z"}
VALUES = [story | edge for story, edge in zip(stories(len(EDGES)), EDGES, strict=True)]


class Move:
    """A project with a DuckDB file, and a PostgreSQL that it may go into."""

    def __init__(self, project: Project, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file, self.database = Duckdb(project), postgres
        self._monkeypatch = monkeypatch
        self.configure_duckdb()

    def configure_duckdb(self) -> None:
        """Make the file the warehouse."""
        self._monkeypatch.setenv(TYPE, "duckdb")
        self._monkeypatch.delenv(CREDENTIALS, raising=False)

    def configure_postgres(self, url: str = "") -> None:
        """Make a database the warehouse."""
        self._monkeypatch.setenv(TYPE, "postgres")
        self._monkeypatch.setenv(CREDENTIALS, url or self.database.url)

    def __call__(self, capfd: pytest.CaptureFixture[str], **variables: str) -> tuple[int, str, str]:
        """Run the command in this process; return its exit code and what it printed."""
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)
        self.configure_postgres()
        capfd.readouterr()
        code = main()
        output = capfd.readouterr()
        return code, output.out, output.err

    def spoil(self, change: str) -> None:
        """Have the database change what is inserted into a table of stories, as soon as there is one."""
        self.database.execute("CREATE SCHEMA IF NOT EXISTS spoilt")
        self.database.execute(
            "CREATE OR REPLACE FUNCTION spoilt.row() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN IF NEW.id = 's003' THEN {change} END IF; RETURN NEW; END $$"
        )
        self.database.execute(
            "CREATE OR REPLACE FUNCTION spoilt.made() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF to_regclass('analytics.stories') IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM pg_trigger WHERE tgname = 'spoil') THEN "
            "CREATE TRIGGER spoil BEFORE INSERT ON analytics.stories FOR EACH ROW EXECUTE FUNCTION spoilt.row(); "
            "END IF; END $$"
        )
        self.database.execute("DROP EVENT TRIGGER IF EXISTS spoil_made")
        self.database.execute(
            "CREATE EVENT TRIGGER spoil_made ON ddl_command_end WHEN TAG IN ('CREATE TABLE') "
            "EXECUTE FUNCTION spoilt.made()"
        )

    def mend(self) -> None:
        """Have the database take what is inserted."""
        self.database.execute("DROP EVENT TRIGGER IF EXISTS spoil_made")
        self.database.execute("DROP SCHEMA IF EXISTS spoilt CASCADE")


@pytest.fixture
def move(project: Project, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 - a generator
    """Return what moves the test's DuckDB file."""
    monkeypatch.setenv("DAGSTER_HOME", str(project.path))
    monkeypatch.delenv("FROM", raising=False)
    made = Move(project, postgres, monkeypatch)
    yield made
    made.mend()


def _served(project: Project, rows: list[Row] | None = None) -> Sandbox:
    """Serve some stories; one of them cannot be loaded as it is declared."""
    return project.serve(rows={"stories": (rows if rows is not None else VALUES) + [NO_ID]})


def _tables(warehouse: Warehouse) -> dict[str, list[Row]]:
    """Return all that the dataset's tables hold, but for times that the two databases show in zones of their own."""
    orders = {"stories": "id", "stories__rejected": "id", "_analytics_windows": "started_at"}
    orders |= {
        "insight_restatements": "seen_at, id",
        "_dlt_loads": "load_id",
        "_dlt_version": "inserted_at, version_hash",
    }
    orders |= {"_dlt_pipeline_state": "version"}
    return {name: contents(warehouse, name, order) for name, order in orders.items()}


def test_all_of_it_goes_with_its_history(project: Project, move: Move, capfd: pytest.CaptureFixture[str]) -> None:
    """Each value, row set aside, window, restatement and version; the API is not asked, and the file is as it was."""
    rows = [dict(row) for row in VALUES]
    sandbox = _served(project, rows)
    project.load()
    rows[3]["like_count"] = 1000
    project.load()
    held, asked = _tables(move.file), len(sandbox.requests)
    assert [len(held[name]) for name in ("stories", "stories__rejected", "_analytics_windows")] == [6, 1, 2]
    assert [(row["old_value"], row["new_value"]) for row in held["insight_restatements"]] == [("3", "1000")]
    code, out, err = move(capfd)
    assert (code, err) == (0, "")
    assert _tables(move.database) == held
    assert _tables(move.file) == held
    assert len(sandbox.requests) == asked
    first, *_, last = out.splitlines()
    assert " ".join(first.split()) == "_analytics_windows 2 rows of 1 days: the same in both"
    total = sum(map(len, held.values()))
    assert last == f"Moved {total} rows from duckdb warehouse.duckdb to {_named(move)}. The file is as it was."


def _named(move: Move) -> str:
    return f"postgres {move.database.url.rpartition('/')[2]}"


def test_a_load_goes_on_where_the_last_one_ended(
    project: Project, move: Move, capfd: pytest.CaptureFixture[str]
) -> None:
    """It merges, records what it changes, and finds no column to make."""
    rows = [dict(row) for row in VALUES]
    _served(project, rows)
    project.load()
    assert move(capfd)[0] == 0
    before = move.database.execute(COLUMNS)
    versions = "SELECT COUNT(*) FROM analytics._dlt_version"
    known = move.database.execute(versions)
    rows[4]["like_count"] = 77
    project.load()
    assert move.database.execute(COLUMNS) == before
    # one, which says the name of the dataset that PostgreSQL stages stories in
    assert move.database.execute(versions) == [(known[0][0] + 1,)]
    assert [row["id"] for row in contents(move.database, "stories")] == [row["id"] for row in VALUES]
    changed = contents(move.database, "insight_restatements")
    assert [(row["id"], row["old_value"], row["new_value"]) for row in changed] == [("s004", "4", "77")]
    windows = contents(move.database, "_analytics_windows", "started_at")
    assert [(row["outcome"], row["rows_loaded"], row["restated"]) for row in windows] == [
        ("loaded", 6, 0),
        ("loaded", 6, 1),
    ]
    history = move.database.execute(
        "SELECT COUNT(*) FROM analytics.insight_history WHERE id = 's004' AND column_name = 'like_count'"
    )
    assert history == [(2,)]
    made = move.database.execute("SELECT indexname FROM pg_indexes WHERE schemaname = 'analytics'")
    assert ("insight_restatements_seen_at",) in made
    assert ("stories_id_idx",) in made


def test_tables_are_as_a_first_load_makes_them(project: Project, move: Move, capfd: pytest.CaptureFixture[str]) -> None:
    """Types, their order, and what may be null: those of a PostgreSQL that was loaded into from the beginning."""
    _served(project)
    project.load()
    assert move(capfd)[0] == 0
    moved = move.database.execute(COLUMNS)
    assert ("stories", "nested", "jsonb", "YES", None) in moved
    with new_database() as other:
        move.configure_postgres(other.url)
        project.load()
        assert moved == other.execute(COLUMNS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("RETURN NULL;", "rows of 2025-03-01: 6 there, 5 here"),
        ("NEW.like_count = 4;", "sum of like_count of 2025-03-01: 15 there, 16 here"),
        ("NEW.like_count = NULL;", "values of like_count of 2025-03-01: 6 there, 5 here"),
        ("NEW.caption = 'x';", "characters of caption of 2025-03-01: "),
        ("NEW.timestamp = NEW.timestamp - interval '1 day';", "rows of 2025-02-28: 0 there, 1 here"),
        ("NEW.timestamp = NEW.timestamp - interval '1 hour';", "rows of 2025-02-28: 0 there, 1 here"),
        ("NEW.timestamp = NEW.timestamp + interval '1 hour';", "most timestamp of 2025-03-01: "),
        ("NEW.number = 0;", "sum of number below 0 of 2025-03-01: -5e-324 there, None here"),
        ("END IF; IF NEW.id = 's002' THEN NEW.number = 1.1e300;", "most number of 2025-03-01: 1e+300 there, 1.1e+300"),
    ],
)
def test_what_differs_is_said_and_rolled_back(
    project: Project, move: Move, capfd: pytest.CaptureFixture[str], change: str, said: str
) -> None:
    """A row, a number, a text or a moment that is another one there: nothing is moved, and a second try finds room."""
    _served(project)
    project.load()
    move.spoil(change)
    code, out, err = move(capfd)
    assert (code, out) == (1, "")
    assert err.startswith(f"The move failed: incomplete: stories would not be what it was: {said}")
    assert err.endswith("; nothing was moved\n")
    assert move.database.schemas() == []
    move.mend()
    assert move(capfd)[0] == 0


def test_a_row_is_of_the_day_of_its_cursor(project: Project, move: Move, capfd: pytest.CaptureFixture[str]) -> None:
    """Days are those that are loaded, and not those of whatever time stands first in a table."""
    project.configure(endpoints__stories__cursor="updated_at")
    _served(project, [row | {"timestamp": None, "updated_at": f"{DAY}T12:00:00Z"} for row in VALUES])
    project.load()
    move.spoil("RETURN NULL;")
    assert ": rows of 2025-03-01: 6 there, 5 here; nothing was moved" in move(capfd)[2]


def test_a_target_with_tables_is_refused(project: Project, move: Move, capfd: pytest.CaptureFixture[str]) -> None:
    """A second run changes nothing, and says what to do; nor does one into a database that was loaded into."""
    _served(project)
    project.load()
    assert move(capfd)[0] == 0
    held = _tables(move.database)
    code, out, err = move(capfd)
    assert (code, out) == (1, "")
    assert err == (
        f"The move failed: setting: {_named(move)} has 7 tables in analytics already, stories with 6 rows, and nothing "
        "is moved on top of them: move into a database without them, or, if nothing in them is wanted, "
        "DROP SCHEMA analytics CASCADE\n"
    )
    assert _tables(move.database) == held


@pytest.mark.parametrize(("column", "value"), [("caption", "'a' || chr(0)"), ("nested", """'{"a": "\\\\\\u0000"}'""")])
def test_null_bytes_are_refused_by_name(
    project: Project, move: Move, capfd: pytest.CaptureFixture[str], column: str, value: str
) -> None:
    """PostgreSQL stores none; what has one is named, so that it can be taken out."""
    _served(project)
    project.load()
    move.file.change(f"UPDATE analytics.stories SET {column} = {value} WHERE id = 's001'")  # noqa: S608 - of this test
    code, _, err = move(capfd)
    assert code == 1
    assert err.startswith(
        f"The move failed: value refused: stories.{column} has a null byte in 1 rows, which PostgreSQL"
    )
    assert move.database.schemas() == []


def test_what_postgres_refuses_is_told_without_the_value(
    project: Project, move: Move, capfd: pytest.CaptureFixture[str]
) -> None:
    """A number that is too long for `jsonb` names the table and no row."""
    _served(project)
    project.load()
    move.file.change("UPDATE analytics.stories SET nested = '1e999999' WHERE id = 's001'")
    code, _, err = move(capfd)
    assert code == 1
    assert err.startswith(
        "The move failed: value refused: a value of stories cannot be stored, and nothing was moved: "
    )
    assert "1e999999" not in err
    assert move.database.schemas() == []


def test_what_no_load_has_made(project: Project, move: Move, capfd: pytest.CaptureFixture[str]) -> None:
    """A table of somebody else's stays behind, and is named; a column goes along, or is refused by its type."""
    _served(project)
    project.load()
    move.file.change("CREATE TABLE analytics.notes AS SELECT 1 AS a")
    move.file.change("ALTER TABLE analytics.stories ADD COLUMN mark VARCHAR DEFAULT 'ours'")
    move.file.change("ALTER TABLE analytics._analytics_windows ADD COLUMN marks INTEGER[]")
    code, _, err = move(capfd)
    assert code == 1
    assert (
        "_analytics_windows.marks is a column that no load has made, of a type that cannot be moved (INTEGER[])" in err
    )
    move.file.change("ALTER TABLE analytics._analytics_windows DROP COLUMN marks")
    code, out, _ = move(capfd)
    assert code == 0
    assert "notes stays behind, for no load has made it" in [" ".join(line.split()) for line in out.splitlines()]
    assert {row["mark"] for row in contents(move.database, "stories")} == {"ours"}
    project.load()
    assert len(contents(move.database, "stories")) == 6


def test_where_there_is_nothing_to_move(
    move: Move, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file, a file without a load, and a warehouse that is none: a sentence each, and no file is made."""
    code, _, err = move(capfd)
    assert (code, err.count("\n")) == (1, 1)
    assert "there is no file warehouse.duckdb to move from: add FROM=" in err
    assert not Path("warehouse.duckdb").exists()
    with closing(duckdb.connect("other.duckdb")) as other:
        other.execute("CREATE TABLE t AS SELECT 1 AS a")
    code, _, err = move(capfd, FROM="other.duckdb")
    assert "setting: duckdb other.duckdb has nothing to move: no load has written to it" in err
    monkeypatch.setattr(move, "configure_postgres", move.configure_duckdb)
    code, _, err = move(capfd, FROM="other.duckdb")
    assert "the configured warehouse is duckdb warehouse.duckdb, and what is moved goes into PostgreSQL" in err


def test_the_password_is_in_no_message(
    project: Project, move: Move, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody answers, or the database is not there: the sentence names neither password nor address."""
    _served(project)
    project.load(WINDOW)
    for address in ("127.0.0.1:9/none", move.database.url.rpartition("@")[2] + "_none"):
        url = f"postgresql://postgres:{SECRET}@{address}"
        monkeypatch.setattr(move, "configure_postgres", lambda url=url: monkeypatch.setenv(CREDENTIALS, url))
        monkeypatch.setenv(TYPE, "postgres")
        code, out, err = move(capfd)
        assert (code, out, err.count("\n")) == (1, "", 1)
        project.assert_nowhere([SECRET], err)


def test_a_load_is_waited_for(project: Project, move: Move, make: Make) -> None:
    """As `make move` it is the same, and a file that another process has open is said to be busy."""
    _served(project)
    project.load()
    move.configure_postgres()
    with closing(duckdb.connect("warehouse.duckdb")):
        done = make("move")
    assert done.returncode == 2
    assert "The move failed: warehouse busy: another program (python" in done.stderr
    done = make("move", "FROM=warehouse.duckdb")
    assert (done.returncode, done.stderr) == (0, "")
    assert dt.date.fromisoformat(DAY)
    assert len(contents(move.database, "stories")) == 6
