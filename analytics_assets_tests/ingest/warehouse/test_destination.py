"""Which destination the config names, and what a load has of it."""

import dagster as dg
import pytest

from analytics_assets.build import build_definitions
from analytics_assets.ingest.configured import SettingError, load_settings
from analytics_assets.ingest.warehouse.destination import (
    HAS_LOCK,
    check_destination,
    destination_kind,
    open_destination,
)
from analytics_assets_tests.project import Project, message_of, reload_settings, stories

TYPE = "DESTINATION__WAREHOUSE__DESTINATION_TYPE"
CREDENTIALS = "DESTINATION__WAREHOUSE__CREDENTIALS"
NEEDED = {
    "duckdb": {},
    "postgres": {CREDENTIALS: "postgresql://user:unused@127.0.0.1/test"},
    "filesystem": {"DESTINATION__WAREHOUSE__BUCKET_URL": "data"},
}


def _configure(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    """Name a destination, with what dlt needs to know of it."""
    monkeypatch.setenv(TYPE, named)
    for variable, value in NEEDED[named.rpartition(".")[2]].items():
        monkeypatch.setenv(variable, value)


@pytest.mark.parametrize(
    ("named", "kind"),
    [
        ("duckdb", "duckdb"),
        ("postgres", "postgres"),
        ("dlt.destinations.postgres", "postgres"),
        ("dlt.destinations.duckdb", "duckdb"),
        ("filesystem", "filesystem"),
    ],
)
def test_a_destination_is_named_by_its_kind_or_in_full(monkeypatch: pytest.MonkeyPatch, named: str, kind: str) -> None:
    """Dlt takes both, and what depends on the kind must not depend on how it is written."""
    _configure(monkeypatch, named)
    assert destination_kind() == kind
    destination, _ = open_destination()
    assert destination.destination_type == f"dlt.destinations.{kind}"
    can = destination.capabilities()
    assert can.supports_transactions
    # what we tell the kinds that have a lock, and no other
    assert (can.loader_parallelism_strategy == "table-sequential") is (kind in HAS_LOCK)


def test_nothing_named_is_duckdb(project: Project) -> None:
    """A config without a destination loads into a file beside it."""
    (project.path / ".dlt" / "config.toml").write_text("")
    reload_settings()
    assert destination_kind() == "duckdb"
    assert open_destination()[0].destination_type == "dlt.destinations.duckdb"


@pytest.mark.parametrize(
    ("named", "staged_in"),
    [
        ("duckdb", "analytics_staging"),
        ("postgres", "analytics_staging_stories"),
        ("dlt.destinations.postgres", "analytics_staging_stories"),
    ],
)
def test_runs_that_follow_each_other_share_their_staging(
    monkeypatch: pytest.MonkeyPatch, named: str, staged_in: str
) -> None:
    """Where a lock keeps runs apart, the next one finds and drops what a killed one has left."""
    _configure(monkeypatch, named)
    assert {staging for _, staging in (open_destination("stories") for _ in range(2))} == {staged_in}
    # PostgreSQL would cut longer ones, and two endpoints would stage in one schema
    names = {open_destination(f"{'x' * 60}{number}")[1] for number in range(2)}
    assert len(names) == (1 if named == "duckdb" else 2)
    assert max(map(len, names)) <= 63


def test_without_a_lock_each_run_has_staging_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs at once would merge each other's rows; dlt is told the name that the load looks into."""
    _configure(monkeypatch, "filesystem")
    opened = [open_destination() for _ in range(2)]
    names = {staging for _, staging in opened}
    assert len(names) == 2
    for destination, staging in opened:
        assert staging.startswith("analytics_staging_")
        assert destination.config_params["staging_dataset_name_layout"] == staging


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("snowflak", "dlt has no such destination. Did you mean snowflake?"),
        ("postgresql", "dlt has no such destination. Did you mean postgres?"),
        ("oracle", "dlt has no such destination. It has athena, bigquery, "),
        ("our.own.module", "dlt has no such destination. It has athena, bigquery, "),
        ("snowflake", "its driver is not installed (No module named 'snowflake'). Install it: pip install 'dlt[sn"),
    ],
)
def test_a_destination_that_cannot_be_is_refused_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, named: str, why: str
) -> None:
    """The definitions do not load, so no step is tried again and again; the message is one sentence or two."""
    monkeypatch.setenv(TYPE, named)
    for read in (build_definitions, open_destination):
        with pytest.raises(SettingError) as caught:
            read()
        assert str(caught.value).startswith(f"destination.warehouse.destination_type = {named!r}: {why}")
        assert "\n" not in str(caught.value)


