"""Charts of answers: bars, lines, a heat map, a histogram. Each takes an answer and names its columns.

Every chart writes its own message for people who do not see it (`alt`), from the numbers it draws; an empty answer or
one that the log cannot give is one line instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from flowkit.show import figure as house
from flowkit.show.axes import key, measure_axis, short, x_axis
from flowkit.show.format import heading, in_words, is_instant, is_number, kind, shown
from flowkit.show.tables import instead_of
from flowkit.show.view import View, escape

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from flowkit.question import Answer

__all__ = ["bars", "heatmap", "histogram", "lines"]

Points = tuple[list[float], list[float]]

#: Units of which there is none where there is no row; a share or a percentile is unknown there.
_ADD_UP = ("", "bytes", "bps", "pps", "usd", "gib")


@house.styled
def bars(
    answer: Answer, x: str | Sequence[str], y: str, *, caption: str = "", limit: int = 15, split: str = ""
) -> View:
    """The largest `limit` rows as horizontal bars: `x` names them (one or several columns), `y` is how long they are.

    `split` colours by a column such as `action`. Values stand beside the bars.
    """
    instead = instead_of(answer)
    if instead:
        return instead
    named = [x] if isinstance(x, str) else list(x)
    rows = _measured(answer.table, y).head(limit)
    if rows.empty:
        return _nothing(answer)
    labels = [" · ".join(_label(column, row[column]) for column in named) for _, row in rows.iterrows()]
    values = [float(value) for value in rows[y]]
    groups = sorted({str(value) for value in rows[split]}) if split else []
    colours = [house.colour(str(value), groups.index(str(value))) for value in rows[split]] if split else None
    figure, axes = house.new(46 + 26 * len(rows) + (22 if split else 0))
    axes.barh(range(len(rows)), values, color=colours or house.colour(y), height=0.66)
    axes.set_yticks(range(len(rows)), [short(label) for label in labels], color=house.INK)
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.spines[["bottom", "left"]].set_visible(False)
    axes.grid(visible=False)
    top = max(values) or 1.0
    axes.set_xlim(min(0.0, *values) * 1.15 if min(values) < 0 else 0.0, top * 1.16)
    for place, value in enumerate(rows[y]):
        axes.text(float(value) + top * 0.01, place, shown(y, value), va="center", color=house.MUTED)
    key(axes, [(name, house.colour(name, index)) for index, name in enumerate(groups)])
    title = caption or f"{heading(y)} by {' and '.join(in_words(column) for column in named)}"
    more = f" {len(answer.table):,} in all." if len(answer.table) > len(rows) else ""
    alt = f"{title}. Bar chart of {len(rows)}: {labels[0]} leads with {shown(y, rows[y].iloc[0])}.{more}"
    return house.drawn(figure, alt=alt, caption=title)


@house.styled
def lines(
    answer: Answer, x: str, y: str | Sequence[str], *, split: str = "", caption: str = "", limit: int = 6
) -> View:
    """`y` over `x`, usually an instant such as `hour_s`: one line per column of `y`, or per value of `split`.

    Of `split` the `limit` values with most are drawn and named; the others are said to be left out.
    """
    instead = instead_of(answer)
    if instead:
        return instead
    measures = [y] if isinstance(y, str) else list(y)
    series, left_out = _series(answer.table, x, measures, split, limit)
    if not series:
        return _nothing(answer)
    figure, axes = house.new(280)
    for place, (name, points) in enumerate(series):
        for run in _unbroken(points):
            shade = house.colour(name, place)
            axes.plot(run[0], run[1], color=shade, marker="o" if len(run[0]) < 3 else None, markersize=4)
            if len(series) == 1:
                axes.fill_between(run[0], run[1], color=shade, alpha=0.12, linewidth=0)
    measure_axis(axes, measures[0])
    x_axis(axes, x, sorted({value for _, points in series for value in points[0]}))
    key(axes, [(name, house.colour(name, place)) for place, (name, _) in enumerate(series)] if len(series) > 1 else [])
    title = caption or f"{heading(measures[0])} over time" if is_instant(x) else caption or heading(measures[0])
    alt = f"{title}. " + " ".join(_peak(name, points, x, measures[0], len(series) > 1) for name, points in series)
    if left_out:
        alt += f" {left_out:,} smaller {'one is' if left_out == 1 else 'ones are'} not drawn."
        title += f" (the {limit} largest; {left_out:,} smaller not drawn)"
    return house.drawn(figure, alt=alt, caption=title)


@house.styled
def heatmap(answer: Answer, x: str, y: str, value: str, *, caption: str = "", limit: int = 30) -> View:
    """`value` for each pair of `x` and `y` as shades of one colour. At most `limit` rows, the largest; all columns."""
    instead = instead_of(answer)
    if instead:
        return instead
    frame = _measured(answer.table, value)
    if frame.empty:
        return _nothing(answer)
    grid = frame.pivot_table(index=y, columns=x, values=value, aggfunc="sum", sort=True, dropna=False)
    if not is_instant(y):
        grid = grid.loc[grid.sum(axis=1).sort_values(ascending=False, kind="stable").index[:limit]]
    names, places = list(grid.index), list(grid.columns)
    figure, axes = house.new(90 + max(24, min(34, 900 // len(names))) * len(names))
    cells = grid.fillna(0.0).to_numpy(dtype=float)
    top = float(cells.max()) or 1.0
    mesh = axes.pcolormesh(_shades(cells / top, house.colour(value)), edgecolors="none", rasterized=cells.size > 1500)
    mesh.set_snap(True)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_yticks([n + 0.5 for n in range(len(names))], [short(_label(y, n)) for n in names],
                    color=house.INK)  # fmt: skip
    step = max(1, -(-len(places) // (8 if is_instant(x) else 14)))
    axes.set_xticks([n + 0.5 for n in range(0, len(places), step)], [_label(x, n) for n in places[::step]],
                    rotation=30 if max(len(_label(x, n)) for n in places) > 9 and len(places) > 5 else 0,
                    ha="center")  # fmt: skip
    if cells.size <= 80 and len(places) <= 8:
        _write_cells(axes, grid, value, top)
    title = caption or f"{heading(value)} by {in_words(y)} and {in_words(x)}"
    row, column = divmod(int(cells.argmax()), len(places))
    alt = (
        f"{title}. Heat map of {len(names)} by {len(places)}: the most, {shown(value, cells.max())}, at "
        f"{_label(y, names[row])} and {_label(x, places[column])}."
    )
    return house.drawn(figure, alt=alt, caption=title)


@house.styled
def histogram(answer: Answer, x: str, weight: str, *, caption: str = "", log: bool = False) -> View:
    """How `weight` (a count) spreads over the buckets `x`, which the answer's SQL made: one column per bucket."""
    instead = instead_of(answer)
    if instead:
        return instead
    rows = _measured(answer.table, weight).sort_values(x, kind="stable")
    if rows.empty:
        return _nothing(answer)
    from matplotlib.ticker import FuncFormatter

    figure, axes = house.new(250)
    values = [float(value) for value in rows[weight]]
    at, width = _buckets([float(value) for value in rows[x]])
    axes.bar(at, values, width=0.9 * width, color=house.colour(weight))
    step = max(1, -(-len(rows) // 12))
    if at == list(range(len(rows))):
        axes.set_xticks(at[::step], [_bucket(x, value) for value in rows[x]][::step])
    else:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _bucket(x, value)))
    axes.set_xlabel(heading(x))
    if log:
        axes.set_yscale("log")
    measure_axis(axes, weight)
    title = caption or f"{heading(weight)} by {in_words(x)}"
    most = rows.iloc[values.index(max(values))]
    whole = sum(values) or 1.0
    alt = (
        f"{title}. Histogram of {len(rows)} buckets: the fullest is {_bucket(x, most[x])} with "
        f"{shown(weight, most[weight])}, {shown('of_share', float(most[weight]) / whole)} of all."
    )
    return house.drawn(figure, alt=alt, caption=title)


