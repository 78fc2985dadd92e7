"""The dlt destination that ``[destination.warehouse]`` names, with what a load of this project needs of it."""

import re
import uuid
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import dlt
import dlt.destinations
from dlt.common.configuration.exceptions import ConfigFieldMissingException, InvalidNativeValue
from dlt.common.destination import AnyDestination, Destination
from dlt.common.destination.exceptions import UnknownDestinationModule
from dlt.common.destination.reference import DestinationReference
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.runtime import run_context
from dlt.common.typing import TLoaderFileFormat

from analytics_assets.ingest.configured import SettingError, misplaced_settings
from analytics_assets.ingest.departures import destination_arguments, resolve_once
from analytics_assets.ingest.misspelt import alike, did_you_mean, given_names, misplaced_names
from analytics_assets.ingest.warehouse.lake import LAKE, as_lake

DESTINATION = "warehouse"
DATASET = "analytics"
# what dlt calls the source, and the schema that it keeps of the tables
SCHEMA = "analytics_api"
# dlt copies it into PostgreSQL in binary form; by CSV, which it takes otherwise, '' would become null
FILE_FORMAT: TLoaderFileFormat = "parquet"

HAS_LOCK = frozenset({"duckdb", "postgres"})
"""The kinds of warehouse whose endpoints have one writer at a time, by locks that are released when a process ends."""


_SECTION = ("destination", DESTINATION)
_NO_WAREHOUSES = {"destination", "dummy"}
_GIVEN_BY_PIPELINE = {"dataset_name", "local_dir"}
_WHOLE_ADDRESS = "DESTINATION__WAREHOUSE__CREDENTIALS=postgresql://user:password@host:5432/database"


def destination_kind() -> str:
    """Return the destination's type as the config names it, such as ``duckdb`` or ``postgres``."""
    return _destination_type().rpartition(".")[2]


def check_destination() -> list[str]:
    """Raise ``SettingError`` where dlt has no such destination, or its driver is not installed.

    No connection is opened, and no credentials are read. Returns what to warn of: names that were probably meant for
    the destination and that dlt does not read, and a DuckDB file that is not where the project is.
    """
    sentences = misplaced_names(_SECTION, _known_names(_factory()))
    return [*sentences, *_second_file()] if destination_kind() == "duckdb" else sentences


def settings_to_doubt() -> list[str]:
    """Return a sentence for each name that was probably meant as a setting, of the API or of the destination.

    Raises ``SettingError`` as ``check_destination`` does.
    """
    return [*misplaced_settings(), *check_destination()]


def open_destination(endpoint: str = "") -> tuple[AnyDestination, str]:
    """Return the destination, and the dataset that an endpoint's rows are staged in before they are merged.

    Raises ``SettingError`` where it cannot be had as it is configured, without credentials for example.
    """
    _factory()
    staging = f"{DATASET}_staging"
    arguments: dict[str, Any] = {}
    if destination_kind() in HAS_LOCK:
        arguments = destination_arguments()
        if destination_kind() == "postgres" and endpoint:
            # each endpoint has a writer
            staging = postgres_name(f"{staging}_{endpoint}")
    else:
        # No lock keeps two runs apart, and in one staging dataset dlt would merge one run's rows as the other's.
        staging += f"_{uuid.uuid4().hex[:8]}"
    # not `dlt.destination`, which keeps `loader_parallelism_strategy` to itself
    destination = Destination.from_reference(
        _destination_type(), destination_name=DESTINATION, staging_dataset_name_layout=staging, **arguments
    )
    if destination is None:
        raise AssertionError(DESTINATION)
    _require_credentials(destination)
    if destination_kind() == LAKE:
        _refuse_patterns(destination)
    opened = resolve_once(destination)
    return as_lake(opened) if destination_kind() == LAKE else opened, staging


def postgres_name(name: str) -> str:
    """Return a name that PostgreSQL takes whole: it cuts those of more than 63 bytes, and two would be one."""
    return NamingConvention.shorten_identifier(name, name, 63)


def open_duckdb_file(path: Path) -> tuple[AnyDestination, str]:
    """Return the destination that is a DuckDB file, whatever the config names, and its staging dataset."""
    staging = f"{DATASET}_staging"
    destination: Any = dlt.destinations.duckdb(
        str(path.resolve()), destination_name=f"{DESTINATION}_file", staging_dataset_name_layout=staging
    )
    return resolve_once(destination), staging


def _destination_type() -> str:
    return str(dlt.config.get(f"{'.'.join(_SECTION)}.destination_type", str) or "duckdb")


