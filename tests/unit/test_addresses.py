"""Callers without a name are known by their addresses."""

import socket

import pytest

from bridge.addresses import caller_at, is_loopback, is_loopback_host, names_this_machine


@pytest.mark.parametrize(
    ("peer", "caller"),
    [
        ("ipv4:10.0.0.7:5123", "ipv4:10.0.0.7"),
        ("ipv4:10.0.0.7:5124", "ipv4:10.0.0.7"),
        ("ipv6:[::1]:80", "ipv6:::/64"),
        ("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:80", "ipv6:2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:2:ffff::9]:81", "ipv6:2001:db8:1:2::/64"),
        ("ipv6:[fe80::1%25eth0]:81", "ipv6:fe80::/64"),
        ("ipv6:[::ffff:10.0.0.7]:80", "ipv4:10.0.0.7"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("unix:", "unix"),
        ("", ""),
    ],
)
def test_a_caller_is_its_address_without_the_port(peer: str, caller: str) -> None:
    assert caller_at(peer) == caller


@pytest.mark.parametrize(
    ("peer", "here"),
    [
        ("ipv4:127.0.0.1:5123", True),
        ("ipv4:127.9.9.9:5123", True),
        ("ipv6:%5B::1%5D:80", True),
        ("ipv6:[::ffff:127.0.0.1]:80", True),
        ("unix:", True),
        ("unix:/run/gateway", True),
        ("ipv4:10.0.0.7:5123", False),
        ("ipv4:0.0.0.0:5123", False),
        ("ipv6:[::ffff:10.0.0.7]:80", False),
        ("ipv6:[fe80::1%25lo]:80", False),
        ("vsock:1:2", False),
        ("", False),
    ],
)
def test_callers_on_this_machine_are_told_by_their_address(peer: str, here: bool) -> None:
    assert is_loopback(peer) is here


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.0.0.53", True),
        ("::1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("0.0.0.0", False),  # noqa: S104 - it is what must be told apart
        ("::", False),
        ("", False),
        ("10.0.0.7", False),
        ("localhost.example", False),
    ],
)
def test_a_server_on_loopback_is_told_by_its_host(host: str, here: bool) -> None:
    assert is_loopback_host(host) is here


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1:8082", True),
        ("[::1]:8082", True),
        ("10.0.0.7", True),
        ("localhost", True),
        ("LOCALHOST:1", True),
        (socket.gethostname(), True),
        (f"{socket.gethostname().upper()}:8082", True),
        ("", True),
        ("evil.example:8082", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example:80", False),
    ],
)
def test_a_name_that_somebody_else_lets_stand_for_this_machine_is_none_of_its_own(host: str, own: bool) -> None:
    assert names_this_machine(host) is own
