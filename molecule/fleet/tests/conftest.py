import pytest
from fixtures import client, fleet_of, gateways, mailstore
from lab_hosts import LabHost, MailStore
from moves import Fleet
from rollouts import Rollouts
from state_servers import PASSWORD, StateServer, install

__all__ = ["client", "gateways", "mailstore"]


@pytest.fixture(scope="session")
def fleet(gateways: list[LabHost], request: pytest.FixtureRequest) -> Fleet:
    """The gateways, in whatever topology a rollout has left them."""
    return fleet_of(gateways, request.session)


@pytest.fixture(scope="session")
def rollouts(tmp_path_factory: pytest.TempPathFactory) -> Rollouts:
    return Rollouts(tmp_path_factory.mktemp("rollouts"))


@pytest.fixture(scope="session")
def servers(
    gateways: list[LabHost], mailstore: MailStore, tmp_path_factory: pytest.TempPathFactory
) -> list[StateServer]:
    """Redis on Debian 12, and Valkey with TLS on Debian 13."""
    redis = StateServer(mailstore, "redis", tls=False)
    valkey = StateServer(gateways[-1], "valkey", tls=True)
    valkey.make_certificate(gateways)
    found, folder = [redis, valkey], tmp_path_factory.mktemp("state")
    foreseen = install(found, folder, "--check", "--diff").must_pass()
    output = install(found, folder, "-vvvv", "--diff").must_pass()
    assert PASSWORD not in foreseen + output
    return found
