"""Every text that a run has left in a folder, whatever kind of file it stands in."""

import base64
import gzip
import html
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus

import duckdb
import pyarrow.parquet as pq

from analytics_assets_tests.project import KEY, KEY_FORMS

_ENCODED = {KEY, quote(KEY, safe=""), quote(KEY), quote_plus(KEY)}
FORMS = {
    *KEY_FORMS,
    *_ENCODED,
    *(form.lower() for form in _ENCODED),
    json.dumps(KEY)[1:-1],
    KEY.replace("/", "\\/"),
    KEY.replace("&", "\\u0026"),
    html.escape(KEY),
    *(re.sub(which, lambda one: f"\\u{ord(one[0]):04x}", KEY) for which in ("=", "[=&]", r"\W", ".")),
    *(re.sub(which, lambda one: f"&#{ord(one[0])};", KEY) for which in (r"\W", ".")),
    quote(quote(KEY, safe=""), safe=""),
    base64.b64encode(KEY.encode()).decode().rstrip("="),
}


def with_key(folder: Path, console: str) -> list[str]:
    """Return where the key stands in what was printed and in the folder's files, with the text around it."""
    found = []
    for place, text in [("console", console), *_texts(folder)]:
        found += [f"{place}: …{text[max(0, at - 200) : at + 60]}…" for form in FORMS if (at := text.find(form)) >= 0]
    return found


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        place = str(path.relative_to(folder))
        content = path.read_bytes()
        yield place, content.decode("utf-8", "replace")
        if content.startswith(b"SQLite format 3"):
            with closing(sqlite3.connect(path)) as connection:
                yield f"{place} (dump)", "\n".join(connection.iterdump())
        elif content[8:12] == b"DUCK":
            yield f"{place} (dump)", _duckdb(path)
        elif content.startswith(b"PAR1"):
            yield f"{place} (dump)", str(pq.read_table(path).to_pylist())
        elif content.startswith(b"\x1f\x8b"):
            yield f"{place} (dump)", gzip.decompress(content).decode("utf-8", "replace")


def _duckdb(path: Path) -> str:
    with duckdb.connect(str(path)) as connection:
        tables = connection.execute("SELECT table_schema, table_name FROM information_schema.tables").fetchall()
        dumps = (connection.execute(f'SELECT * FROM "{schema}"."{name}"').fetchall() for schema, name in tables)  # noqa: S608
        return "\n".join(map(str, dumps))
