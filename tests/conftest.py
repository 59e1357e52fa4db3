from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import corpus  # noqa: E402
import oracle as real  # noqa: E402

# A busy machine is no failure, and the same code gives the same result. HYPOTHESIS_PROFILE=explore
# looks for new examples.
settings.register_profile("project", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "project"))


@pytest.fixture(scope="session")
def oracle() -> real.Oracle:
    try:
        return real.prepare()
    except real.OracleError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def shipped_masters(oracle: real.Oracle) -> dict[str, bytes]:
    """Files named master.cf, and the entries in manuals."""
    return corpus.named_files(oracle.packages, "master") | corpus.snippets(oracle.packages)


@pytest.fixture(scope="session")
def shipped_mains(oracle: real.Oracle) -> dict[str, bytes]:
    return corpus.named_files(oracle.packages, "main")


@pytest.fixture(scope="session")
def shipped_texts(oracle: real.Oracle) -> dict[str, bytes]:
    """Whole texts of any form in which entries stand."""
    return corpus.texts(oracle.packages)


MASTER = b"""\
# service type  private unpriv  chroot  wakeup  maxproc command + args
smtp      inet  n       -       y       -       -       smtpd
#smtps     inet  n       -       y       -       -       smtpd
pickup    unix  n       -       y       60      1       pickup
"""


@pytest.fixture
def commands(oracle: real.Oracle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in PATH with the real postconf and a postfix that notes its calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    oracle.write_commands(folder)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


@pytest.fixture
def config_dir(oracle: real.Oracle, tmp_path: Path, commands: Path) -> Path:  # noqa: ARG001
    folder = tmp_path / "postfix"
    folder.mkdir()
    (folder / "main.cf").write_bytes(b"# mine\n" + oracle.settings + b"relayhost = [a]:25\n")
    (folder / "master.cf").write_bytes(MASTER)
    return folder
