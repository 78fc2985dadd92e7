"""The targets of the design beside what was measured, and whether they are met."""

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.plan import EXTRA, FEW, MANY, WAREHOUSES, Cell, Plan
from benchmarks.session import Session
from benchmarks.shapes import DECLARED, SHAPES, compared_with

GOAL_COLUMNS = ["measure", "target", "measured", "met"]

_FLAT = 1.2
# below it, the fixed second is most of what a row seems to take
_FLAT_FROM_ROWS = 100_000
_EXTRACT_MB, _LOAD_MB = 300, 600
# times the declared columns' time, and their memory where it has a target
_SHAPES: dict[str, tuple[float, float | None]] = {
    "extra1": (1.15, 1.3),
    "extra10": (1.5, 1.3),
    "extra50": (3, 1.3),
    "one": (1.05, None),
    "nested": (2, None),
    "bare10": (1.3, None),
    "cms": (1.05, None),
    "node": (1.05, None),
}
# times as fast as the seed config
_SPEED, _SPEED_SLOW, _SPEED_SLOW_MANY = 8, 16, 24
_SPEED_POSTGRES = 4
_OVER_THE_LOAD = 1.2
_SPEED_MB = 350
_RESTATING = 0.15


@dataclass(frozen=True)
class Goal:
    """A line of the first table. ``met`` is ``None`` where the plan is too small to judge."""

    measure: str
    target: str
    measured: str
    met: bool | None


def goals(session: Session) -> list[Goal]:
    """Return the targets of the design beside what was measured."""
    plan = session.plan
    small_day = session.passes(plan.small_day, 1)
    return [
        *_of_speed(session, DECLARED),
        *_of_dagster(session),
        _of_whole_command(session),
        _goal(
            plan,
            "one small day, four endpoints, warm process",
            "at most 1 s",
            f"{small_day:.2f} s",
            is_met=small_day <= 1,
        ),
        *_of_memory(session, DECLARED),
        _of_requests(session),
        _of_merge(session),
        *_of_growth(session),
        *_of_restating(session),
        *(_of_shape(session, shape) for shape in _SHAPES),
        *_of_speed(session, EXTRA),
        *_of_memory(session, EXTRA),
        *([_of_postgres(session)] if plan.has_postgres else []),
    ]


def goal_lines(session: Session) -> list[list[str]]:
    """Return the goals as cells of a table."""
    words = {True: "yes", False: "no", None: "not judged"}
    return [[goal.measure, goal.target, goal.measured, words[goal.met]] for goal in goals(session)]


def _goal(plan: Plan, measure: str, target: str, measured: str, *, is_met: bool) -> Goal:
    return Goal(measure, target, measured, None if plan.is_quick else is_met)


def _of_speed(session: Session, shape: str) -> Iterable[Goal]:
    plan = session.plan
    for latency, in_flight, at_least in (
        (0, FEW, _SPEED),
        (plan.slow, FEW, _SPEED_SLOW),
        (plan.slow, MANY, _SPEED_SLOW_MANY),
    ):
        cell = plan.load("ours", latency, in_flight, shape)
        what, target, measured = (
            "source + pipeline",
            f"at least {at_least}x the seed config",
            _against_seed(session, cell),
        )
        is_met = (session.ratio(cell) or 0) >= at_least
        if shape != DECLARED:
            what, peak = SHAPES[shape].what, session.peak(cell)
            target, measured = f"{target} on the same rows, under {_SPEED_MB} MB", f"{measured}, {peak:.0f} MB"
            is_met = is_met and peak < _SPEED_MB
        yield _goal(plan, f"{what}, {latency} ms, {in_flight} in flight", target, measured, is_met=is_met)


def _of_postgres(session: Session) -> Goal:
    cell = session.plan.load("ours", 0, warehouse="postgres")
    return _goal(
        session.plan,
        f"source + pipeline into PostgreSQL, 0 ms, {FEW} in flight",
        f"at least {_SPEED_POSTGRES}x the seed config on PostgreSQL",
        _against_seed(session, cell),
        is_met=(session.ratio(cell) or 0) >= _SPEED_POSTGRES,
    )


def _against_seed(session: Session, cell: Cell) -> str:
    return f"{session.ratio(cell):.1f}x ({session.seconds(cell):.2f} s, seed {session.seed(cell):.1f} s)"


def _of_shape(session: Session, shape: str) -> Goal:
    plan, other = session.plan, compared_with(shape)
    cell, beside = plan.load("ours", 0, shape=shape), plan.load("ours", 0, shape=other)
    at_most, at_most_memory = _SHAPES[shape]
    time, memory = (figure(cell) / figure(beside) for figure in (session.seconds, session.memory))
    than = "declared columns only" if other == DECLARED else SHAPES[other].what
    target, measured = f"time at most {at_most:g}x", f"time {time:.2f}x"
    is_met = time <= at_most
    if at_most_memory is not None:
        target += f", peak memory at most {at_most_memory:g}x"
        measured += f", memory {memory:.2f}x"
        is_met = is_met and memory <= at_most_memory
    return _goal(
        plan,
        f"{SHAPES[shape].what}, against {than}",
        target,
        f"{measured} ({session.seconds(cell):.2f} s, against {session.seconds(beside):.2f} s)",
        is_met=is_met,
    )


