"""The finding's small parts: the calls that its next step ends with."""

from __future__ import annotations

import shlex

import pytest

from flowkit.finding import aws_cli, look_up


def test_a_call_survives_a_shell_word_by_word():
    words = ["ec2", "describe-vpcs", "--filters", "Name=tag:Name,Values=it's $(reboot); a *", "--query", "Vpcs[].VpcId"]
    call = aws_cli(*words)
    assert shlex.split(call) == ["aws", *words]
    assert call == (
        """aws ec2 describe-vpcs --filters 'Name=tag:Name,Values=it'"'"'s $(reboot); a *' --query 'Vpcs[].VpcId'"""
    )


def test_words_may_be_numbers():
    assert aws_cli("ec2", "wait", 5) == "aws ec2 wait 5"


@pytest.mark.parametrize(
    ("addresses", "values"),
    [
        (("10.0.1.4",), "Name=addresses.private-ip-address,Values=10.0.1.4"),
        (("10.0.1.4", "10.0.1.5"), "Name=addresses.private-ip-address,Values=10.0.1.4,10.0.1.5"),
        (("100.64.0.1",), "Name=addresses.private-ip-address,Values=100.64.0.1"),
        (("8.8.8.8",), "Name=association.public-ip,Values=8.8.8.8"),
        (("2600:1f18::5",), "Name=ipv6-addresses.ipv6-address,Values=2600:1f18::5"),
    ],
)
def test_an_interface_is_looked_up_by_the_filter_that_knows_such_addresses(addresses, values):
    assert look_up(*addresses) == f"aws ec2 describe-network-interfaces --filters {values}"


def test_a_look_up_can_show_a_part():
    assert look_up("10.0.1.4", show="NetworkInterfaces[].Groups[]").endswith(
        "Values=10.0.1.4 --query 'NetworkInterfaces[].Groups[]'"
    )
