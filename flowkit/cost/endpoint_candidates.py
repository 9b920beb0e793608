"""Which AWS services are reached through NAT gateways although an endpoint would be cheaper."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from flowkit.cost.money import book_or_default, month_factor, priced, region_of, usd_of
from flowkit.cost.nat_destinations import DESTINATIONS
from flowkit.cost.natlegs import nat_sql
from flowkit.cost.regions import ranges_known, ranges_sql
from flowkit.engines import bind
from flowkit.finding import Finding, aws_cli, finding_id, iso
from flowkit.flows import Flows
from flowkit.prices import PriceBook
from flowkit.question import Answer, question
from flowkit.question import rows as rows_in

__all__ = ["endpoint_candidates", "gateway_endpoint_missing"]

#: A month is a quotient: so many digits of it are kept.
_DIGITS = Decimal(1).scaleb(-12)

_CANDIDATES = """
SELECT d.network AS vpc_id, n.observer AS nat_interface_id, n.name AS nat_name, n.region, d.aws_service, d.aws_region,
       CASE WHEN d.aws_region IS NOT NULL AND d.aws_region <> n.region THEN 'none'
            WHEN d.aws_service IN ('S3', 'DYNAMODB') THEN 'gateway'
            WHEN d.aws_service IN ('AMAZON', 'EC2', 'CLOUDFRONT', 'GLOBALACCELERATOR') THEN 'unknown'
            ELSE 'interface' END AS endpoint_type,
       CASE WHEN n.role = 'regional_nat_gateway' THEN 'regional_nat_gateway_bytes' ELSE 'nat_gateway_bytes' END AS item,
       CAST(sum(CASE WHEN d.direction = 'fwd' THEN d.bytes ELSE 0 END) AS BIGINT) AS out_bytes,
       CAST(sum(CASE WHEN d.direction = 'rev' THEN d.bytes ELSE 0 END) AS BIGINT) AS back_bytes,
       CAST(sum(d.bytes) AS BIGINT) AS billed_bytes,
       CAST(count(DISTINCT d.client) AS BIGINT) AS clients, CAST(count(DISTINCT d.peer) AS BIGINT) AS peers,
       min(d.first_s) AS first_s, max(d.last_s) AS last_s
