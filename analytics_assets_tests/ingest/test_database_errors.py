"""What a database refuses is told in one sentence, with its kind, and without rows or paths of the machine."""

import errno
import os
import shutil
import subprocess
import sys
import textwrap
from urllib.parse import urlsplit

import adbc_driver_manager
import duckdb
import psycopg2  # type: ignore[import-untyped]
import pytest
from dlt.destinations.exceptions import DatabaseTerminalException, DatabaseTransientException

from analytics_assets.assets import STEP_RETRIES
from analytics_assets.ingest.database_errors import DatabaseKind
from analytics_assets.ingest.errors import Problem, explain
from analytics_assets_tests.messages import as_documented, documented
from analytics_assets_tests.project import Project, message_of, stories
from analytics_assets_tests.warehouses import Postgres

LEDGER = "_analytics_windows"
SECRET_ROW = "not-for-the-ledger"


def _problem_of_a_load(project: Project) -> Problem:
    """Load, and return what is said of the failure, which is what docs/messages.md shows of its kind."""
    with pytest.raises(Exception) as failed:  # noqa: PT011 - explain() says which
        project.load()
    problem = explain(failed.value)
    assert problem is not None, failed.value
    assert str(project.path) not in problem.message
    assert "\n" not in problem.message
    return problem


def _is_documented(problem: Problem) -> bool:
    return documented(problem.kind) == as_documented(f"stories: {problem.message}")


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"path": "/no_such_database"}, 'database "no_such_database" does not exist. Check user,'),
        ({"netloc": "nobody:wrong@127.0.0.1:5432"}, 'role "nobody" does not exist. Check user,'),
        ({"netloc": "postgres:unused@127.0.0.1:1"}, "Connection refused. Check that the database"),
        ({"netloc": "postgres:unused@no-such-host.invalid"}, "could not translate host name"),
    ],
    ids=["no such database", "no such user", "nobody listens", "no such host"],
)
def test_postgres_that_cannot_be_had(
    project: Project, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, part: dict[str, str], words: str
) -> None:
    """A login that is refused is told at once and not tried again; a server that is not there may come back."""
    url = urlsplit(postgres.url)._replace(**part).geturl()
    monkeypatch.setenv("DESTINATION__WAREHOUSE__CREDENTIALS", url)
    sandbox = project.serve(rows={"stories": stories(3)})
    problem = _problem_of_a_load(project)
    kind = "login refused" if "does not exist" in words else "cannot connect"
    assert problem.kind == kind
    assert problem.message.startswith(f"{kind}: PostgreSQL says: ")
    assert words in problem.message
    assert problem.is_transient is (kind == "cannot connect")
    if "nobody" in words or "refused" in words:
        assert _is_documented(problem)
    # the warehouse is asked first
    assert sandbox.requests == []


