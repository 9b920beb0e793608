"""Pictures of the performance questions, each under its question's name.

show.performance.throughput(performance.throughput(flows))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowkit.show import figure as house
from flowkit.show.axes import key, short
from flowkit.show.format import heading, shown
from flowkit.show.plots import bars, heatmap, histogram, lines
from flowkit.show.tables import instead_of
from flowkit.show.view import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from flowkit.question import Answer

__all__ = [
    "az_matrix",
    "busiest_interfaces",
    "concurrency",
    "connection_health",
    "failing_pairs",
    "failing_services",
    "half_open",
    "log_gaps",
    "packet_sizes",
    "packet_sizes_by_service",
    "saturation",
    "small_packets",
    "subnet_matrix",
    "throughput",
    "throughput_by_interface",
    "top_pairs",
    "top_talkers",
]

#: How an attempt can end, in the order of the stacked bars. Refused has the colour of REJECT.
_OUTCOMES = (
    ("answered", house.PALETTE[0]),
    ("half_open", house.PALETTE[3]),
    ("rejected", house.REJECT),
    ("return_rejected", house.PALETTE[5]),
    ("reset", house.PALETTE[2]),
    ("no_reply", house.PALETTE[4]),
)

#: Low, high and highest level.
_MARKS = (house.PALETTE[4], house.PALETTE[2], house.PALETTE[0])


def throughput(answer: Answer) -> View:
    """Bits per second in and out of the interfaces over time."""
    return lines(answer, "bin_s", "mean_bps", split="direction", caption="Throughput at the interfaces, by direction")


def throughput_by_interface(answer: Answer) -> View:
    """Which interface is busy when, as a heat map."""
    return heatmap(
        answer, "bin_s", "interface_id", "mean_bps", caption="Throughput of the busiest interfaces over time"
    )


def busiest_interfaces(answer: Answer) -> View:
    """The busiest interfaces by their 95th percentile and their highest bin, one above the other."""
    return _levels(
        answer, ("p50_bps", "p95_bps", "max_bps"), "How high the busiest interfaces go: p50, p95 and highest bin"
    )


def concurrency(answer: Answer) -> View:
    """Connections that were surely open at once, per interface."""
    return bars(answer, "observer", "connections_at_least", caption="Connections at once, at least")


def top_talkers(answer: Answer) -> View:
    """The hosts with most bytes."""
    return bars(answer, _named(answer, "address", "name"), "bytes", caption="Bytes sent and received, by host")


def top_pairs(answer: Answer) -> View:
    """The pairs of hosts with most bytes, with their service port."""
    return bars(answer, ("srcaddr", "dstaddr", "dstport"), "bytes", caption="Bytes by client, server and port")


def az_matrix(answer: Answer) -> View:
    """Bytes from zone to zone, as a heat map: the sender is the row."""
    return heatmap(
        answer, "receiver_zone", "sender_zone", "bytes", caption="Bytes by sending zone (row) and receiving zone"
    )


def subnet_matrix(answer: Answer) -> View:
    """Bytes from subnet to subnet, as a heat map: the sender is the row."""
    return heatmap(
        answer,
        "receiver_subnet",
        "sender_subnet",
        "bytes",
        caption="Bytes by sending subnet (row) and receiving subnet",
    )


def failing_pairs(answer: Answer) -> View:
    """The client, server and port with most failed attempts."""
    return bars(
        answer, ("srcaddr", "dstaddr", "dstport"), "failed", caption="Failed attempts by client, server and port"
    )


def failing_services(answer: Answer) -> View:
    """The paths that are tried again and again in vain, by failed attempts."""
    return bars(
        answer, ("srcaddr", "dstaddr", "dstport"), "failed", caption="Attempts in vain by client, server and port"
    )


def half_open(answer: Answer) -> View:
    """The clients that leave most handshakes half-open."""
    return bars(answer, ("srcaddr", "dstaddr", "dstport"), "half_open", caption="Half-open handshakes (suspected)")


def saturation(answer: Answer) -> View:
    """The highest level of each interface against what it had for half of the time."""
    return _levels(
        answer, ("p50_bps", "plateau_bps", "max_bps"), "Levels by interface: half of the time, 1 % of the time, highest"
    )


def packet_sizes(answer: Answer) -> View:
    """How many packets there are of each size class."""
    return histogram(answer, "packet_from_bytes", "packets", caption="Packets by mean size, from so many bytes")


def packet_sizes_by_service(answer: Answer) -> View:
    """The share of each service's packets per size class, as a heat map."""
    return heatmap(
        answer,
        "packet_from_bytes",
        "service",
        "packets_share",
        caption="Each service's packets by mean size, from so many bytes",
    )


