"""Runs that a command has started, on the timeline that Dagster's UI opens with.

The timeline, the list of a job's runs and *Re-execute* know a run by its remote origin: the code location and the job
in it. Dagster 1.13.1 sets that only where a code server has launched the run, and neither an argument nor a tag does it
for ``execute_in_process``, ``dagster asset materialize``, ``dagster job execute`` and ``dg launch``.
"""

import json
from typing import Any

import dagster as dg

_LOCATION = "analytics_assets.definitions"
"""What ``workspace.yaml`` and ``make dev`` load, by the name that Dagster gives it."""


def put_on_timeline(run: dg.DagsterRun, instance: dg.DagsterInstance) -> None:
    """Give a run the origin that it would have had from the UI; one that has an origin stays as it is."""
    stored = instance.get_run_by_id(run.run_id)
    if stored is None or stored.remote_job_origin:
        return
    location = _location_of(run)
    # added first: what gives the run its origin writes the tag beside it only where it is there already
    instance.add_run_tags(run.run_id, {".dagster/repository": f"__repository__@{location}"})
    tagged = instance.get_run_by_id(run.run_id) or stored
    # the class is private to Dagster, but not what its database has of one
    origin: Any = dg.deserialize_value(_origin_in_json(run.job_name, location))
    # as `dagster run migrate-repository` does it
    instance.run_storage.replace_job_origin(tagged, origin)


def _location_of(run: dg.DagsterRun) -> str:
    """Return the module that the command was told, which need not be ours, or ours where none is known."""
    origin = run.job_code_origin
    module = getattr(origin.repository_origin.code_pointer, "module", None) if origin else None
    return module if isinstance(module, str) else _LOCATION


def _origin_in_json(job_name: str, location: str) -> str:
    """Return the origin of a job as Dagster's database has it."""
    target = {"__class__": "LoadableTargetOrigin", "module_name": location}
    code_location = {
        "__class__": "ManagedGrpcPythonEnvRepositoryLocationOrigin",
        "loadable_target_origin": target,
        "location_name": location,
    }
    repository = {
        "__class__": "ExternalRepositoryOrigin",
        "repository_location_origin": code_location,
        "repository_name": "__repository__",
    }
    origin = {
        "__class__": "ExternalPipelineOrigin",
        "external_repository_origin": repository,
        "pipeline_name": job_name,
    }
    return json.dumps(origin)