def _factory() -> AnyDestination:
    named = _destination_type()
    # an address that strayed here may have a password in it
    shown = repr(named) if re.fullmatch(r"[\w.]+", named) else "…"
    is_wrong = f"{'.'.join(_SECTION)}.destination_type = {shown}"
    try:
        factory = DestinationReference.ensure_factory(DestinationReference.find(named))()
    except UnknownDestinationModule:
        known = sorted({*dlt.destinations.__all__} - _NO_WAREHOUSES)
        meant = did_you_mean(alike(named, known)) or f" It has {', '.join(known)}."
        raise SettingError(f"{is_wrong}: dlt has no such destination.{meant}") from None
    try:
        _ = factory.client_class
    except ImportError as error:
        install = f"pip install 'dlt[{destination_kind()}]'"
        raise SettingError(f"{is_wrong}: its driver is not installed ({error}). Install it: {install}") from None
    if destination_kind() == LAKE and find_spec("deltalake") is None:
        install = "pip install 'analytics-assets[lake]'"
        raise SettingError(
            f"{is_wrong}: its tables are Delta tables, and deltalake is not installed. Install it: {install}"
        )
    return factory


def _second_file() -> Iterator[str]:
    """Say that rows go into a file of the working directory, where the project that is meant is in another one."""
    context = run_context.active()
    project, local = Path(context.run_dir).resolve(), Path(context.local_dir).resolve()
    if project != local and not any(given.below(_SECTION)[:1] == ("credentials",) for given in given_names()):
        yield f"Rows go into a file in {local}, and not in {project}, where the settings are. Is DLT_LOCAL_DIR missing?"


def _require_credentials(destination: AnyDestination) -> None:
    """Raise ``SettingError`` naming what the destination lacks, and how to give it; never what it has."""
    kind, names = destination_kind(), []
    given: object = None
    try:
        given = destination.configuration(destination.spec())
    except InvalidNativeValue:
        names = ["credentials"]
        what = f"the credentials of {'.'.join(_SECTION)} cannot be read as those of {kind}"
    except ConfigFieldMissingException as error:
        given = error.config
        names = [name for name in _missing(error.traces) if name not in _GIVEN_BY_PIPELINE]
        what = f"{'.'.join(_SECTION)} ({kind}) lacks {', '.join(names)}"
    if not names:
        _refuse_password_in_host(given)
        return
    variables = ", ".join("__".join((*_SECTION, *name.split("."))).upper() for name in names)
    how = f"Set {variables} in the environment, or the same in .dlt/secrets.toml."
    if kind == "postgres":
        how = f"Set {f'{variables}, or ' if names[0] != 'credentials' and len(names) == 1 else ''}{_WHOLE_ADDRESS}."
    if names == ["credentials.password"]:
        how += " dlt wants a password even where the server asks for none: any will do."
    raise SettingError(f"{what}. {how}")


def _refuse_password_in_host(config: object) -> None:
    """Raise ``SettingError`` where a driver would name the end of a password as the host that it does not find."""
    if "@" in (getattr(getattr(config, "credentials", None), "host", None) or ""):
        encoded = "an @ in user or password is written %40"
        raise SettingError(f"the host in the credentials of {'.'.join(_SECTION)} has an @ in it: {encoded}")


def _refuse_patterns(destination: AnyDestination) -> None:
    """Raise ``SettingError`` for an address that would be read as a pattern, or is written in two ways."""
    config: Any = destination.configuration(destination.spec(), accept_partial=True)
    place = str(config.bucket_url)
    # dlt has made an address of a folder, in which a space stands in another way; in a bucket's it would have to
    place = unquote(place) if place.startswith("file:") else place.replace(" ", "␠")
    if found := sorted({*"*?[]{}%'\"␠"} & {*place}):
        what = f"{'.'.join(_SECTION)}.bucket_url has {' '.join(found)} in it, and a lake's files are found by patterns"
        raise SettingError(f"{what}. Name a folder without")


def _missing(traces: Mapping[str, Any], *path: str) -> Iterator[str]:
    """Yield the names that dlt looked for and did not find: ``credentials.password``."""
    for name, looked_up in traces.items():
        inner = [one.traces for one in looked_up if hasattr(one, "traces")]
        if inner:
            yield from _missing(inner[0], *path, name)
        else:
            yield ".".join((*path, name))


def _known_names(factory: AnyDestination) -> list[str]:
    """Return the names that dlt reads for a destination: ``create_indexes``, ``credentials.password``."""
    credentials = factory.spec.credentials_type()
    inner = credentials.get_resolvable_fields() if credentials else ()
    return [*factory.spec.get_resolvable_fields(), *(f"credentials.{name}" for name in inner)]
