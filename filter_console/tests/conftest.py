"""Fixtures: a real filter with a Postfix of a few lines, and the console's command beside it."""

import asyncio
import inspect

import pytest
from console import Console
from harness import Backend, Filter

TEST_SECONDS = 60


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Each test that is a coroutine runs in a loop of its own, for so long."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), TEST_SECONDS))
    return True


@pytest.fixture
def proxy(tmp_path):
    """A filter that does not run yet."""
    folder = tmp_path / "filter"
    folder.mkdir()
    made = Filter(folder)
    yield made
    made.kill()


@pytest.fixture
def console(tmp_path, proxy):
    """A console of that filter; it does not run yet either."""
    folder = tmp_path / "console"
    folder.mkdir()
    made = Console(folder, proxy.directory / "control")
    yield made
    made.stop()


@pytest.fixture
def backend():
    """What the filter hands its clients to; start it inside the test's loop."""
    return Backend()
