"""Fixtures. Tests of the shell are coroutines; each runs in a loop of its own, for so long."""

import asyncio
import inspect
import os

import pytest
from harness import Filter
from hypothesis import settings
from key_value import SERVER, Server
from lying_dns import LyingDns
from rbldnsd import Rbldnsd

TEST_SECONDS = 30

# A busy machine is no failure, and the same code gives the same result. HYPOTHESIS_PROFILE=explore
# looks for new examples.
settings.register_profile("project", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "project"))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), TEST_SECONDS))
    return True


@pytest.fixture
def proxy(tmp_path):
    made = Filter(tmp_path)
    yield made
    made.kill()


@pytest.fixture
def server(tmp_path_factory):
    if SERVER is None:
        pytest.skip("neither valkey-server nor redis-server is installed")
    made = Server(tmp_path_factory.mktemp("kv"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def dns():
    """A server on which ``ip4.test`` is a block list."""
    server = LyingDns()
    server.is_a_list("ip4.test")
    yield server
    server.close()


@pytest.fixture
def zones(tmp_path):
    """A real rbldnsd, which runs as another user."""
    folder = tmp_path / "zones"
    folder.mkdir()
    for each in (tmp_path, folder):
        each.chmod(0o755)
    found = Rbldnsd(folder)
    yield found
    found.stop()