def small_packets(answer: Answer) -> View:
    """The services with most small packets."""
    return bars(answer, "service", "small_packets", caption="Packets of at most 128 bytes on average, by service")


def log_gaps(answer: Answer) -> View:
    """The interfaces whose log is incomplete, by lines that say so."""
    return bars(
        answer,
        ("interface_id", "log_status"),
        "gap_records",
        split="log_status",
        caption="Lines that say that data is missing",
    )


@house.styled
def connection_health(answer: Answer, *, limit: int = 15) -> View:
    """How attempts end, per service: one bar of shares each, the services with most failures first."""
    instead = instead_of(answer)
    if instead:
        return instead
    rows = answer.table.head(limit)
    labels = [_service(row) for _, row in rows.iterrows()]
    figure, axes = house.new(70 + 26 * len(rows))
    left = [0.0] * len(rows)
    for outcome, shade in _OUTCOMES:
        widths = [float(part) / float(whole) for part, whole in zip(rows[outcome], rows["attempts"], strict=True)]
        axes.barh(range(len(rows)), widths, left=left, color=shade, height=0.66)
        left = [before + width for before, width in zip(left, widths, strict=True)]
    _rows_named(axes, labels)
    for place, attempts in enumerate(rows["attempts"]):
        axes.text(1.01, place, shown("attempts", attempts), va="center", color=house.MUTED)
    axes.set_xlim(0, 1.12)
    used = [(outcome, shade) for outcome, shade in _OUTCOMES if rows[outcome].sum() > 0]
    key(axes, [(heading(outcome), shade) for outcome, shade in used])
    title = "How connection attempts end, by service (attempts at the right)"
    worst = rows.iloc[0]
    alt = (
        f"{title}. Stacked bars of {len(rows)} services: {labels[0]} has most failures, "
        f"{shown('failed', worst['failed'])} of {shown('attempts', worst['attempts'])} attempts."
    )
    return house.drawn(figure, alt=alt, caption=title)


@house.styled
def _levels(answer: Answer, measures: tuple[str, str, str], title: str, *, limit: int = 15) -> View:
    """Three levels per interface as marks on one line each: low, high and highest."""
    instead = instead_of(answer)
    if instead:
        return instead
    rows = answer.table.sort_values([measures[2], "interface_id"], ascending=[False, True], kind="stable").head(limit)
    labels = [_which(row) for _, row in rows.iterrows()]
    figure, axes = house.new(80 + 26 * len(rows))
    low, high, top = (
        [0.0 if value != value else float(value) for value in rows[name].astype(float)] for name in measures
    )
    axes.hlines(range(len(rows)), low, top, color=house.GRID, linewidth=3)
    for values, shade in zip((low, high, top), _MARKS, strict=True):
        axes.plot(values, range(len(rows)), "o", color=shade, markersize=6)
    most = max(top) or 1.0
    for place, value in enumerate(top):
        axes.text(value + most * 0.015, place, shown(measures[2], value), va="center", color=house.MUTED)
    axes.set_xlim(0, most * 1.16)
    _rows_named(axes, labels)
    key(axes, list(zip([heading(name) for name in measures], _MARKS, strict=True)))
    alt = f"{title}. Dots for {len(rows)} interfaces: {labels[0]} goes highest, {shown(measures[2], top[0])}."
    return house.drawn(figure, alt=alt, caption=title)


def _rows_named(axes: Axes, labels: list[str]) -> None:
    axes.set_yticks(range(len(labels)), [short(label) for label in labels], color=house.INK)
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.spines[["bottom", "left"]].set_visible(False)
    axes.grid(visible=False)


def _service(row: Any) -> str:
    known = isinstance(row["service"], str)
    return f"{row['path']} · {row['service'] + ' ' if known else 'port '}{shown('dstport', row['dstport'])}"


def _which(row: Any) -> str:
    name = row["name"] if isinstance(row["name"], str) else row["interface_id"]
    return f"{name} · {row['direction']}" if "direction" in row else str(name)


def _interface(answer: Answer) -> str:
    """The column to name interfaces by: their names where each has one of its own."""
    if not answer.answerable or answer.table["name"].isna().any():
        return "interface_id"
    both = answer.table[["interface_id", "name"]].drop_duplicates()
    return "name" if both["name"].is_unique else "interface_id"


def _named(answer: Answer, *columns: str) -> list[str]:
    """Of these columns those that hold anything, so that an absent name leaves no dash."""
    return [column for column in columns if not answer.answerable or answer.table[column].notna().any()]