@pytest.mark.postgres
def test_a_step_whose_login_is_refused_fails_with_one_line(
    project: Project, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No step begins anew, no traceback is in the log, and nobody tries to write to a ledger that is out of reach."""
    url = urlsplit(postgres.url)._replace(path="/no_such_database").geturl()
    monkeypatch.setenv("DESTINATION__WAREHOUSE__CREDENTIALS", url)
    project.serve(rows={"stories": stories(3)})
    result = project.materialize(retry_policy=STEP_RETRIES)
    assert [event.event_type_value for event in result.all_events if "STEP_" in event.event_type_value][-1:] == [
        "STEP_FAILURE"
    ]
    assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    assert message_of(result).startswith("stories: login refused: PostgreSQL says: ")
    assert LEDGER not in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.postgres
def test_postgres_without_permission(project: Project, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who may not create the schema, or not write to a table, is told which right is missing."""
    project.serve(rows={"stories": stories(3)})
    url = urlsplit(postgres.url)
    database, reader = url.path[1:], f"{url.path[1:]}_reader"
    postgres.execute(f"CREATE ROLE {reader} LOGIN")
    try:
        as_reader = url._replace(netloc=f"{reader}:unused@{url.hostname}:{url.port}").geturl()
        monkeypatch.setenv("DESTINATION__WAREHOUSE__CREDENTIALS", as_reader)
        problem = _problem_of_a_load(project)
        assert problem.kind == "no permission"
        assert f"permission denied for database {database}. The user needs the right to create" in problem.message
        assert _is_documented(problem)
        monkeypatch.setenv("DESTINATION__WAREHOUSE__CREDENTIALS", postgres.url)
        project.load()
        postgres.execute(f"GRANT ALL ON DATABASE {database} TO {reader}")
        postgres.execute(f"GRANT USAGE, CREATE ON SCHEMA analytics TO {reader}")
        postgres.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA analytics TO {reader}")
        monkeypatch.setenv("DESTINATION__WAREHOUSE__CREDENTIALS", as_reader)
        problem = _problem_of_a_load(project)
        assert problem.kind == "no permission"
        assert "permission denied for table" in problem.message
    finally:
        postgres.execute(f"DROP OWNED BY {reader}; DROP ROLE {reader}")


@pytest.mark.postgres
def test_postgres_refuses_a_value(project: Project, postgres: Postgres) -> None:
    """The ledger says which constraint it was, and has no traceback, no path and nothing of the row."""
    sandbox = project.serve(rows={"stories": stories(3)})
    project.load()
    postgres.execute("ALTER TABLE analytics.stories ADD CONSTRAINT few CHECK (like_count < 5) NOT VALID")
    sandbox.rows["stories"] = [{**row, "caption": SECRET_ROW} for row in stories(9)]
    problem = _problem_of_a_load(project)
    assert problem.kind == "value refused"
    assert 'new row for relation "stories" violates check constraint "few". The table has' in problem.message
    reasons = [reason for (reason,) in postgres.execute(f"SELECT reason FROM analytics.{LEDGER} ORDER BY started_at")]  # noqa: S608
    assert reasons == [None, problem.message]
    assert _is_documented(problem)
    assert SECRET_ROW not in problem.message


@pytest.mark.postgres
@pytest.mark.slow
def test_postgres_closes_the_connection(project: Project, postgres: Postgres) -> None:
    """A connection that is lost in the middle of the merge may be had again: the step is tried anew."""
    sandbox = project.serve(rows={"stories": stories(3)})
    project.load()
    postgres.execute(
        "CREATE FUNCTION analytics.go() RETURNS trigger AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); "
        "RETURN NEW; END $$ LANGUAGE plpgsql; "
        "CREATE TRIGGER go BEFORE INSERT ON analytics.stories EXECUTE FUNCTION analytics.go()"
    )
    sandbox.rows["stories"] = stories(9)
    problem = _problem_of_a_load(project)
    assert (problem.kind, problem.is_transient) == ("connection lost", True)
    assert _is_documented(problem)
    reasons = [reason for (reason,) in postgres.execute(f"SELECT reason FROM analytics.{LEDGER} ORDER BY started_at")]  # noqa: S608
    assert reasons == [None, problem.message]
    assert len(postgres.table("stories")) == 3


def test_duckdb_refuses_a_value(project: Project) -> None:
    """A key that would come twice is told without the key."""
    sandbox = project.serve(rows={"stories": stories(3)})
    project.load()
    with duckdb.connect(str(project.path / "warehouse.duckdb")) as warehouse:
        warehouse.execute("CREATE UNIQUE INDEX one_each ON analytics.stories (caption)")
    sandbox.rows["stories"] = [{**row, "caption": SECRET_ROW} for row in stories(9)]
    problem = _problem_of_a_load(project)
    assert problem.kind == "value refused"
    assert problem.message.startswith("value refused: DuckDB says: Constraint Error: ")
    assert "duplicate key …. The table has" in problem.message
    assert SECRET_ROW not in problem.message
    assert [row["reason"] for row in project.table(LEDGER, "started_at")] == [None, problem.message]


def test_a_file_that_is_no_warehouse(project: Project) -> None:
    """It is left as it is, and named without the path."""
    (project.path / "warehouse.duckdb").write_text("no database" * 1000)
    project.serve(rows={"stories": stories(3)})
    problem = _problem_of_a_load(project)
    assert (problem.kind, problem.is_transient) == ("cannot open", False)
    assert 'The file "warehouse.duckdb" exists, but it is not a valid DuckDB database file' in problem.message
    assert _is_documented(problem)
    assert (project.path / "warehouse.duckdb").read_text() == "no database" * 1000


def test_a_file_that_may_not_be_written(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be made is told by its name, without the path."""
    project.serve(rows={"stories": stories(3)})

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(project.path / "data"))

    monkeypatch.setattr("pathlib.Path.mkdir", refused)
    problem = _problem_of_a_load(project)
    assert problem.message.startswith("no permission: Permission denied: data. The user needs the right")


@pytest.mark.skipif(
    not shutil.which("unshare"), reason="no unshare, which gives a small disk: apt-get install util-linux"
)
def test_a_disk_that_is_full(project: Project) -> None:
    """A real file system of two megabytes: the run says that the disk is full, and whose."""
    project.serve(rows={"stories": [{**row, "caption": os.urandom(2000).hex()} for row in stories(1400)]})
    disk = project.path / "disk"
    disk.mkdir()
    program = """
        import os, subprocess
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", "disk"], check=True)
        os.environ["DESTINATION__WAREHOUSE__CREDENTIALS"] = "duckdb:///disk/small.duckdb"
        from analytics_assets.ingest.errors import explain
        from analytics_assets.ingest.opening import open_pipeline
        from analytics_assets.ingest.configured import load_settings
        from analytics_assets.ingest.source import build_source
        settings = load_settings()
        endpoint = next(one for one in settings.resolved_endpoints if one.name == "stories")
        source, reading = build_source(endpoint, settings, None)
        try:
            with open_pipeline(reading) as pipeline:
                pipeline.run(source)
        except Exception as error:
            print(explain(error).message)
    """
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", sys.executable, "-c", textwrap.dedent(program)],
        cwd=project.path,
        env=os.environ | {"ANALYTICS_API__MAX_CONCURRENT_REQUESTS": "4"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.stdout.startswith("disk full: DuckDB says: "), (done.stdout, done.stderr[-2000:])
    # how far it had got differs
    begin, _, end = documented("disk full").removeprefix("stories: ").partition(" … ")
    assert done.stdout.startswith(begin)
    assert done.stdout.rstrip().endswith(end)
    assert str(project.path) not in done.stdout


def _adbc(sqlstate: str, message: str) -> Exception:
    error = adbc_driver_manager.OperationalError(message, status_code=10, sqlstate=sqlstate)
    assert error.sqlstate == sqlstate
    return error


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (psycopg2.OperationalError('FATAL:  password authentication failed for user "me"\n'), "login refused", '"me"'),
        (psycopg2.OperationalError("FATAL:  no pg_hba.conf entry for host"), "login refused", "no pg_hba.conf entry"),
        (psycopg2.OperationalError("FATAL:  the database system is starting up"), "cannot connect", "starting up"),
        (psycopg2.InterfaceError("connection already closed"), "connection lost", "connection already closed"),
        (_adbc("53100", "could not extend file: No space left on device"), "disk full", "could not extend file"),
        (_adbc("22P02", 'invalid input syntax for type bigint: "a secret"'), "value refused", "for type bigint…"),
        (_adbc("22P02", 'invalid input syntax for type bigint: "a "secret""'), "value refused", "for type bigint…"),
        (_adbc("22008", 'date/time field value out of range: "secret"'), "value refused", "field value out of range…"),
        (_adbc("22003", 'value "7secret" is out of range for type int'), "value refused", "value … is out of"),
        (_adbc("22003", '"secret" is out of range for type double'), "value refused", "… is out of range for type"),
        (_adbc("22001", "value too long for type character varying(5)"), "value refused", "value too long for type"),
        (_adbc("23502", 'null value in column "i" of relation "t" violates not-null constraint'),
         "value refused", 'null value in column "i" of relation "t" violates'),
        (_adbc("23505", 'duplicate key value violates unique constraint "t_s_key"'),
         "value refused", 'duplicate key value violates unique constraint "t_s_key"'),
        (_adbc("40P01", "deadlock detected"), "warehouse failing", "deadlock detected"),
        (_adbc("57P01", "terminating connection due to administrator command"), "connection lost", "terminating"),
        (duckdb.ConversionException("Conversion Error: Could not convert string 'a secret' to INT64"),
         "value refused", "Could not convert string … to INT64"),
        (duckdb.ConversionException("Conversion Error: Type X with value secret can't be cast because the value is"),
         "value refused", "with value … can't be cast because the value is"),
        (duckdb.ConversionException('Conversion Error: invalid timestamp field format: "secret", expected format (Y)'),
         "value refused", "field format…, expected format (Y)"),
        (duckdb.ConstraintException('Constraint Error: Duplicate key "s: secret" violates unique constraint.'),
         "value refused", "Duplicate key … violates unique constraint"),
        (duckdb.IOException('IO Error: Cannot open file "/some/folder/w.duckdb": Permission denied'),
         "no permission", 'open file "w.duckdb"'),
        (OSError(errno.ENOSPC, "No space left on device", "/some/folder/w.duckdb.wal"), "disk full", ": w.duckdb.wal"),
        (DatabaseTransientException(RuntimeError("warehouse is suspended")), "warehouse failing", "is suspended"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)  # fmt: skip
def test_what_each_driver_says_has_its_kind(error: Exception, kind: DatabaseKind, said: str) -> None:
    """As the drivers word it: what is permanent is told from what may pass, and no value and no path is quoted."""
    problem = explain(error)
    assert problem is not None
    assert problem.kind == kind
    assert said in problem.message
    assert "secret" not in problem.message
    assert "/some/folder" not in problem.message
    assert problem.is_transient is (kind in {"cannot connect", "connection lost", "warehouse failing"})
    if "deadlock" in said:
        assert _is_documented(problem)


@pytest.mark.parametrize(
    "error",
    [
        psycopg2.ProgrammingError('relation "stories" does not exist'),
        duckdb.CatalogException("Catalog Error: Table with name stories does not exist"),
        DatabaseTerminalException(ValueError("syntax error")),
        FileNotFoundError(errno.ENOENT, "No such file", "x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_statement_that_is_wrong_is_a_bug_of_ours(error: Exception) -> None:
    """It has no kind, and is shown with its traceback."""
    assert explain(error) is None
