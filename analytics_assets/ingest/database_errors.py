"""What a database says when it refuses, as one of a few kinds and one sentence without rows or paths of this machine.

What belongs here: the drivers' exceptions, told apart by their type, their SQLSTATE and, where a driver gives none
(libpq while it connects, DuckDB), by their text. How a problem is told to a person is ``errors.py``.
"""

import errno
import re
from collections.abc import Mapping
from importlib import metadata
from typing import Literal

from dlt.destinations.exceptions import DatabaseTransientException

DatabaseKind = Literal[
    "cannot connect",
    "cannot open",
    "login refused",
    "no permission",
    "disk full",
    "value refused",
    "connection lost",
    "warehouse failing",
]

ADVICE: Mapping[str, str] = {
    "cannot connect": "Check that the database runs, and the host and port in DESTINATION__WAREHOUSE__CREDENTIALS.",
    "cannot open": "Check the file that DESTINATION__WAREHOUSE__CREDENTIALS names, or warehouse.duckdb without it.",
    "login refused": "Check user, password and database in DESTINATION__WAREHOUSE__CREDENTIALS.",
    "no permission": "The user needs the right to create schemas and tables, and to write to those that are there.",
    "disk full": "Make room on the disk of the warehouse, and on that of the temporary folder; then run it again.",
    "value refused": "The table has a constraint that the load does not know of: take it away, or mend the rows.",
    "connection lost": "Run it again: what has arrived stays, and nothing is loaded twice.",
    "warehouse failing": "Run it again when less is going on there: nothing is loaded twice.",
}

_NAMES = {"psycopg2": "PostgreSQL", "adbc_driver_manager": "PostgreSQL", "duckdb": "DuckDB", "_duckdb": "DuckDB"}
# https://www.postgresql.org/docs/current/errcodes-appendix.html: whole codes first, then the classes
_SQLSTATES: dict[str, DatabaseKind] = {
    "42501": "no permission",
    "25006": "no permission",
    "53100": "disk full",
    "53300": "cannot connect",
    "57P03": "cannot connect",
    "3D000": "login refused",
    "28": "login refused",
    "08": "connection lost",
    "57P": "connection lost",
    "22": "value refused",
    "23": "value refused",
    "40": "warehouse failing",
    "53": "warehouse failing",
    "55": "warehouse failing",
    "57": "warehouse failing",
    "58": "warehouse failing",
}
_ERRNOS: dict[int, DatabaseKind] = {
    errno.ENOSPC: "disk full",
    errno.EDQUOT: "disk full",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.EROFS: "no permission",
}
# of drivers that give no code: libpq while it connects, DuckDB
_TEXTS: tuple[tuple[re.Pattern[str], DatabaseKind], ...] = (
    (re.compile(r"No space left|disk quota|max_temp_directory_size", re.IGNORECASE), "disk full"),
    (re.compile(r"closed the connection|terminating connection|connection (already|is) closed|SSL SYSCALL"),
     "connection lost"),
    (re.compile(r"password|authentication|pg_hba|(role|database) .* does not exist", re.IGNORECASE), "login refused"),
    (re.compile(r"Permission denied|read-only|not permitted", re.IGNORECASE), "no permission"),
    (re.compile(r"connection to server|could not (connect|translate)|Connection refused|timeout expired|starting up"),
     "cannot connect"),
    (re.compile(r"not a valid DuckDB|storage version|version number|Corrupt database|Cannot open|Is a directory"),
     "cannot open"),
    (re.compile(r"^(Constraint|Conversion|Out of Range|Invalid Input|Mismatch Type) Error"), "value refused"),
)  # fmt: skip
# of the store of a lake: Amazon's library, and that of Delta, whose errors quote the request and the answer to it
_STORE_TEXTS: tuple[tuple[re.Pattern[str], DatabaseKind], ...] = (
    (re.compile(r"NoSuchBucket|bucket does not exist"), "cannot open"),
    (re.compile(r"SignatureDoesNotMatch|InvalidAccessKeyId|Forbidden|privileges|credentials", re.IGNORECASE),
     "login refused"),
    (re.compile(r"[Cc]onnect|error sending request|timed? ?out|[Dd]ns"), "cannot connect"),
    (re.compile(r"Commit failed|SlowDown|InternalError|50\d "), "warehouse failing"),
)  # fmt: skip
_STORE_SAYS = re.compile(r"<Message>([^<]{1,200})</Message>")
_TERMINAL_CODE = re.compile(r"\x1b\[\d+m")
_OTHER_VERSION = re.compile(r"Trying to read a database file with")
_PATH = re.compile(r"(?<![\w:/])/(?:[^\s\"'/:]+/)+([^\s\"'/:]+)")
# values that a message quotes, which may have quotes in them: all but the names of tables, columns and constraints
_VALUES = re.compile(
    r": \".*\"|\".*\"(?= is out of range)|(?<=string )'.*'|(?<=with value )\S+|(?<=value )'.*'|(?<=key )\".*\""
)


def told(error: BaseException) -> tuple[DatabaseKind, str] | None:
    """Return the kind of a driver's exception and what the database says; ``None`` where it is a bug of ours, or none.

    The sentence has no row, no value and no path of this machine: it goes into the ledger.
    """
    driver = type(error).__module__.partition(".")[0]
    if driver in _NAMES:
        kind = _kind_of(error)
        return (kind, f"{_NAMES[driver]} says: {_sentence(error)}{_versions(error)}") if kind else None
    if driver in {"botocore", "aiobotocore", "_internal"} or (isinstance(error, OSError) and error.errno is None):
        return _told_by_store(error)
    if isinstance(error, OSError) and error.errno in _ERRNOS:
        return _ERRNOS[error.errno], f"{error.strerror}: {str(error.filename or 'the file').rpartition('/')[2]}"
    return None


def _told_by_store(error: BaseException) -> tuple[DatabaseKind, str] | None:
    text = _TERMINAL_CODE.sub("", str(error))
    kind = next((kind for pattern, kind in _STORE_TEXTS if pattern.search(text)), None)
    if isinstance(error, PermissionError):
        # how s3fs raises each refusal
        kind = "login refused"
    if kind is None:
        return None
    quoted = _STORE_SAYS.search(text)
    said = _PATH.sub(r"\1", quoted[1] if quoted else text.strip().partition("\n")[0])
    return kind, f"the store of the lake says: {said.strip().rstrip('.!')}"


def told_by_dlt(error: BaseException) -> tuple[DatabaseKind, str] | None:
    """Return the same of dlt's exception for what may pass, of a driver that is not known here."""
    if isinstance(error, DatabaseTransientException):
        return "warehouse failing", f"the warehouse says: {_sentence(error)}"
    return None


def _kind_of(error: BaseException) -> DatabaseKind | None:
    state = str(getattr(error, "pgcode", None) or getattr(error, "sqlstate", None) or "")
    for length in (5, 3, 2):
        if state[:length] in _SQLSTATES:
            return _SQLSTATES[state[:length]]
    return next((kind for text, kind in _TEXTS if text.search(str(error))), None)


def _versions(error: BaseException) -> str:
    """Return what is to be done with a DuckDB file whose version the installed library does not read."""
    if not _OTHER_VERSION.search(str(error)):
        return ""
    return (
        f"; this is DuckDB {metadata.version('duckdb')}, so load into another file, or install the one that wrote this"
    )


def _sentence(error: BaseException) -> str:
    """Return the first line of a message: the ones behind it quote rows and statements."""
    line = str(error).strip().partition("\n")[0].strip()
    return _VALUES.sub("…", _PATH.sub(r"\1", line)).rstrip(".!")
