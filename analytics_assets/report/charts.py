"""Figures to pictures: SVG that needs no script, in colours that the page's style decides.

Altair makes the charts, and vl-convert draws them here and not in the reader's browser. Colours are CSS variables, so
that one picture is right in light and in dark.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import vl_convert
from markupsafe import Markup

from analytics_assets.ingest.warehouse.restatements import SettleCurve
from analytics_assets.report.runs import Run
from analytics_assets.report.series import Series

_WIDTH, _HEIGHT = 400, 170
_IN_THOUSANDS = 10_000
MOST_AGE = 14
"""Days after a day until which it is told whether its numbers still moved."""
_TICKS = 5
_BARS = 62
"""Days up to which a day is a bar, and not a point of an area."""
_COLOURS = [f"var(--series-{number})" for number in range(1, 6)]
_TEXT = {"labelColor": "var(--muted)", "titleColor": "var(--muted)", "labelFontSize": 12, "titleFontSize": 12}
_CONFIG: Mapping[str, Any] = {
    "aria": False,
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        **_TEXT,
        "titleFontWeight": "normal",
        "gridColor": "var(--grid)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "tickSize": 4,
    },
    "axisX": {"grid": False},
    "axisY": {"domain": False, "ticks": False},
    "legend": {
        **_TEXT,
        "orient": "top",
        "title": None,
        "symbolSize": 60,
        "labelLimit": 110,
        "columns": 3,
        "columnPadding": 12,
    },
}
# the picture as a whole has a name, and its marks are no parts that somebody could go to
_ROLES = re.compile(r' (?:role|aria-[a-z]+)="[^"]*"')
_DAY = dt.timedelta(days=1)
# else the time zone of this machine would move each day
_UTC = alt.Scale(type="utc")

Chart = alt.Chart | alt.LayerChart


def chart_of(series: Series) -> Markup:
    """Return a metric day by day: its sum; or a line for each subject, or their middle and range."""
    first, last = min(series.days), max(series.days)
    days = [first + number * _DAY for number in range((last - first).days + 1)]
    told = f"{series.metric} of {series.endpoint}, {first} to {last}, day by day"
    if series.is_sum:
        return _drawn(_sums(series, days), f"{told}: the sum")
    if series.lines:
        return _drawn(_lines(series, days), f"{told}: a line for each {series.subject}")
    return _drawn(_range(series, days), f"{told}: from the lowest to the highest, and the middle")


def timeline_of(runs: Sequence[Run], zone: dt.tzinfo) -> Markup:
    """Return the runs: when each began, how long it took, and how it ended."""
    endings = {"loaded": ("var(--proven)", "circle"), "cut": ("var(--partial)", "square")}
    names = list(dict.fromkeys(run.outcome for run in runs))
    colours, shapes = zip(*(endings.get(name, ("var(--failed)", "cross")) for name in names), strict=True)
    rows = [
        {"began": f"{run.began.astimezone(zone):%Y-%m-%dT%H:%M:%SZ}", "seconds": run.seconds, "outcome": run.outcome}
        for run in runs
    ]
    chart = (
        _of(rows)
        .mark_point(filled=True, size=55, opacity=0.9)
        .encode(
            x=alt.X("began:T", title=None, axis=alt.Axis(tickCount=6, labelFlush=True), scale=_UTC),
            y=alt.Y("seconds:Q", title="seconds", axis=_numbers(max(run.seconds for run in runs))),
            color=alt.Color("outcome:N", scale=alt.Scale(domain=names, range=list(colours))),
            shape=alt.Shape("outcome:N", scale=alt.Scale(domain=names, range=list(shapes))),
        )
    )
    return _drawn(chart, "How long each run took, by when it began")


def settling(curves: Sequence[SettleCurve]) -> Markup:
    """Return which share of the numbers of a day were still moving so many days after it, a line for each endpoint."""
    rows = [
        {"age": age.age, "share": age.share, "endpoint": curve.endpoint}
        for curve in curves
        for age in curve.ages
        if age.age <= MOST_AGE
    ]
    names = [curve.endpoint for curve in curves if curve.ages]
    chart = (
        _of(rows)
        .mark_line(strokeWidth=1.75, point=alt.OverlayMarkDef(size=45))
        .encode(
            x=alt.X("age:Q", title="days after the day", axis=alt.Axis(tickMinStep=1, format="d")),
            y=alt.Y("share:Q", title=None, axis=alt.Axis(format="~%", tickCount=4), scale=alt.Scale(zero=True)),
            color=alt.Color("endpoint:N", scale=alt.Scale(domain=names, range=_COLOURS)),
        )
    )
    return _drawn(chart, "Share of a day's numbers that still moved, by days after it")


def _sums(series: Series, days: Sequence[dt.date]) -> Chart:
    known = series.days
    base = _of([{"day": f"{day}", "total": known[day].total if day in known else None} for day in days])
    y = alt.Y("total:Q", title=None, axis=_numbers(max(one.total for one in known.values())))
    if len(days) <= _BARS:
        x, mark = _days(days).timeUnit("utcyearmonthdate"), base.mark_bar(width=alt.RelativeBandSize(band=0.75))
    else:
        edge = alt.OverlayMarkDef(color=_COLOURS[0], strokeWidth=1.5)
        x, mark = _days(days), base.mark_area(fillOpacity=0.25, line=edge)
    chart: Chart = mark.encode(x=x, y=y, color=alt.value(_COLOURS[0]))
    return chart


def _lines(series: Series, days: Sequence[dt.date]) -> Chart:
    named = {name or "(none)": values for name, values in series.lines.items()}
    rows = [{"day": f"{day}", "value": found.get(day), "name": name} for name, found in named.items() for day in days]
    y = alt.Y("value:Q", title=None, axis=_numbers(series.highest), scale=alt.Scale(zero=False))
    colours = alt.Scale(domain=list(named), range=_COLOURS)
    colour = alt.Color("name:N", scale=colours) if len(named) > 1 else alt.value(_COLOURS[0])
    line = _of(rows).mark_line(strokeWidth=1.75, point=len(days) == 1)
    chart: Chart = line.encode(x=_days(days), y=y, color=colour)
    return chart


def _range(series: Series, days: Sequence[dt.date]) -> Chart:
    known = series.days
    rows = [
        {"day": f"{day}", "low": known[day].low, "middle": known[day].middle, "high": known[day].high} for day in known
    ]
    rows += [{"day": f"{day}", "low": None, "middle": None, "high": None} for day in days if day not in known]
    base = _of(rows).encode(x=_days(days))
    low = alt.Y("low:Q", title=None, axis=_numbers(series.highest))
    band = base.mark_area(color=_COLOURS[0], fillOpacity=0.2).encode(y=low, y2="high:Q")
    middle = base.mark_line(color=_COLOURS[0], strokeWidth=1.75, point=len(days) == 1).encode(y="middle:Q")
    chart: Chart = band + middle
    return chart


def _of(rows: list[dict[str, Any]]) -> alt.Chart:
    return alt.Chart(alt.InlineData(values=rows))


def _days(days: Sequence[dt.date]) -> alt.X:
    # else a day of a short span would be named at its noon once more
    each = alt.TimeIntervalStep(interval="day", step=1 if len(days) <= _TICKS else 2)
    ticks = each if len(days) <= 2 * _TICKS else _TICKS
    return alt.X("day:T", title=None, axis=alt.Axis(format="%-d %b", tickCount=ticks, labelFlush=True), scale=_UTC)


def _numbers(highest: float) -> alt.Axis:
    return alt.Axis(format="~s" if highest >= _IN_THOUSANDS else ",~r", tickCount=4)


def _drawn(chart: Chart, told: str) -> Markup:
    """Return the SVG of a chart, which says ``told`` to who cannot see it."""
    fitted = chart.properties(width=_WIDTH, height=_HEIGHT, autosize=alt.AutoSizeParams(type="fit", contains="padding"))
    # Altair would look at each row whether the schema allows it, which takes longer than the drawing
    svg = vl_convert.vegalite_to_svg(fitted.to_dict(validate=False) | {"config": dict(_CONFIG)})
    # the texts in it are escaped by who drew it
    return Markup('<svg role="img" aria-label="{}"').format(told) + Markup(_ROLES.sub("", svg).removeprefix("<svg"))
