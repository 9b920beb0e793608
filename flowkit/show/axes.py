"""Axes that speak the column's unit: marks at round numbers, instants in UTC, names in their colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowkit.show.format import heading, is_instant, kind, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["key", "measure_axis", "short", "x_axis"]


def measure_axis(axes: Axes, measure: str) -> None:
    """Write the vertical axis in the unit of `measure`, from zero, with few marks."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: shown(measure, value)))
    if axes.get_yscale() == "linear":
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]) if axes.dataLim.y0 < 0 else 0.0)
        if kind(measure) == "bytes":
            axes.yaxis.set_major_locator(MultipleLocator(_byte_step(axes.get_ylim()[1])))
        else:
            axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], integer=kind(measure) == ""))
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.01)


def _byte_step(top: float) -> float:
    """A step of 1, 2, 5, 10 ... of the binary unit that `top` is written in, for at most five marks."""
    unit = 1024.0 ** max((power for power in range(5) if 1024.0**power <= max(top, 1.0)), default=0)
    return next(
        unit * step * scale
        for scale in (0.1, 1, 10, 100, 1000)
        for step in (1, 2, 5)
        if top / (unit * step * scale) <= 5
    )


def x_axis(axes: Axes, x: str, values: Sequence[float]) -> None:
    """Write the horizontal axis: hours and days in UTC for instants."""
    if not is_instant(x):
        axes.set_xlabel(heading(x))
        return
    low, high = values[0], values[-1]
    step = next((s for s in (60, 300, 900, 3600, 10800, 21600, 43200, 86400, 172800, 604800) if (high - low) / s <= 8),
                2592000)  # fmt: skip
    ticks = list(range(int(-(-low // step) * step), int(high) + 1, step)) or [int(low)]
    axes.set_xticks(ticks, [_tick(tick, step, place, ticks) for place, tick in enumerate(ticks)])
    axes.set_xlabel("UTC")


def _tick(tick: int, step: int, place: int, ticks: Sequence[int]) -> str:
    """The hour, with the day where it changes."""
    day, _, hour = shown("hour_s", tick).partition(" ")
    if step >= 86400:
        return day
    new_day = place == 0 or tick // 86400 != ticks[place - 1] // 86400
    return f"{hour}\n{day}" if new_day else hour


def key(axes: Axes, names: Sequence[tuple[str, str]]) -> None:
    """Names in their colours above the chart, in place of a legend box."""
    if not names:
        return
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=shade, linewidth=5, solid_capstyle="butt") for _, shade in names]
    axes.legend(handles, [short(name) for name, _ in names], loc="lower left", bbox_to_anchor=(0, 1),
                ncols=min(6, len(names)), frameon=False, handlelength=0.9, borderaxespad=0.2,
                columnspacing=1.4, fontsize=12)  # fmt: skip


def short(text: str, most: int = 46) -> str:
    """Text cut to what fits beside a chart."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
