"""The assembly: loads without a key, a network or a file, and has in it what it should."""

import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

import analytics_assets
from analytics_assets.assets import STEP_RETRIES
from analytics_assets.build import build_definitions
from analytics_assets.ingest.configured import SettingError
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.resources import AnalyticsApi
from analytics_assets_tests.project import DAY, NO_RETRIES, Project, asked, stories

PACKAGE = Path(analytics_assets.__file__).parent
OFFLINE = """
import socket, sys

def refuse(*args, **kwargs):
    raise OSError("this process has no network")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
from analytics_assets.definitions import defs
print(sorted(key.to_user_string() for key in defs.resolve_all_asset_keys()))
assert not {"altair", "vl_convert"} & sys.modules.keys(), "what draws the report takes a second to import"
import gc
assert gc.isenabled() and gc.get_freeze_count() == 0, "whoever imports this has its garbage collector changed"
"""


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_definitions_load_without_key_network_or_files(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing the definitions needs no key, opens no connection, writes nothing, and leaves the process as it was."""
    monkeypatch.delenv("API_KEY")
    monkeypatch.setenv("HOME", str(project.path))
    before = _files(project.path)
    done = subprocess.run([sys.executable, "-c", OFFLINE], capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(sorted(["insights_report", *(endpoint.name for endpoint in ENDPOINTS)]))
    assert _files(project.path) == before


def test_an_installed_package_says_that_it_has_no_settings(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Away from the repository there is no folder of settings to be missed, so it loads, and says what it goes by."""
    shutil.copytree(PACKAGE, project.path / "site" / "analytics_assets")
    folder = project.path / "elsewhere"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(project.path / "site"))
    monkeypatch.setenv("HOME", str(folder))
    command = [sys.executable, "-c", "import analytics_assets.definitions as d; print(d.__file__)"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=150, check=False)
    assert done.stdout.startswith(str(project.path / "site"))
    assert done.stderr == (
        f"No settings in {folder / '.dlt'}: they are the defaults, but for what the environment says.\n"
    )


def test_definitions_validate(project: Project) -> None:
    """`dagster definitions validate` passes without a key."""
    done = project.dagster("definitions", "validate", "-m", "analytics_assets.definitions", API_KEY=None)
    assert done.returncode == 0, done.stderr
    assert "Validation successful" in done.stdout + done.stderr


def test_all_assets_share_their_partitions_and_policies() -> None:
    """One calendar, ranges in a single run, and the step retry policy, for all."""
    definitions = build_definitions()
    assets = [definitions.resolve_assets_def(endpoint.name) for endpoint in ENDPOINTS]
    assert len({asset.partitions_def for asset in assets}) == 1
    assert {asset.backfill_policy for asset in assets} == {dg.BackfillPolicy.single_run()}
    assert {asset.op.retry_policy for asset in assets} == {STEP_RETRIES}


def test_workers_share_a_backfill(project: Project) -> None:
    """With ``backfill_days`` the loads are cut into runs of so many days; the report is of no day."""
    project.configure(backfill_days=14)
    assets = [one for one in build_definitions().assets or [] if isinstance(one, dg.AssetsDefinition)]
    found = {one.backfill_policy for one in assets if one.partitions_def}
    assert found == {dg.BackfillPolicy.multi_run(14)}


def test_partitions_begin_and_end_as_configured(project: Project) -> None:
    """The first partition is `start_date`, the days are those of `timezone`, and today is one of them."""
    project.configure(start_date="2025-02-01", timezone="America/New_York")
    partitions = build_definitions().resolve_assets_def("stories").partitions_def
    assert isinstance(partitions, dg.DailyPartitionsDefinition)
    assert partitions.timezone == "America/New_York"
    assert partitions.get_first_partition_key() == "2025-02-01"
    window = partitions.time_window_for_partition_key("2025-02-01")
    assert (window.start.isoformat(), window.end.isoformat()) == (
        "2025-02-01T00:00:00-05:00",
        "2025-02-02T00:00:00-05:00",
    )
    today = dg.DailyPartitionsDefinition("2025-02-01", timezone="America/New_York", end_offset=1)
    assert partitions.get_last_partition_key() == today.get_last_partition_key()


def test_a_wrong_setting_stops_the_definitions(project: Project) -> None:
    """A code location with a wrong setting does not load; the reason is the message."""
    project.configure(timezone="Mars/Olympus")
    with pytest.raises(SettingError, match=r"Mars/Olympus.*IANA"):
        build_definitions()


def test_resources_can_be_replaced(project: Project) -> None:
    """Tests and deployments put another API in; what it is not given still comes from the settings."""
    sandbox = project.serve(rows={"stories": stories(3)})
    definitions = build_definitions({"analytics_api": AnalyticsApi(page_size=2)}, retry_policy=NO_RETRIES)
    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        partition_key=DAY, asset_selection=[dg.AssetKey("stories")], instance=project.instance()
    )
    assert result.success
    assert [params["limit"] for _, params in asked(sandbox)] == ["2", "2"]


def test_the_resource_can_be_set_in_run_config(project: Project) -> None:
    """Page size, retries, backoff, timeout and address can be changed for one run, in the launchpad."""
    sandbox = project.serve(rows={"stories": stories(3)})
    url = project.configured("base_url")
    project.configure(base_url="https://api.example.com")
    result = (
        build_definitions(retry_policy=NO_RETRIES)
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            partition_key=DAY,
            asset_selection=[dg.AssetKey("stories")],
            run_config={"resources": {"analytics_api": {"config": {"base_url": url, "page_size": 1}}}},
            instance=project.instance(),
        )
    )
    assert result.success
    assert len(sandbox.requests) == 3


def test_every_field_of_the_resource_is_described_and_none_is_the_key() -> None:
    """Run config is stored in clear, so the key is no field of it."""
    fields = AnalyticsApi.model_fields
    assert all(field.description for field in fields.values())
    assert not [name for name in fields if "key" in name]
