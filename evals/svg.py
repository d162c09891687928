"""Four plots as inline SVG: lines, stacked bars, points with labels, dots with intervals. No library, no script.

Colours come from CSS variables of the page, so that the plots follow a light or dark theme.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from evals.results import Series

WIDTH, HEIGHT = 680, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 16, 48
COLOURS = ("var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)", "var(--c5)", "var(--c6)")
ROW_PX = 30
LOGARITHMIC_FROM = 4.0  # models of 90 and 1,100 MB: a linear axis would put all small ones on one spot
WIDEST_LETTER_PX = 7.5  # of a name in 12 px; capitals, digits and underscores are wider than the average letter


@dataclass(frozen=True, slots=True)
class Dot:
    """A value with its interval and the limit it is measured against."""

    label: str
    value: float
    low: float
    high: float
    limit: float
    higher_is_better: bool

    @property
    def of_limit(self) -> float:
        """How far on the good side of the limit: above 1 is better."""
        return self.share(self.value)

    def share(self, value: float) -> float:
        """As `of_limit`, for one end of the interval. Clamped, because a logarithm of 0 has no place."""
        ratio = max(value, 1e-9) / max(self.limit, 1e-9)
        return min(20.0, max(0.05, ratio if self.higher_is_better else 1 / ratio))


@dataclass(frozen=True, slots=True)
class Point:
    """Something with two measures; `low` to `high` is the interval of y. Points of one `group` share a colour."""

    label: str
    x: float
    y: float
    low: float
    high: float
    group: str = ""


def plot(series: Series) -> str:
    """The plot that the series is made for."""
    return stacked(series) if series.bars else lines(series)


def stacked(series: Series) -> str:
    """A horizontal bar per name, its parts stacked, with a legend and the sum at the end."""
    totals = [sum(values) for values in zip(*series.lines.values(), strict=True)]
    if not totals or max(totals) <= 0:
        return ""
    left, legend = 190, 18 * math.ceil(len(series.lines) / 3)
    height = TOP + legend + ROW_PX * len(totals) + 40
    x_ticks = ticks(0.0, max(totals))
    scale = (WIDTH - left - 70) / x_ticks[-1]
    parts = [_open(WIDTH, height, f"{series.x_label} by {series.y_label}")]
    for index, label in enumerate(series.lines):
        key_x, key_y = left + 160 * (index % 3), TOP + 18 * (index // 3)
        colour = COLOURS[index % len(COLOURS)]
        parts.append(f'<rect x="{key_x}" y="{key_y - 9}" width="10" height="10" fill="{colour}"/>')
        parts.append(_text(key_x + 15, key_y, label, "start"))
    for row, (name, total) in enumerate(zip(series.bars, totals, strict=True)):
        x, y = float(left), TOP + legend + ROW_PX * row
        parts.append(_text(left - 10, y + 15, name, "end"))
        for index, values in enumerate(series.lines.values()):
            width = values[row] * scale
            colour = COLOURS[index % len(COLOURS)]
            parts.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW_PX - 9}" fill="{colour}"/>')
            x += width
        parts.append(_text(x + 6, y + 15, number(total), "start"))
    for tick in x_ticks:
        parts.append(_text(left + tick * scale, height - 22, number(tick), "middle"))
    parts.append(_text(left, height - 5, series.x_label, "start"))
    return "".join([*parts, "</svg>"])


def points(rows: Sequence[Point], x_label: str, y_label: str) -> str:
    """A dot with its interval and its name for each row; neither axis begins at 0. The horizontal one is logarithmic
    where its values are positive and span more than a factor of LOGARITHMIC_FROM."""
    if not rows:
        return ""
    height = HEIGHT + 100
    xs = [r.x for r in rows]
    logarithmic = min(xs) > 0 and max(xs) / min(xs) > LOGARITHMIC_FROM
    x_ticks = _powers_around(xs) if logarithmic else _around(xs)
    place = math.log if logarithmic else float
    first, last = place(x_ticks[0]), place(x_ticks[-1])
    y_ticks = _around([y for r in rows for y in (r.low, r.high)])
    groups = list(dict.fromkeys(row.group for row in rows))

    def at(x: float, y: float) -> tuple[float, float]:
        across = (place(x) - first) / (last - first)
        up = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), height - BOTTOM - up * (height - TOP - BOTTOM)

    parts = [_open(WIDTH, height, f"{y_label} against {x_label}")]
    for tick in y_ticks:
        y = at(x_ticks[0], tick)[1]
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(LEFT - 8, y + 4, number(tick), "end"))
    parts += [_text(at(tick, y_ticks[0])[0], height - BOTTOM + 18, number(tick), "middle") for tick in x_ticks]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, height - 10, x_label, "middle"))
    parts.append(_text(LEFT, TOP - 3, y_label, "start"))
    taken = [
        (y, x - 6, x + 6) for x, y in (at(row.x, row.y) for row in rows)
    ]  # (middle, left, right) of dots and names
    for row in sorted(rows, key=lambda r: -r.y):
        colour = COLOURS[groups.index(row.group) % len(COLOURS)]
        (x, y), y_low, y_high = at(row.x, row.y), at(row.x, row.low)[1], at(row.x, row.high)[1]
        parts.append(f'<line stroke="{colour}" x1="{x:.1f}" x2="{x:.1f}" y1="{y_high:.1f}" y2="{y_low:.1f}"/>')
        parts.append(f'<circle fill="{colour}" r="5" cx="{x:.1f}" cy="{y:.1f}"/>')
        parts.append(_name(row.label, x, y, taken, colour))
    return "".join([*parts, "</svg>"])


def _name(label: str, x: float, y: float, taken: list[tuple[float, float, float]], colour: str) -> str:
    """A dot's name at the nearest place where neither a dot nor another name is; `taken` gets it too."""
    width = WIDEST_LETTER_PX * len(label)
    for shift in sorted(range(-104, 105, 13), key=abs):
        for anchor, left in (("start", x + 9), ("end", x - 9 - width)):
            middle = y + shift
            free = all(abs(middle - m) >= 13 or left > end or left + width < begin for m, begin, end in taken)
            if free and left > LEFT and left + width < WIDTH - RIGHT / 2:
                taken.append((middle, left, left + width))
                return _text(x + 9 if anchor == "start" else x - 9, middle + 4, label, anchor, colour)
    return ""  # no room within sight: the table names it


