from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from topology import gateway as real
from topology import places
from topology.gateway import Gateway

from module_utils.topology import filter_status, model, survey


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine itself is read or written."""
    places.lead_into(tmp_path, monkeypatch.setattr)
    # A filter that does not answer does not do so later either.
    monkeypatch.setattr(filter_status, "REPLACEMENT_SECONDS", 0.0)


@pytest.fixture
def host_with_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine of the tests has does not matter to a constructed survey."""
    monkeypatch.setattr(survey, "host_has_ipv6", lambda: True)


@pytest.fixture
def host_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "host_has_ipv6", lambda: False)


@pytest.fixture
def edge(config_dir: Path, commands: Path) -> Iterator[Gateway]:
    """A gateway in topology edge whose Postfix does not share its ports."""
    with real.running(config_dir, commands, model.EDGE) as gateway:
        yield gateway


@pytest.fixture
def direct(config_dir: Path, commands: Path) -> Iterator[Gateway]:
    with real.running(config_dir, commands, model.DIRECT) as gateway:
        yield gateway


@pytest.fixture
def shared_edge(config_dir: Path, commands: Path) -> Iterator[Gateway]:
    """A gateway in topology edge whose Postfix shares its ports."""
    with real.running(config_dir, commands, model.EDGE, shared=True) as gateway:
        yield gateway


@pytest.fixture
def shared_direct(config_dir: Path, commands: Path) -> Iterator[Gateway]:
    with real.running(config_dir, commands, model.DIRECT, shared=True) as gateway:
        yield gateway


@pytest.fixture
def inline(config_dir: Path, commands: Path) -> Iterator[Gateway]:
    with real.running(config_dir, commands, model.INLINE) as gateway:
        yield gateway


@pytest.fixture
def shared_inline(config_dir: Path, commands: Path) -> Iterator[Gateway]:
    with real.running(config_dir, commands, model.INLINE, shared=True) as gateway:
        yield gateway