def test_an_address_in_the_place_of_the_type_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have a password in it."""
    monkeypatch.setenv(TYPE, "postgresql://me:secret-of-ours@db.example/test")  # pragma: allowlist secret
    with pytest.raises(SettingError, match=r"destination_type = …: dlt has no such destination\.") as caught:
        check_destination()
    assert "secret-of-ours" not in str(caught.value)


WHOLE = "DESTINATION__WAREHOUSE__CREDENTIALS=postgresql://user:password@host:5432/database"
LACKING = {
    "postgresql://me@db.example:5432/test": (
        "(postgres) lacks credentials.password. Set DESTINATION__WAREHOUSE__CREDENTIALS__PASSWORD, or "
        f"{WHOLE}. dlt wants a password even where the server asks for none: any will do."
    ),
    "postgresql://me:secret-of-ours@db.example:5432": (  # pragma: allowlist secret
        f"(postgres) lacks credentials.database. Set DESTINATION__WAREHOUSE__CREDENTIALS__DATABASE, or {WHOLE}."
    ),
    "secret-of-ours": f"cannot be read as those of postgres. Set {WHOLE}.",
    "postgresql://me:an@secret-of-ours@127.0.0.1:9/test": (  # pragma: allowlist secret
        "the host in the credentials of destination.warehouse has an @ in it: an @ in user or password is written %40"
    ),
    None: (
        "(postgres) lacks credentials.database, credentials.password, credentials.username, credentials.host. "
        f"Set {WHOLE}."
    ),
}


@pytest.mark.parametrize("address", LACKING)
def test_missing_credentials_are_told_with_how_to_give_them(
    project: Project, monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    """The definitions load without any; a run fails at once, is not tried again, and its message quotes none."""
    monkeypatch.setenv(TYPE, "postgres")
    if address:
        monkeypatch.setenv(CREDENTIALS, address)
    project.serve(rows={"stories": []})
    result = project.materialize(retry_policy=dg.RetryPolicy(max_retries=2, delay=0))
    message = message_of(result)
    assert message.startswith("stories: ")
    assert message.endswith(LACKING[address])
    project.assert_nowhere(["secret-of-ours"], message)
    assert not [event for event in result.all_events if event.is_step_up_for_retry]


def test_what_another_destination_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only credentials can be missing."""
    monkeypatch.setenv(TYPE, "filesystem")
    with pytest.raises(SettingError) as caught:
        open_destination()
    assert str(caught.value) == (
        "destination.warehouse (filesystem) lacks bucket_url. Set DESTINATION__WAREHOUSE__BUCKET_URL in the "
        "environment, or the same in .dlt/secrets.toml."
    )


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("DESTINATION_WAREHOUSE_CREDENTIALS", "CREDENTIALS"),
        ("DESTINATION__WAREHOUSE_CREDENTIALS", "CREDENTIALS"),
        ("DESTINATIONS__WAREHOUSE__CREDENTIALS", "CREDENTIALS"),
        ("DESTINATION__WARHOUSE__DESTINATION_TYPE", "DESTINATION_TYPE"),
        ("DESTINATION__WAREHOUSE__TYPE", "DESTINATION_TYPE"),
        ("DESTINATION__WAREHOUSE__CREDENTIAL", "CREDENTIALS"),
        ("DESTINATION__WAREHOUSE__PASSWORD", "CREDENTIALS__PASSWORD"),
        ("DESTINATION__WAREHOUSE__CREDENTIALS__PASWORD", "CREDENTIALS__PASSWORD"),
        ("DESTINATION__WAREHOUSE__CREDENTIALS__USER", "CREDENTIALS__USERNAME"),
    ],
)
def test_a_misspelt_name_of_the_warehouse_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, variable: str, meant: str
) -> None:
    """Dlt passes it over, and the rows would go somewhere else; the definitions load, with a warning."""
    monkeypatch.setenv(variable, "secret-of-ours")
    build_definitions()
    assert [record.message for record in caplog.records] == [
        f"Not a setting: the environment variable {variable}. Did you mean DESTINATION__WAREHOUSE__{meant}?"
    ]


@pytest.mark.parametrize(
    "variable",
    [
        "DESTINATION__WAREHOUSE__DATASET_NAME",
        "DESTINATION__WAREHOUSE__CREDENTIALS__DATABASE",
        "DESTINATION__WAREHOUSE__CREDENTIALS__QUERY__SSLMODE",
        "DESTINATION__WAREHOUSE2__CREDENTIALS",
        "DESTINATION__DUCKDB__CREDENTIALS",
        "DESTINATION__CREDENTIALS",
    ],
)
def test_what_dlt_reads_is_not_warned_of(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Nor what is another destination's."""
    monkeypatch.setenv(variable, "5")
    assert check_destination() == []


def test_a_second_duckdb_file_is_warned_of(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the settings of another folder alone, the file would be another one; where it is named, all is said."""
    (project.path / "elsewhere").mkdir()
    monkeypatch.chdir(project.path / "elsewhere")
    monkeypatch.setenv("DLT_PROJECT_DIR", str(project.path))
    (said,) = check_destination()
    assert said == (
        f"Rows go into a file in {project.path / 'elsewhere'}, and not in {project.path}, where the settings are. "
        "Is DLT_LOCAL_DIR missing?"
    )
    monkeypatch.setenv("DLT_LOCAL_DIR", str(project.path))
    assert check_destination() == []
    monkeypatch.delenv("DLT_LOCAL_DIR")
    monkeypatch.setenv(CREDENTIALS, str(project.path / "warehouse.duckdb"))
    assert check_destination() == []


def test_from_another_folder_it_finds_what_it_is_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the two variables of the message, settings and DuckDB file are the project's."""
    project.serve(rows={"stories": stories(3)})
    project.write("config.toml", "\n[analytics_api.endpoints.user_insights]\npath = '/x'\n")
    (project.path / "elsewhere").mkdir()
    monkeypatch.chdir(project.path / "elsewhere")
    monkeypatch.setenv("DLT_PROJECT_DIR", str(project.path))
    monkeypatch.setenv("DLT_LOCAL_DIR", str(project.path))
    reload_settings()
    assert load_settings().endpoints["user_insights"].path == "/x"
    project.load()
    assert project.ids() == ["s000", "s001", "s002"]
