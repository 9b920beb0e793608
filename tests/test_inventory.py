"""The inventory file: what it holds, what it refuses, and how things are found in it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from flowkit.errors import InventoryError
from flowkit.inventory import Inventory

DOCS = Path(__file__).parent.parent / "docs" / "inventory.md"


def example() -> dict[str, Any]:
    found = re.search(r"```json\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert found
    return json.loads(found.group(1))


def of(**lists: Any) -> Inventory:
    return Inventory.from_dict({"flowkit_inventory": 1, **lists}, where="inventory.json")


def test_the_documented_example_loads(tmp_path: Path) -> None:
    path = tmp_path / "inventory.json"
    path.write_text(json.dumps(example()))
    inventory = Inventory.load(path)
    assert inventory.taken_at == 1_793_577_600
    assert inventory.vpcs[0].account_id == "012345678901"
    assert inventory.vpcs[0].cidrs == ("10.20.0.0/16", "2600:1f18:1::/56")
    web = inventory.interface("eni-web")
    assert web is not None
    assert web.addresses == ("10.20.1.5", "10.20.1.6")
    assert web.public_address == "52.0.0.10"
    assert inventory.security_groups[0].ingress[0].to_port == 443
    assert inventory.network_acls[0].entries[1].egress is True


def test_every_list_of_the_model_is_in_the_documented_table() -> None:
    text = DOCS.read_text()
    for name in Inventory.__dataclass_fields__:
        if name not in ("flowkit_inventory", "taken_at", "region"):
            assert f"| `{name}` |" in text
            assert name in example()


def test_it_round_trips() -> None:
    inventory = Inventory.from_dict(example())
    assert Inventory.from_dict(json.loads(inventory.to_json())) == inventory
    assert json.loads(inventory.to_json())["nat_gateways"][0]["created_at"] == "2026-01-05T08:00:00Z"


def test_an_empty_inventory_and_unknown_keys_are_fine() -> None:
    assert of().interfaces == ()
    assert of(weather="sunny", vpcs=[{"vpc_id": "vpc-1", "mood": 3, "name": None}]).vpcs[0].name == ""


def test_protocols_are_read_by_name_and_by_number() -> None:
    group = {"group_id": "sg-1", "ingress": [{"protocol": "tcp"}, {"protocol": 17}, {"protocol": "-1"}, {}]}
    assert [rule.protocol for rule in of(security_groups=[group]).security_groups[0].ingress] == ["6", "17", "-1", "-1"]


def test_role_comes_from_the_lists_then_from_the_interface() -> None:
    inventory = of(
        interfaces=[
            {"interface_id": "eni-lb", "interface_type": "interface"},
            {"interface_id": "eni-db", "interface_type": "rds"},
            {"interface_id": "eni-web", "instance_id": "i-1"},
            {"interface_id": "eni-odd"},
        ],
        load_balancers=[{"name": "n", "type": "network", "interface_ids": ["eni-lb"]}],
        vpc_endpoints=[{"vpc_endpoint_id": "vpce-1", "interface_ids": ["eni-ep"]}],
        nat_gateways=[{"nat_gateway_id": "nat-1", "interface_id": "eni-nat"}],
    )
    roles = {i: inventory.role_of(i) for i in ("eni-lb", "eni-db", "eni-web", "eni-odd", "eni-ep", "eni-nat", "eni-x")}
    assert roles == {
        "eni-lb": "network_load_balancer",
        "eni-db": "rds",
        "eni-web": "instance",
        "eni-odd": "",
        "eni-ep": "vpc_endpoint",
        "eni-nat": "nat_gateway",
        "eni-x": "",
    }


def test_zone_region_acl_and_routes_are_found_through_the_subnet() -> None:
    inventory = Inventory.from_dict(example())
    assert inventory.az_of("eni-nat") == "use1-az2"
    assert inventory.az_of("eni-unknown") == ""
    assert inventory.region_of("vpc-1") == "us-east-1"
    assert inventory.region_of("vpc-elsewhere") == "us-east-1"
    acl = inventory.network_acl_of("subnet-a")
    assert acl is not None and acl.network_acl_id == "acl-1"
    assert inventory.network_acl_of("subnet-b") is None
    main = inventory.route_table_of("subnet-b")
    assert main is not None and main.route_table_id == "rtb-1"
    bare = of(
        interfaces=[{"interface_id": "eni-1", "subnet_id": "s"}], subnets=[{"subnet_id": "s", "az_id": "use1-az4"}]
    )
    assert bare.az_of("eni-1") == "use1-az4"


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        (
            {"interfaces": [{"interface_id": "eni-1", "private_addresses": ["10.0.0.300"]}]},
            "inventory.json.interfaces[0].private_addresses[0] is '10.0.0.300', which is not an IP address.",
        ),
        (
            {"vpcs": [{"vpc_id": "vpc-1", "cidrs": ["10.0.0.0/40"]}]},
            "inventory.json.vpcs[0].cidrs[0] is '10.0.0.0/40', which is not an address range such as 10.0.0.0/16.",
        ),
        (
            {"vpcs": [{"name": "shop"}]},
            "inventory.json.vpcs[0].vpc_id is missing. An inventory needs it to tell one entry from another.",
        ),
        ({"vpcs": {"vpc_id": "vpc-1"}}, "inventory.json.vpcs is {'vpc_id': 'vpc-1'}, where a list is expected."),
        ({"vpcs": ["vpc-1"]}, "inventory.json.vpcs[0] is 'vpc-1', where an object is expected."),
        (
            {"vpcs": [{"vpc_id": "vpc-1", "account_id": 12345678901}]},
            "inventory.json.vpcs[0].account_id is 12345678901, where a text is expected.",
        ),
        (
            {"subnets": [{"subnet_id": "s-1"}, {"subnet_id": "s-1"}]},
            "inventory.json.subnets[1].subnet_id is 's-1', as is subnets[0]. Each may be listed once.",
        ),
        (
            {"nat_gateways": [{"nat_gateway_id": "nat-1", "availability_mode": "global"}]},
            "inventory.json.nat_gateways[0].availability_mode is 'global'. It can be zonal, regional.",
        ),
        (
            {"security_groups": [{"group_id": "sg-1", "egress": [{"protocol": "tpc"}]}]},
            "inventory.json.security_groups[0].egress[0].protocol is 'tpc', which is not a protocol number. "
            + '"-1" means any protocol.',
        ),
        (
            {"security_groups": [{"group_id": "sg-1", "egress": [{"from_port": "22"}]}]},
            "inventory.json.security_groups[0].egress[0].from_port is '22', where a whole number is expected.",
        ),
        (
            {"interfaces": [{"interface_id": "eni-1", "source_dest_check": "no"}]},
            "inventory.json.interfaces[0].source_dest_check is 'no', where true or false is expected.",
        ),
        (
            {"taken_at": "yesterday"},
            "inventory.json.taken_at is 'yesterday', which is not a time such as 2026-11-02T00:00:00Z.",
        ),
        ({"flowkit_inventory": 2}, "inventory.json has flowkit_inventory 2; this flowkit reads 1."),
    ],
)
def test_a_mistake_is_named_by_its_place(lists: dict[str, Any], message: str) -> None:
    with pytest.raises(InventoryError) as caught:
        of(**lists)
    assert str(caught.value) == message


def test_a_file_that_is_not_an_inventory_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for text, message in (
        ("[]", f'{path} is not a flowkit inventory: it has no "flowkit_inventory": 1.'),
        ("{", f"{path} is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)."),
    ):
        path.write_text(text)
        with pytest.raises(InventoryError) as caught:
            Inventory.load(path)
        assert str(caught.value) == message
    with pytest.raises(InventoryError) as caught:
        Inventory.load(tmp_path / "none.json")
    assert str(caught.value) == f"{tmp_path / 'none.json'} cannot be read: No such file or directory."
