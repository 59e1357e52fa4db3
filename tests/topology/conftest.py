from __future__ import annotations

import pytest

from module_utils.topology import survey


@pytest.fixture
def host_with_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine of the tests has does not matter to a constructed survey."""
    monkeypatch.setattr(survey, "host_has_ipv6", lambda: True)


@pytest.fixture
def host_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "host_has_ipv6", lambda: False)
