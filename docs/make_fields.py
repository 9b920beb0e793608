"""Makes docs/fields.md from the field table: `python docs/make_fields.py`. A test compares the page with this."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flowkit.fields import DEFAULT_FORMAT, TGW_FIELDS, VPC_FIELDS, Field
from flowkit.formats import to_format_string

HEAD = f"""# The fields of a flow log

Made from `flowkit/fields.py` by `docs/make_fields.py`; do not edit. Column names are AWS's names with underscores, save
`start_s` and `end_s`. A field that is absent is `-` in the log and null in the tables. The type is the column's; the
Parquet type is what AWS documents for its own files, and any other is brought to the column's type.

The default format is `{to_format_string(DEFAULT_FORMAT)}`: a custom format names fields in any order, and the
reader goes by their names. A field that this page lacks is kept as text under its own name and reported.

Fields marked † belong to version 11, which AWS's own pages did not yet describe when this was written; names and
meanings come from other people's records and from the API. The fields of Cloud WAN flow logs are not published.
"""

ROW = "| `{name}` | `{column}` | {version} | {type} | {parquet} | {meaning} | {null_when} | {kinds} |"
TABLE_HEAD = """| field | column | version | type | in Parquet | meaning | absent | records |
|---|---|---|---|---|---|---|---|"""


def table(fields: Sequence[Field]) -> str:
    """One table row for each field, in the order of versions."""
    rows = [
        ROW.format(
            name=field.name,
            column=field.column,
            version=f"{field.version}{'' if field.verified else ' †'}",
            type=field.type,
            parquet=field.parquet,
            meaning=field.meaning,
            null_when=field.null_when or "never",
            kinds=", ".join(kind.replace("_", " ") for kind in field.kinds),
        )
        for field in fields
    ]
    return "\n".join([TABLE_HEAD, *rows])


def page() -> str:
    """The whole page."""
    vpc = f"## VPC flow logs: {len(VPC_FIELDS)} fields, versions 2 to 11\n\n{table(VPC_FIELDS)}\n"
    tgw = (
        f"## Transit gateway flow logs: {len(TGW_FIELDS)} fields, version 6\n\n"
        f"In the order of their default format, which has all of them.\n\n{table(TGW_FIELDS)}\n"
    )
    return "\n".join([HEAD, vpc, tgw])


if __name__ == "__main__":
    (Path(__file__).parent / "fields.md").write_text(page(), encoding="utf-8")
