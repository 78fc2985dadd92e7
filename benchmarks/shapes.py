"""What the rows look like: what each shape adds to the declared fields, and what the project is told of it.

A field's values are the same in every shape that has it, so that shapes differ in nothing but their fields.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from analytics_assets.ingest.endpoint import Column, DataType, Endpoint
from analytics_assets.ingest.endpoints import ENDPOINTS
from analytics_assets.ingest.settings import Settings

Row = dict[str, Any]

DECLARED = "declared"

_CAMPAIGNS = ("Spring sale", "Sommer-Aktion, 2. Welle", "夏の新作", "Always on", 'Retarget "warm" audience')
_COUNTRIES = ("DE", "FR", "JP", "US", "BR", None)
_MEDIUMS = ("", "paid", "organic", "web", "email")


@dataclass(frozen=True, kw_only=True)
class _Field:
    name: str
    data_type: DataType
    make: Callable[[Random], object]

    def of(self, medium: str) -> "_Field":
        """Return the same field of a medium: ``paidSpendAmount``, ``paid_click_count``."""
        if not medium:
            return self
        name = f"{medium}_{self.name}" if "_" in self.name else f"{medium}{self.name[0].upper()}{self.name[1:]}"
        return replace(self, name=name)


def _at_times(make: Callable[[Random], object]) -> Callable[[Random], object]:
    """Let a field be null in a fifth of the rows."""
    return lambda random: make(random) if random.random() > 0.2 else None  # noqa: PLR2004 - said above


_TEN = (
    _Field(name="campaignName", data_type="text", make=lambda random: random.choice(_CAMPAIGNS)),
    _Field(name="click_count", data_type="bigint", make=lambda random: random.randrange(100_000)),
    _Field(name="spendAmount", data_type="double", make=lambda random: round(random.uniform(0, 500), 2)),
    _Field(name="is_boosted", data_type="bool", make=lambda random: random.random() > 0.5),  # noqa: PLR2004 - a coin
    _Field(name="country", data_type="text", make=lambda random: random.choice(_COUNTRIES)),
    _Field(name="externalRef", data_type="text", make=lambda random: f"{random.randrange(10**12):012d}"),
    _Field(name="reachEstimate", data_type="bigint", make=_at_times(lambda random: random.randrange(10**10))),
    _Field(name="completion_rate", data_type="double", make=_at_times(Random.random)),
    _Field(name="isVerified", data_type="bool", make=_at_times(lambda random: random.random() > 0.9)),  # noqa: PLR2004
    _Field(name="quality_score", data_type="bigint", make=lambda random: random.randint(-10, 10)),
)
_FIELDS = tuple(one.of(medium) for medium in _MEDIUMS for one in _TEN)
_ONCE = {"correctionNote": "counted again"}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the rows of a shape have beyond the declared fields; a bare one has id and cursor instead of those."""

    what: str
    scalars: int = 0
    is_nested: bool = False
    once: bool = False
    is_bare: bool = False
    declares: bool = False
    calls: Callable[[str], str] = str
    """What the vendor calls a field."""
    inside: str = ""
    """The object that a row is in."""
    answer: str = '{"data":[%b],"total":%d}'
    """The body of an answer: its rows, and its total."""
    lists: Mapping[str, str] = field(default_factory=dict)
    """The settings that say how such an answer is read."""

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the four endpoints as the project is told of them, by Python or by settings."""
        if self.is_bare:
            return tuple(self._told(endpoint) for endpoint in ENDPOINTS)
        told = {endpoint.name: {"columns": self._columns(endpoint)} for endpoint in ENDPOINTS}
        return Settings.model_validate({"endpoints": told}).resolved_endpoints

    def columns(self, tables: int) -> list[int]:
        """Return how many columns each of the first tables has to have, without dlt's own."""
        undeclared = (0 if self.declares else self.scalars) + 2 * self.is_nested + self.once
        return [len(endpoint.columns) + undeclared for endpoint in self.endpoints()[:tables]]

    def row(self, endpoint: Endpoint, position: int, row: Row) -> Row:
        """Return a row of the shape, made of the sandbox's row."""
        random = Random(f"{endpoint.name}/{position}")  # noqa: S311 - reproducible, not secret
        made = {name: row[name] for name in (endpoint.id, endpoint.cursor)} if self.is_bare else dict(row)
        made |= {one.name: one.make(random) for one in _FIELDS[: self.scalars]}
        if self.is_nested:
            made |= _nested(random)
        made = {self.calls(name): value for name, value in made.items()}
        return {self.inside: made} if self.inside else made

    def rare(self, row: Row) -> Row:
        """Return the one row of a table that is like no other, in the shape that has one."""
        return row | _ONCE if self.once else row

    def _columns(self, endpoint: Endpoint) -> Row:
        """Return the settings of the columns that the vendor has elsewhere than under their names."""
        if self.inside:
            paths = {column.name: {"from": f"{self.inside}.{column.name}"} for column in endpoint.sent_columns}
            return {**paths, self.inside: {"ignore": True}}
        names = {column.name: self.calls(column.name) for column in endpoint.sent_columns}
        return {name: {"from": called} for name, called in names.items() if called != name}

    def _told(self, endpoint: Endpoint) -> Endpoint:
        told = _FIELDS[: self.scalars] if self.declares else ()
        columns = [
            Column(name=one.name, data_type=one.data_type, description="Made up for the benchmark") for one in told
        ]
        return replace(endpoint, columns=(endpoint.column(endpoint.id), endpoint.column(endpoint.cursor), *columns))


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _nested(random: Random) -> Row:
    shares = {age: round(random.random(), 4) for age in ("13-17", "18-24", "25-34", "35+")}
    return {
        "audienceBreakdown": {"country": random.choice(_COUNTRIES), "ages": shares, "size": random.randrange(10**6)},
        "hashtags": [f"tag{random.randrange(1_000)}" for _ in range(random.randrange(6))],
    }


SHAPES: Mapping[str, Shape] = {
    DECLARED: Shape(what="declared columns only"),
    "one": Shape(what="one undeclared value in each table", once=True),
    "extra1": Shape(what="1 undeclared column", scalars=1),
    "extra5": Shape(what="5 undeclared columns", scalars=5),
    "extra10": Shape(what="10 undeclared columns", scalars=10),
    "extra50": Shape(what="50 undeclared columns", scalars=50),
    "nested": Shape(what="an undeclared object and list per row", is_nested=True),
    "bare10": Shape(what="nothing declared but id and cursor, 10 columns", scalars=10, is_bare=True),
    "cms": Shape(
        what="a CMS's answers: camel case, the total under meta",
        calls=_camel,
        answer='{"items":[%b],"meta":{"filter_count":%d}}',
        lists={"data_selector": "items", "total_selector": "meta.filter_count"},
    ),
    "node": Shape(what="each row inside of an object", inside="node"),
    "ten10": Shape(what="the same 10 columns, declared", scalars=10, is_bare=True, declares=True),
}


def compared_with(shape: str) -> str:
    """Return the shape that one is measured against: the declared columns, or the same columns declared."""
    return "ten10" if SHAPES[shape].is_bare else DECLARED