def _of_dagster(session: Session) -> Iterable[Goal]:
    plan = session.plan
    for latency, at_most in ((0, 4.0), (plan.slow, 5.5)):
        cell = plan.load("ours_dagster", latency, MANY)
        seed = session.seed(cell)
        yield _goal(
            plan,
            f"whole `dagster asset materialize`, {latency} ms, {MANY} in flight",
            f"at most {at_most} s",
            f"{session.seconds(cell):.1f} s" + (f", {session.ratio(cell):.1f}x (seed {seed:.1f} s)" if seed else ""),
            is_met=session.seconds(cell) <= at_most,
        )


def _of_whole_command(session: Session) -> Goal:
    plan = session.plan
    whole = session.cpu(plan.load("ours_dagster", 0, MANY))
    empty, load = session.cpu(plan.empty_in_dagster), session.cpu(plan.load("ours", 0, MANY))
    at_most = empty + _OVER_THE_LOAD * load
    return _goal(
        plan,
        f"CPU of a whole `dagster asset materialize`, 0 ms, {MANY} in flight",
        f"at most that of four empty assets and {_OVER_THE_LOAD}x that of the load: {at_most:.1f} s",
        f"{whole:.1f} s ({empty:.1f} s empty, {load:.1f} s the load)",
        is_met=whole <= at_most,
    )


def _of_memory(session: Session, shape: str) -> Iterable[Goal]:
    plan = session.plan
    middle, most = plan.large
    with_them = "" if shape == DECLARED else f" with {SHAPES[shape].what}"
    extract, extract_most = (session.extract_peak(plan.point("ours", rows, shape)) for rows in plan.large)
    yield _goal(
        plan,
        f"peak memory until extract has ended, {middle:,} rows{with_them}",
        f"flat, under {_EXTRACT_MB} MB",
        f"{extract:.0f} MB, {extract_most:.0f} MB at {most:,}",
        is_met=extract < _EXTRACT_MB and extract_most < _FLAT * extract,
    )
    peak = session.peak(plan.point("ours", most, shape))
    yield _goal(
        plan,
        f"peak memory, {most:,} rows{with_them}",
        f"under {_LOAD_MB} MB",
        f"{peak:.0f} MB",
        is_met=peak < _LOAD_MB,
    )


def _of_requests(session: Session) -> Goal:
    ours = [(cell, result.asked) for cell, of_cell in session.results.items() if cell.is_ours for result in of_cell]
    more = sum(asked.requests - cell.requests for cell, asked in ours)
    exact = all(asked.requests == cell.requests for cell, asked in ours)
    most = {
        in_flight: max(asked.most_in_flight for cell, asked in ours if cell.in_flight == in_flight)
        for in_flight in (FEW, MANY)
    }
    return Goal(
        "requests made",
        "what the pages need, never more in flight than set",
        f"{'exactly' if exact else f'{more:+} from'} what the pages need; at most "
        + ", ".join(f"{seen} of {allowed}" for allowed, seen in most.items()),
        exact and all(seen <= allowed for allowed, seen in most.items()),
    )


def _of_merge(session: Session) -> Goal:
    again = session.plan.again
    first, second = session.passes(again, 0), session.passes(again, 1)
    added = {result.rows - again.rows * again.tables for result in session.results[again]}
    return _goal(
        session.plan,
        "merge of the same rows again",
        "adds none, no slower",
        f"adds {max(added)}, {second:.2f} s after {first:.2f} s",
        is_met=added == {0} and second <= first,
    )


def _of_restating(session: Session) -> Iterable[Goal]:
    for warehouse, found in session.restating.items():
        more = {restated: took["with"] / took["without"] - 1 for restated, took in found.items()}
        yield _goal(
            session.plan,
            f"recording restatements, {WAREHOUSES[warehouse]}: none of the numbers restated, and all of them",
            f"under {_RESTATING:.0%} of a load",
            f"{more['none']:+.0%}, {more['all']:+.0%}",
            is_met=max(more.values()) < _RESTATING,
        )


def _of_growth(session: Session) -> Iterable[Goal]:
    per_row = [further for rows, _, further in session.curve() if rows >= _FLAT_FROM_ROWS and further is not None]
    if per_row:
        spread = max(per_row) / min(per_row)
        yield _goal(
            session.plan,
            f"time per further row, {_FLAT_FROM_ROWS:,} to {max(session.plan.curve):,} rows",
            "flat within 20 %",
            f"{min(per_row) * 1e6:.1f} to {max(per_row) * 1e6:.1f} µs, {spread - 1:.0%} apart",
            is_met=spread <= _FLAT,
        )
