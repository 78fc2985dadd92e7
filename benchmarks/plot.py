"""Line plots as SVG: a few dozen lines of it, so that drawing two plots needs no plotting library."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 24, 96, 56
_LEGEND, _LINE, _LETTER = 54, 20, 7
_COLOURS = ("#c1272d", "#0b6e99", "#2a9d62", "#8a8d91", "#b8860b")
_PLAIN_TICKS = 5
_ROOM = 1.25


@dataclass(frozen=True)
class Axis:
    """An axis: its label, whether it is logarithmic, and how a tick is written."""

    label: str
    is_log: bool = False
    write: Callable[[float], str] = "{:g}".format

    def bounds(self, values: Sequence[float]) -> tuple[float, float]:
        """Return the ends of the axis, with some room around the values."""
        low, high = min(values), max(values)
        return (low / _ROOM, high * _ROOM) if self.is_log else (0, high * 1.05)

    def place(self, value: float, bounds: tuple[float, float]) -> float:
        """Return where a value lies, 0 to 1."""
        low, high = map(math.log, bounds) if self.is_log else bounds
        return ((math.log(value) if self.is_log else value) - low) / (high - low)

    def ticks(self, bounds: tuple[float, float]) -> list[float]:
        """Return round values between the bounds."""
        low, high = bounds
        if self.is_log:
            decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            # two decades have room for more than the powers of ten
            digits = (1, 2, 5) if math.log10(high / low) < _PLAIN_TICKS - 1 else (1,)
            marks = [digit * 10.0**decade for decade, digit in itertools.product(decades, digits)]
        else:
            rough = high / _PLAIN_TICKS
            power = 10.0 ** math.floor(math.log10(rough))
            step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough)
            marks = [step * count for count in range(math.floor(high / step) + 1)]
        return [mark for mark in marks if low <= mark <= high]


def line_plot(title: str, x: Axis, y: Axis, lines: Mapping[str, Points]) -> str:
    """Return the plot as SVG, on white so that it can be read on a dark page too."""
    x_bounds = x.bounds([point[0] for points in lines.values() for point in points])
    y_bounds = y.bounds([point[1] for points in lines.values() for point in points])

    def across(value: float) -> float:
        return round(_LEFT + x.place(value, x_bounds) * (_WIDTH - _LEFT - _RIGHT), 1)

    def down(value: float) -> float:
        return round(_HEIGHT - _BOTTOM - y.place(value, y_bounds) * (_HEIGHT - _TOP - _BOTTOM), 1)

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
            f'font-family="system-ui, sans-serif" font-size="13" fill="#333"><title>{escape(title)}</title>'
        ),
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="26" font-size="16" font-weight="600">{escape(title)}</text>',
    ]
    for tick in y.ticks(y_bounds):
        at = down(tick)
        parts.append(f'<path d="M{_LEFT} {at}H{_WIDTH - _RIGHT}" stroke="#e3e5e8"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{at + 4:g}" text-anchor="end">{y.write(tick)}</text>')
    base = _HEIGHT - _BOTTOM
    for tick in x.ticks(x_bounds):
        parts.append(f'<path d="M{across(tick)} {base}v5" stroke="#333"/>')
        parts.append(f'<text x="{across(tick)}" y="{base + 20}" text-anchor="middle">{x.write(tick)}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<path d="M{_LEFT} {base}H{_WIDTH - _RIGHT}" stroke="#333"/>')
    parts.append(f'<text x="{middle:g}" y="{_HEIGHT - 12}" text-anchor="middle">{escape(x.label)}</text>')
    height = (_TOP + base) / 2
    parts.append(
        f'<text transform="translate(18 {height:g}) rotate(-90)" text-anchor="middle">{escape(y.label)}</text>'
    )
    legend, line = _LEFT, _LEGEND
    for (name, points), colour in zip(lines.items(), itertools.cycle(_COLOURS), strict=False):
        path = " ".join(f"{across(one)},{down(other)}" for one, other in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{across(a)}" cy="{down(b)}" r="3.5" fill="{colour}"/>' for a, b in points]
        room = 30 + _LETTER * len(name)
        if legend + room > _WIDTH:
            legend, line = _LEFT, line + _LINE
        parts.append(f'<circle cx="{legend + 5}" cy="{line - 4}" r="5" fill="{colour}"/>')
        parts.append(f'<text x="{legend + 15}" y="{line}">{escape(name)}</text>')
        legend += room
    return "\n".join([*parts, "</svg>", ""])
