"""The Community ID, by the specification's own reference data, and what may not be given one."""

from __future__ import annotations

import pytest

import flowkit as fk
from flowkit.errors import ParameterError

#: github.com/corelight/community-id-spec, baseline/baseline_deflt.json and baseline_seed1.json: protocol, both
#: addresses, both ports, and in the next line the ID with seed 0 and with seed 1. For ICMP the ports are type and code.
BASELINE = """
58 fe80::200:86ff:fe05:80da fe80::260:97ff:fe07:69ea 135 136
  dGHyGvjMfljg6Bppwm3bg0LO8TY= kHa1FhMYIT6Ym2Vm2AOtoOARDzY=
58 fe80::260:97ff:fe07:69ea fe80::200:86ff:fe05:80da 136 135
  dGHyGvjMfljg6Bppwm3bg0LO8TY= kHa1FhMYIT6Ym2Vm2AOtoOARDzY=
58 fe80::260:97ff:fe07:69ea fe80::200:86ff:fe05:80da 135 136
  zavyT/cezQr1fmImYCwYnMXbgck= 2hSqmsDZ2kdcY9kbiUzOEBic0iM=
58 fe80::200:86ff:fe05:80da fe80::260:97ff:fe07:69ea 136 135
  zavyT/cezQr1fmImYCwYnMXbgck= 2hSqmsDZ2kdcY9kbiUzOEBic0iM=
58 3ffe:501:1800:2345::2 3ffe:507:0:1:200:86ff:fe05:80da 3 0
  2ObVBgIn28oZvibYZhZMBgh7WdQ= lVEtCZpYu84Xqaa++3lXFyuu2n4=
58 3ffe:501:410:0:2c0:dfff:fe47:33e 3ffe:507:0:1:200:86ff:fe05:80da 1 4
  hLZd0XGWojozrvxqE0dWB1iM6R0= W8MHwXpWzpoSTD+cGcaJr4u0ys8=
58 3ffe:507:0:1:200:86ff:fe05:80da 3ffe:501:0:1001::2 128 129
  +TW+HtLHvV1xnGhV1lv7XoJrqQg= GfZxjAkDk2MkegpBYHV6tadtFXQ=
58 3ffe:501:0:1001::2 3ffe:507:0:1:200:86ff:fe05:80da 129 128
  +TW+HtLHvV1xnGhV1lv7XoJrqQg= GfZxjAkDk2MkegpBYHV6tadtFXQ=
58 fe80::200:86ff:fe05:80da ff02::2 133 134
  hO+sN4H+MG5MY/8hIrXPqc4ZQz0= L7Ka0ZMYu+J3bL4ulW2PrqyXNo8=
58 fe80::260:97ff:fe07:69ea ff02::1 134 133
  pkvHqCL88/tg1k4cPigmZXUtL00= K/ee5UCqAMAQXDorP5nSa2CGLjc=
1 192.168.0.89 192.168.0.1 8 0
  X0snYXpgwiv9TZtqg64sgzUn6Dk= 03g6IloqVBdcZlPyX8r0hgoE7kA=
1 192.168.0.1 192.168.0.89 0 8
  X0snYXpgwiv9TZtqg64sgzUn6Dk= 03g6IloqVBdcZlPyX8r0hgoE7kA=
1 10.0.0.1 10.0.0.2 11 0
  YHxtAirCG//0OzkcVAukqKQN9xM= XjUibYHaafLQ3pxQeiMI8g25q20=
6 2001:470:e5bf:dead:4957:2174:e82c:4887 2607:f8b0:400c:c03::1a 63943 25
  /qFaeAR+gFe1KYjMzVDsMv+wgU4= eJYTW6AOzFLlSUoESovMjnu7rMw=
6 2607:f8b0:400c:c03::1a 2001:470:e5bf:dead:4957:2174:e82c:4887 25 63943
  /qFaeAR+gFe1KYjMzVDsMv+wgU4= eJYTW6AOzFLlSUoESovMjnu7rMw=
132 192.168.170.8 192.168.170.56 7 7
  MP2EtRCAUIZvTw6MxJHLV7N7JDs= 5w3ZRjeKBzqT3zsaEECDGjUbYeg=
132 192.168.170.56 192.168.170.8 7 7
  MP2EtRCAUIZvTw6MxJHLV7N7JDs= 5w3ZRjeKBzqT3zsaEECDGjUbYeg=
6 128.232.110.120 66.35.250.204 34855 80
  LQU9qZlK+B5F3KDmev6m5PMibrg= 3V71V58M3Ksw/yuFALMcW0LAHvc=
6 66.35.250.204 128.232.110.120 80 34855
  LQU9qZlK+B5F3KDmev6m5PMibrg= 3V71V58M3Ksw/yuFALMcW0LAHvc=
17 192.168.1.52 8.8.8.8 54585 53
  d/FP5EW3wiY1vCndhwleRRKHowQ= Q9We8WO3piVF8yEQBNJF4uiSVrI=
17 8.8.8.8 192.168.1.52 53 54585
  d/FP5EW3wiY1vCndhwleRRKHowQ= Q9We8WO3piVF8yEQBNJF4uiSVrI=
46 10.1.12.1 10.1.12.2 0 0
  KHlLkgoJW7ifUTyTSgyVfkFHzKw= rYir8gphR31noO9iDRQmF/BteEI=
46 10.1.12.2 10.1.12.1 0 0
  KHlLkgoJW7ifUTyTSgyVfkFHzKw= rYir8gphR31noO9iDRQmF/BteEI=
"""
LINES = BASELINE.split("\n")[1:-1]


@pytest.mark.parametrize(("conversation", "ids"), [*zip(LINES[::2], LINES[1::2], strict=True)])
def test_the_reference_data_of_the_specification_come_out(conversation, ids):
    protocol, srcaddr, dstaddr, srcport, dstport = conversation.split()
    plain, seeded = ids.split()
    assert fk.community_id(srcaddr, dstaddr, int(srcport), int(dstport), int(protocol)) == f"1:{plain}"
    assert fk.community_id(srcaddr, dstaddr, int(srcport), int(dstport), int(protocol), seed=1) == f"1:{seeded}"


def test_with_equal_addresses_the_lower_port_comes_first():
    there = fk.community_id("10.0.0.1", "10.0.0.1", 5000, 80, 6)
    assert there == fk.community_id("10.0.0.1", "10.0.0.1", 80, 5000, 6)
    assert there != fk.community_id("10.0.0.1", "10.0.0.1", 5001, 80, 6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("10.0.0.1", "::1", 1, 2, 6), "10.0.0.1 and ::1 are addresses of two families; a conversation has one."),
        (("10.0.0", "10.0.0.1", 1, 2, 6), "'10.0.0' is not an IP address."),
        (("10.0.0.1", "10.0.0.2", 65536, 2, 6), "srcport 65536 is not between 0 and 65535."),
        (("10.0.0.1", "10.0.0.2", 1, -1, 17), "dstport -1 is not between 0 and 65535."),
        (("10.0.0.1", "10.0.0.2", 1, 2, 256), "protocol 256 is not between 0 and 255."),
        (("10.0.0.1", "10.0.0.2", 1, 2, 6, 65536), "seed 65536 is not between 0 and 65535."),
    ],
)
def test_what_is_no_conversation_has_no_id(given, message):
    with pytest.raises(ParameterError) as told:
        fk.community_id(*given)
    assert str(told.value) == message
