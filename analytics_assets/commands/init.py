"""``make init``: looks at a vendor's API, and writes the settings that fit it, to be reviewed.

What belongs here: which API and endpoints are meant, and when a file is written. What is asked stands in
``ingest/probe``.
"""

import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence

from analytics_assets.commands.answer import be_silent
from analytics_assets.commands.ending import CommandError, end, exit_code_of
from analytics_assets.commands.here import enter_project, refuse_arguments
from analytics_assets.ingest.api.redaction import redactor_of
from analytics_assets.ingest.configured import load_settings
from analytics_assets.ingest.key import load_key
from analytics_assets.ingest.probe.config_file import ConfigFile
from analytics_assets.ingest.probe.endpoint import look_at
from analytics_assets.ingest.probe.findings import Finding, Known
from analytics_assets.ingest.probe.proposal import SECTION, WORKED_OUT, section_of
from analytics_assets.ingest.probe.questions import Questions
from analytics_assets.ingest.settings import DECLARED, Settings, is_added, no_such_endpoint

_HELP = """Look at one page of each endpoint of an API (BASE_URL=https://api.vendor.example/v3), with the key of the
environment, and write .dlt/config.toml to review. ENDPOINTS="stories=/ephemeral,comments=/comments" says what there is
and where; WRITE=1 replaces settings that are there already, and keeps the old file as config.toml.bak."""
_NEXT = """Next: read the file, above all what says "not sure". Then
  make check                      asks each endpoint whether it answers as the file says
  make estimate                   says how long a backfill takes
  make load DAY=2025-01-03        loads a day
"""
_NAME = re.compile("[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LOG = logging.getLogger("analytics_assets")


def main() -> int:
    """Look at the API, print the proposal, write it where that is meant, and return the exit code."""
    return exit_code_of("init", _run)


def _run() -> bool:
    enter_project()
    be_silent()
    base_url = os.environ.get("BASE_URL", "").strip()
    if not base_url:
        raise CommandError("no API is named: add BASE_URL=https://api.vendor.example")
    endpoints = os.environ.get("ENDPOINTS", "")
    file = ConfigFile.read()
    settings = load_settings({"base_url": base_url})
    if settings.key_location == "oauth2":
        what = "the settings say oauth2, and the API would be sent the client secret as if it was a key"
        raise CommandError(f"{what}: init is for keys alone. docs/vendors/README.md says what to set by hand")
    key = load_key(settings)
    if redactor_of(key).is_in(endpoints.encode()):
        raise CommandError("ENDPOINTS has the API key in it: the paths are written to a file, so leave the key out")
    named = endpoints_named(endpoints)
    findings = _look(settings, key, named)
    kept = {name: value for name, value in file.settings.items() if name not in WORKED_OUT}
    section = section_of(settings.base_url, findings, kept, named)
    if redactor_of(key).is_in(section.encode()):
        raise CommandError("the API repeats the key in the names of fields or parameters, so nothing is written")
    sys.stdout.write(f"\n{section}\n")
    if not any(finding.settings for finding in findings):
        raise CommandError(f"no endpoint answered with rows: {findings[0].problem}. {_advice(named)}")
    _write(file, section)
    sys.stdout.write(_NEXT)
    return True


def endpoints_named(text: str) -> dict[str, str]:
    """Read ``name=path,name=path``; raises ``CommandError`` where a name or a path can be none."""
    named = {}
    for one in filter(None, (part.strip() for part in text.split(","))):
        name, _, path = (part.strip() for part in one.partition("="))
        if not path.startswith("/"):
            raise CommandError(f'ENDPOINTS has {one!r}: write it as in ENDPOINTS="stories=/stories,comments=/comments"')
        if not _NAME.fullmatch(name):
            raise CommandError(f"ENDPOINTS has {one!r}: a name is lower case letters, digits and single underscores")
        if name not in DECLARED and not is_added(name, path):
            raise CommandError(no_such_endpoint(name))
        named[name] = path
    return named


def _look(settings: Settings, key: str, named: Mapping[str, str]) -> list[Finding]:
    known = Known()
    findings = []
    for name in named or DECLARED:
        finding = look_at(name, named.get(name), Questions(settings, key, _LOG), known)
        findings.append(finding)
        what = f"rows came from {finding.path}" if finding.settings else finding.problem
        count = "1 request" if finding.requests == 1 else f"{finding.requests} requests"
        sys.stdout.write(f"{name}: {what} ({count})\n")
        sys.stdout.flush()
    return findings


def _write(file: ConfigFile, section: str) -> None:
    text = file.with_section(section)
    if not file.is_as_delivered and not os.environ.get("WRITE"):
        what = f"{file.path} has settings of its own under [{SECTION}], so it was left as it is"
        sys.stdout.write(f"{what}. WRITE=1 replaces them, and keeps the old file beside it.\n\n")
        return
    kept = file.write(text)
    sys.stdout.write(f"Written to {file.path}{f'; the old file is {kept}' if kept else ''}.\n\n")
    over = sorted(name for name in os.environ if name.startswith(f"{SECTION.upper()}__"))
    if over:
        sys.stdout.write(f"The environment goes before the file, and has {', '.join(over)}.\n\n")


def _advice(named: Sequence[str] | Mapping[str, str]) -> str:
    if named:
        return "Check BASE_URL, the paths in ENDPOINTS and API_KEY"
    return 'Check BASE_URL and API_KEY, or say where they are: ENDPOINTS="stories=/v3/stories"'


if __name__ == "__main__":
    refuse_arguments("make init", _HELP)
    end(main())
