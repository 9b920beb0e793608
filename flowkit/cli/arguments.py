"""What can be written on the command line."""

from __future__ import annotations

import argparse
from typing import Any

from flowkit.cli import storing
from flowkit.finding import SEVERITIES

__all__ = ["parser"]

_SOURCE = (
    "a file, a folder, a glob, - for standard input, sample: for the bundled logs, s3://bucket/prefix, "
    "or cloudwatch:LOG-GROUP"
)

_SUPPRESSIONS = (
    "YAML with findings to set aside, each with reason and last day; they are listed, and --fail-on ignores them"
)


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = _Parser(
        prog="flowkit",
        description="Reads AWS VPC Flow Logs right, and reports on security, performance and cost.",
        epilog="Exit codes: 0 done, 1 error, 2 wrong usage, 3 findings reached --fail-on.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="print the version and leave")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _report(commands)
    _findings(commands)
    _inspect(commands)
    _convert(commands)
    _plan(commands)
    storing.add(commands, _add, _SOURCE)
    _generate(commands)
    _notebooks(commands)
    return top


class _Parser(argparse.ArgumentParser):
    """Wrong usage is said in one line, with where to read more."""

    def error(self, message: str) -> Any:
        self.exit(2, f"{self.prog}: {message}. See {self.prog} --help\n")


class _Version(argparse.Action):
    """`--version` without importing what knows it until it is asked."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from flowkit import __version__

        print(f"flowkit {__version__}")
        parser.exit()


def _add(commands: Any, name: str, text: str, examples: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return made


def _reading(parser: argparse.ArgumentParser, *, strict: bool = True) -> None:
    group = parser.add_argument_group("what is read")
    _fraction(group)
    storing.add_yes(group)
    group.add_argument("--since", default="", metavar="TIME", help="from this instant: 2026-11-02 or 2026-11-02T06:00Z")
    group.add_argument("--until", default="", metavar="TIME", help="to this instant, not included")
    group.add_argument(
        "--inventory", default="", metavar="FILE", help="what AWS resources there are; 'none' does without"
    )
    group.add_argument("--log-format", default="", metavar="FORMAT", help="the format of records without a header line")
    group.add_argument("--cidrs", default="", metavar="LIST", help="address ranges that are yours, with commas between")
    if strict:
        group.add_argument("--strict", action="store_true", help="a damaged file or malformed line is an error")


def _fraction(group: Any) -> None:
    told = "read this part of the objects, the same ones each time, and say so: 0.1 for a tenth"
    group.add_argument("--fraction", type=_share, default=None, metavar="F", help=told)


def _report(commands: Any) -> None:
    made = _add(
        commands, "report", "write reports as HTML, executed notebook and JSON",
        "  flowkit report all sample: --out reports\n"
        "  flowkit report security logs/ --since 2026-11-02 --until 2026-11-03 --fail-on high\n"
        "  flowkit report cost logs/ --param top_n=50 --param account=012345678901\n"
        "  flowkit report my.ipynb logs/ --out reports",
    )  # fmt: skip
    made.add_argument("name", metavar="REPORT", help="security, performance, cost, all, or the path of a notebook")
    made.add_argument("source", metavar="SOURCE", help=_SOURCE)
    made.add_argument("--out", default="", metavar="DIR", help="where to write (default: reports)")
    made.add_argument("--store", default="", metavar="DIR", help="read what is new into this store, and report from it")
    made.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the notebook")
    made.add_argument("--baseline", default="", metavar="RUN.json", help="an earlier report's JSON to compare with")
    made.add_argument("--suppressions", default="", metavar="FILE", help=_SUPPRESSIONS)
    made.add_argument("--config", default="", metavar="FILE", help="TOML with any of these options and [parameters]")
    made.add_argument("--fail-on", default="", choices=SEVERITIES, metavar="SEVERITY",
                      help=f"leave with 3 if a finding is this bad: {', '.join(SEVERITIES)}")  # fmt: skip
    made.add_argument("--cell-timeout", type=_seconds, default=None, metavar="S", help="seconds for any one cell (900)")
    made.add_argument("--timeout", type=_seconds, default=None, metavar="S", help="seconds for the whole run (3600)")
    made.add_argument("--progress", action="store_true", help="say what runs even where there is no terminal")
    made.add_argument("--json", action="store_true", help="print what was written as JSON, and progress as JSON lines")
    _reading(made, strict=False)


def _findings(commands: Any) -> None:
    made = _add(
        commands, "findings", "print findings without running notebooks",
        "  flowkit findings logs/ --format table\n  flowkit findings logs/ --room security --format csv > findings.csv"
        "\n  flowkit findings logs/ --format ocsf --suppressions flowkit-suppressions.yaml",
    )  # fmt: skip
    made.add_argument("source", metavar="SOURCE", help=_SOURCE)
    made.add_argument(
        "--room",
        default="",
        choices=("security", "performance", "cost", "all"),
        help="which rules (all; of ocsf, security)",
    )
    made.add_argument("--format", default="json", choices=("json", "csv", "ocsf", "table"),
                      help="how to print them (json); ocsf: a Detection Finding a line, for a SIEM")  # fmt: skip
    made.add_argument("--suppressions", default="", metavar="FILE", help=_SUPPRESSIONS)
    made.add_argument("--fail-on", default="", choices=SEVERITIES, metavar="SEVERITY", help="as in report")
    _reading(made)


def _inspect(commands: Any) -> None:
    made = _add(
        commands, "inspect", "say what is in a source: objects, formats, period, and every line accounted for",
        "  flowkit inspect logs/\n  flowkit inspect file.log.gz --json",
    )  # fmt: skip
    made.add_argument("source", metavar="SOURCE", help=_SOURCE)
    made.add_argument("--json", action="store_true", help="print it as JSON, and progress as JSON lines")
    _reading(made)


def _convert(commands: Any) -> None:
    made = _add(
        commands, "convert", "write the normalized records as one Parquet, CSV or JSON lines file",
        "  flowkit convert logs/ records.parquet\n"
        "  flowkit convert logs/ day.csv --since 2026-11-02 --until 2026-11-03",
    )  # fmt: skip
    made.add_argument("source", metavar="SOURCE", help=_SOURCE)
    made.add_argument("out", metavar="OUT", help="a file that ends in .parquet, .csv or .jsonl")
    _reading(made)


def _plan(commands: Any) -> None:
    made = _add(
        commands, "plan", "say how much there is to read, how long that takes and what AWS bills, before reading",
        "  flowkit plan logs/\n  flowkit plan s3://my-logs/vpc --since 2026-11-02 --until 2026-11-03 --json",
    )  # fmt: skip
    made.add_argument("source", metavar="SOURCE", help=_SOURCE)
    made.add_argument("--json", action="store_true", help="print it as JSON")
    made.add_argument("--since", default="", metavar="TIME", help="of a remote source, only objects from this instant")
    made.add_argument("--until", default="", metavar="TIME", help="to this instant, not included")
    made.add_argument(
        "--prices", default="", metavar="FILE", help="prices of yours over the list prices (docs/cost.md)"
    )
    _fraction(made)


def _generate(commands: Any) -> None:
    made = _add(
        commands, "generate", "make believable logs with planted incidents, their truth and a bill",
        "  flowkit generate out/ --seed 7 --hours 24 --records 1000000\n"
        "  flowkit generate out/ --format v2 --interval 600 --clean",
    )  # fmt: skip
    made.add_argument("dest", metavar="DEST", help="the folder to write into")
    made.add_argument("--seed", type=int, default=1, help="the same seed makes the same logs (1)")
    made.add_argument("--hours", type=int, default=24, help="how long a time (24)")
    made.add_argument("--records", type=int, default=100_000, help="about how many records (100000)")
    made.add_argument("--format", default="v5", choices=("v2", "v5", "v11"), help="the log format (v5)")
    made.add_argument(
        "--interval", type=int, default=60, choices=(60, 600), help="the aggregation interval in seconds (60)"
    )
    made.add_argument("--clean", action="store_true", help="plant no incidents")


def _notebooks(commands: Any) -> None:
    made = _add(
        commands, "notebooks", "copy the notebooks out, to read and change",
        "  flowkit notebooks my-notebooks/",
    )  # fmt: skip
    made.add_argument("dest", metavar="DEST", help="the folder to copy to; files that are there already are kept")


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 1")
    return value


def _seconds(text: str) -> int:
    value = int(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return value
