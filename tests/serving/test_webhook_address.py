"""Which addresses a webhook's receiver may have."""

import pytest

from serving.webhook_address import is_loopback, is_nowhere, reachable


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_has_many_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "example.com", ""])
def test_another_machine_is_not_this_one(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["169.254.169.254", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "::ffff:169.254.169.254"])
def test_addresses_of_no_receiver_are_known(host: str) -> None:
    assert is_nowhere(host)
    assert reachable("hooks.example.com", [host]) == ()


@pytest.mark.parametrize("address", ["203.0.113.7", "10.1.2.3", "192.168.1.4", "2001:db8::7", "fd00::1"])
def test_a_receiver_may_be_anywhere_else_also_in_a_private_network(address: str) -> None:
    assert [str(found) for found in reachable("hooks.example.com", [address])] == [address]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_a_name_that_somebody_else_owns_does_not_lead_to_this_machine(address: str) -> None:
    assert reachable("hooks.example.com", [address]) == ()
    assert len(reachable("localhost", [address])) == 1


def test_one_wrong_address_of_several_is_enough_to_refuse() -> None:
    assert reachable("hooks.example.com", ["203.0.113.7", "169.254.169.254"]) == ()


def test_a_name_for_this_machine_does_not_lead_out_of_it() -> None:
    assert reachable("localhost", ["203.0.113.7"]) == ()


def test_a_name_without_addresses_is_not_reachable() -> None:
    assert reachable("hooks.example.com", []) == ()


def test_a_zone_is_no_part_of_an_address() -> None:
    assert reachable("hooks.example.com", ["fe80::1%eth0"]) == ()