FROM destinations d JOIN nats n ON n.observer = d.observer
WHERE d.aws_service IS NOT NULL
GROUP BY d.network, n.observer, n.name, n.role, n.region, d.aws_service, d.aws_region
ORDER BY billed_bytes DESC, nat_interface_id, aws_service, aws_region NULLS LAST
"""


@question(needs=("srcaddr", "dstaddr", "bytes"), sharper_with=("pkt_dst_aws_service", "pkt_dstaddr", "inventory"))
def endpoint_candidates(flows: Flows, *, book: PriceBook | str | None = None, region: str = "") -> Answer:
    """Which AWS services go through NAT gateways, and what would an endpoint save in a month?

    One row per VPC, NAT gateway, service and region of the service. `endpoint_type` is `gateway` (S3 and DynamoDB of
    the same region: free), `interface` (paid), `unknown` (AWS publishes the range without the service's name) or
    `none` (another region: no endpoint reaches it). `month_usd` is the NAT processing of a month at the marginal
    price, `endpoint_month_usd` what the endpoint would cost in the zones of the VPC, `saving_month_usd` the
    difference, never below zero.

    Blind spots: a short period says little about a month; endpoint policies and private DNS are not looked at. The
    region of a service takes the published ranges of the inventory; without them S3 and DynamoDB are taken for the
    same region. Source: AWS PrivateLink and VPC endpoint pricing.
    """
    book = book_or_default(book)
    home, said = region_of(flows, region)
    sql = f"WITH {nat_sql(flows, home)}, {ranges_sql(flows)}{DESTINATIONS.rstrip()}{_CANDIDATES.rstrip()}"
    answer = priced(flows.ask(sql, caveats=("A month is extrapolated from this period.", *said)), book)
    return _with_months(flows, answer, book)


def _with_months(flows: Flows, answer: Answer, book: PriceBook) -> Answer:
    """Add what a month costs with the NAT gateway and with an endpoint."""
    import pandas as pd

    frame, factor = answer.table.copy(), month_factor(flows)
    months: list[Decimal | None] = []
    endpoints: list[Decimal | None] = []
    savings: list[Decimal | None] = []
    exists: list[bool] = []
    for row in rows_in(frame):
        now = None if row["estimated_usd"] is None else (row["estimated_usd"] * factor).quantize(_DIGITS)
        then = _endpoint_month(flows, row, book, factor)
        months.append(now)
        endpoints.append(then)
        savings.append(None if now is None or then is None else max(now - then, Decimal(0)))
        exists.append(_has_endpoint(flows, str(row["vpc_id"]), str(row["aws_service"])))
    for name, values in (("month_usd", months), ("endpoint_month_usd", endpoints), ("saving_month_usd", savings)):
        frame[name] = pd.Series(values, index=frame.index, dtype=object)
    frame["endpoint_exists"] = pd.Series(exists, index=frame.index, dtype="boolean")
    return replace(answer, _table=frame)


def _endpoint_month(flows: Flows, row: dict[str, Any], book: PriceBook, factor: Decimal) -> Decimal | None:
    """What the same bytes would cost through an endpoint in a month; None where there is none or no price."""
    if row["endpoint_type"] == "gateway":
        return Decimal(0)
    if row["endpoint_type"] != "interface":
        return None
    data, _ = usd_of(book, "vpc_endpoint_bytes", row["region"], row["billed_bytes"])
    hour, _ = usd_of(book, "vpc_endpoint_hour", row["region"], 1)
    if data is None or hour is None:
        return None
    subnets = flows.inventory.subnets if flows.inventory else ()
    zones = {one.az_id for one in subnets if one.vpc_id == row["vpc_id"] and one.az_id}
    return (data * factor + hour * 730 * max(1, len(zones))).quantize(_DIGITS)


def _has_endpoint(flows: Flows, vpc_id: str, service: str) -> bool:
    """Whether the inventory has an endpoint for this service in this VPC, which then is not used here."""
    known = flows.inventory.vpc_endpoints if flows.inventory else ()
    return any(one.vpc_id == vpc_id and one.service_name.rsplit(".", 1)[-1].upper() == service for one in known)


# Who sends to the service: with `pkt-*` the clients of the inner legs; without, the hosts of the VPC that speak with
# the same addresses at their own interface.
_CLIENTS = """
, wanted AS (
  SELECT DISTINCT network, peer FROM destinations
  WHERE observer = $nat AND aws_service = $service AND network = $network
), asking AS (
  SELECT client, CAST(sum(bytes) AS BIGINT) AS bytes FROM destinations
  WHERE observer = $nat AND aws_service = $service AND network = $network AND client IS NOT NULL
  GROUP BY client
  UNION ALL
  SELECT f.srcaddr, CAST(sum(f.bytes) AS BIGINT)
  FROM flows f
  JOIN wanted w ON w.network = f.network AND w.peer = f.dstaddr
  JOIN (SELECT DISTINCT network, client FROM nat_legs WHERE observer = $nat) c
    ON c.network = f.network AND c.client = f.srcaddr
  WHERE f.pkt_dstaddr IS NULL AND f.observer <> $nat AND COALESCE(f.action, 'ACCEPT') = 'ACCEPT'
  GROUP BY f.srcaddr
)
SELECT client, CAST(sum(bytes) AS BIGINT) AS bytes FROM asking GROUP BY client ORDER BY client
"""


def gateway_endpoint_missing(
    flows: Flows, *, min_saving_month_usd: float = 1.0, book: PriceBook | str | None = None, region: str = ""
) -> list[Finding]:
    """S3 or DynamoDB of the same region through a NAT gateway, where a gateway endpoint is free.

    Fires per VPC, NAT gateway and service where a month would save at least `min_saving_month_usd`.
    """
    answer = endpoint_candidates(flows, book=book, region=region)
    if not answer.answerable:
        return []
    rows = rows_in(answer.table[answer.table["endpoint_type"] == "gateway"])
    least = Decimal(str(min_saving_month_usd))
    return [
        _finding(flows, row, region)
        for row in rows
        if row["saving_month_usd"] is not None and row["saving_month_usd"] >= least
    ]


def _finding(flows: Flows, row: dict[str, Any], region: str) -> Finding:
    home, _ = region_of(flows, region)
    ctes = f"WITH {nat_sql(flows, home)}, {ranges_sql(flows)}{DESTINATIONS.rstrip()}"
    wanted = bind(_CLIENTS, nat=row["nat_interface_id"], service=row["aws_service"], network=row["vpc_id"])
    clients = flows.arrow(ctes + wanted.rstrip()).to_pylist()
    name = row["nat_name"] if isinstance(row["nat_name"], str) else row["nat_interface_id"]
    saving = row["saving_month_usd"].quantize(Decimal("0.01"))
    sure, service = isinstance(row["aws_region"], str), str(row["aws_service"])
    inputs = {"vpc_id": row["vpc_id"], "interface_id": row["nat_interface_id"], "service": row["aws_service"]}
    subject: dict[str, Any] = {"srcaddr": [one["client"] for one in clients], "interface_id": row["nat_interface_id"]}
    if str(row["vpc_id"]).startswith("vpc-"):
        subject["vpc_id"] = row["vpc_id"]
    step = "Create a gateway endpoint for the service and add it to the route tables of these hosts' subnets."
    if row["endpoint_exists"]:
        step = "The VPC has an endpoint for the service: add it to the route tables of these hosts' subnets."
    return Finding(
        id=finding_id("gateway_endpoint_missing", inputs),
        rule="gateway_endpoint_missing",
        title=f"{service} goes through NAT gateway {name}: a gateway endpoint saves about ${saving:,} a month",
        severity="low",
        confidence=0.95 if sure and ranges_known(flows) else 0.85 if sure else 0.7,
        subject=subject,
        first_seen=iso(row["first_s"]),
        last_seen=iso(row["last_s"]),
        count=max(1, len(clients)),
        explanation=(
            f"The NAT gateway processed {int(row['billed_bytes']):,} bytes to and from {service} in this period, "
            "at its price per GB. A gateway endpoint carries the same traffic without a charge."
        ),
        could_also_be=(
            "A policy of a bucket or table may admit only the NAT gateway's address: it has to name the endpoint, too."
            if sure
            else "The service may be in another region, which a gateway endpoint does not reach."
        ),
        next_step=f"{step} {_look_up(subject.get('vpc_id'), exists=bool(row['endpoint_exists']))}",
        evidence=[
            {"srcaddr": one["client"], "bytes": one["bytes"]}
            for one in sorted(clients, key=lambda one: (-one["bytes"], one["client"]))[:20]
        ],
    )


def _look_up(network: Any, *, exists: bool) -> str:
    """The call that shows the endpoint that is there, or the route tables that want one."""
    of = ("--filters", f"Name=vpc-id,Values={network}") if network else ()
    if exists:
        return f"Its route tables: {aws_cli('ec2', 'describe-vpc-endpoints', *of)}"
    return f"The route tables: {aws_cli('ec2', 'describe-route-tables', *of)}"