def _buckets(starts: list[float]) -> tuple[list[float], float]:
    """Where buckets stand and how wide: to scale where all are equally wide, else side by side."""
    steps = [later - earlier for earlier, later in pairwise(starts)]
    width = min(steps, default=1.0)
    if steps and all(abs(step / width - round(step / width)) < 1e-9 for step in steps) and sum(steps) / width <= 300:
        return [start + width / 2 for start in starts], width
    return [float(place) for place in range(len(starts))], 1.0


def _bucket(column: str, value: Any) -> str:
    """A bucket's label: sizes up to some packets are read in bytes, not in KiB."""
    return f"{value:,.0f}" if kind(column) == "bytes" and float(value) < 65536 else shown(column, value)


def _measured(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame[frame[column].notna()]


def _nothing(answer: Answer) -> View:
    text = f"Nothing to draw in {answer.records:,} records."
    return View(f'<p class="fk-none">{escape(text)}</p>', text)


def _series(
    frame: pd.DataFrame, x: str, measures: Sequence[str], split: str, limit: int
) -> tuple[list[tuple[str, Points]], int]:
    """The lines to draw, as name and points, and how many were left out."""
    if split:
        groups = [(str(name), group, measures[0]) for name, group in frame.groupby(split, sort=True, dropna=False)]
        groups.sort(key=lambda entry: (-float(entry[1][entry[2]].fillna(0).sum()), entry[0]))
    else:
        groups = [(heading(measure), frame, measure) for measure in measures]
    places = sorted({float(value) for value in frame[x]})
    found: list[tuple[str, Points]] = []
    for name, group, measure in groups[:limit]:
        held = {float(at): float(value) for at, value in zip(group[x], group[measure], strict=True) if value == value}
        if split and kind(measure) in _ADD_UP:
            held = {at: held.get(at, 0.0) for at in places}  # no row means nothing, where others have a row
        if held:
            found.append((name, (sorted(held), [held[at] for at in sorted(held)])))
    return found, max(0, len(groups) - limit)


def _unbroken(points: Points) -> list[Points]:
    """The points cut where more than three steps are missing: a line must not bridge hours without a record."""
    at, values = points
    steps = sorted(later - earlier for earlier, later in pairwise(at))
    longest = 3 * steps[len(steps) // 2] if steps else 0.0
    cuts = [0, *(n for n in range(1, len(at)) if at[n] - at[n - 1] > longest), len(at)]
    return [(at[start:end], values[start:end]) for start, end in pairwise(cuts)]


def _peak(name: str, points: Points, x: str, measure: str, named: bool) -> str:
    top = max(points[1])
    at = _label(x, points[0][points[1].index(top)])
    return f"{name + ': h' if named else 'H'}ighest {shown(measure, top)} at {at}, {len(points[0])} points."


def _shades(shares: Any, hue: str) -> Any:
    """One hue whose opacity grows with the share, so that the page's own ground shows through."""
    import numpy as np
    from matplotlib.colors import to_rgb

    cells = np.empty((*shares.shape, 4))
    cells[..., :3] = to_rgb(hue)
    cells[..., 3] = np.where(shares > 0, 0.08 + 0.92 * np.sqrt(shares), 0.03)
    return cells


def _write_cells(axes: Axes, grid: pd.DataFrame, value: str, top: float) -> None:
    for row in range(grid.shape[0]):
        for column in range(grid.shape[1]):
            cell: Any = grid.iat[row, column]
            if is_number(cell) and cell:
                shade = house.GROUND if float(cell) / top > 0.35 else house.INK
                axes.text(column + 0.5, row + 0.5, shown(value, cell), ha="center", va="center", color=shade)


def _label(column: str, value: Any) -> str:
    return shown(column, value)