def lines(series: Series) -> str:
    """A line per label, with ticks, grid and a legend."""
    ys = [y for line in series.lines.values() for y in line]
    if not series.x or not ys:
        return ""
    x_ticks, y_ticks = ticks(min(series.x), max(series.x)), ticks(0.0, max(ys))
    x_low, x_high, y_high = min(series.x), max(series.x), y_ticks[-1]

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / ((x_high - x_low) or 1)
        up = y / (y_high or 1)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    parts = [_open(WIDTH, HEIGHT, f"{series.y_label} against {series.x_label}")]
    for tick in y_ticks:
        _, y = at(x_low, tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(LEFT - 8, y + 4, number(tick), "end"))
    for tick in x_ticks:
        if x_low <= tick <= x_high:
            parts.append(_text(at(tick, 0)[0], HEIGHT - BOTTOM + 18, number(tick), "middle"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, series.x_label, "middle"))
    parts.append(_text(LEFT, TOP - 3, series.y_label, "start"))
    for index, (label, values) in enumerate(series.lines.items()):
        colour = COLOURS[index % len(COLOURS)]
        points = " ".join("{:.1f},{:.1f}".format(*at(x, y)) for x, y in zip(series.x, values, strict=True))
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{points}"/>')
        parts.append(_text(WIDTH - RIGHT - 8, TOP + 16 * (index + 1), label, "end", colour))
    return "".join([*parts, "</svg>"])


def dots(rows: Sequence[Dot]) -> str:
    """A row a metric: value and interval on a logarithmic scale, the limit in the middle, good to the right."""
    if not rows:
        return ""
    height = TOP + ROW_PX * len(rows) + 34
    left = 210
    reach = max([0.05, *(abs(math.log(row.share(value))) for row in rows for value in (row.low, row.high))]) * 1.1

    def across(row: Dot, value: float) -> float:
        share = (math.log(row.share(value)) + reach) / (2 * reach)
        return left + share * (WIDTH - left - RIGHT)

    middle = left + (WIDTH - left - RIGHT) / 2
    parts = [_open(WIDTH, height, "Every promise: distance from its limit")]
    parts.append(f'<line class="limit" x1="{middle:.1f}" x2="{middle:.1f}" y1="{TOP}" y2="{height - 30}"/>')
    parts.append(_text(middle, height - 12, "limit", "middle"))
    parts.append(_text(WIDTH - RIGHT, height - 12, f"{math.exp(reach):.2g} x better", "end"))
    parts.append(_text(left, height - 12, f"{math.exp(reach):.2g} x worse", "start"))
    for index, row in enumerate(rows):
        y = TOP + ROW_PX * (index + 0.5)
        colour = "var(--good)" if row.of_limit >= 1 else "var(--bad)"
        ends = sorted((across(row, row.low), across(row, row.high)))
        parts.append(_text(left - 12, y + 4, row.label, "end"))
        parts.append(
            f'<line stroke="{colour}" stroke-width="3" x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{y}" y2="{y}"/>'
            f'<circle fill="{colour}" r="5" cx="{across(row, row.value):.1f}" cy="{y}"/>'
        )
    return "".join([*parts, "</svg>"])


def _around(values: Sequence[float]) -> list[float]:
    """Ticks that cover the values, also when all of them are equal."""
    low, high = min(values), max(values)
    room = 0.0 if high > low else abs(high) / 10 or 1.0
    return ticks(low - room, high + room)


def _powers_around(values: Sequence[float]) -> list[float]:
    """1, 2 and 5 times powers of ten that cover positive values."""
    low, high = min(values), max(values)
    steps = [
        m * 10.0**e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1) for m in (1, 2, 5)
    ]
    begin = max(i for i, step in enumerate(steps) if step <= low)
    end = min(i for i, step in enumerate(steps) if step >= high)
    return steps[begin : end + 1]


def ticks(low: float, high: float, n: int = 5) -> list[float]:
    """About `n` round numbers that cover low..high."""
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / n))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor * n >= span)
    first = math.floor(low / step)
    return [round(i * step, 12) for i in range(first, math.ceil(high / step - 1e-9) + 1)]


def number(value: float) -> str:
    """Short, without exponents for everyday sizes."""
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _open(width: int, height: int, title: str) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title, quote=True)}">'


def _text(x: float, y: float, text: str, anchor: str, colour: str = "currentColor") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
