"""Releases beside each other, one of them in use, for the Python that runs the tests."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from module_utils.releases import environment
from module_utils.releases.environment import UnusableError, is_whole
from module_utils.releases.program import Program

PYTHON = Path(sys.executable).resolve()
RECORD = "program.py,sha256=-,{size}\nprogram-1.dist-info/RECORD,,\n../../bin/program,sha256=-,99\n"


@pytest.fixture(autouse=True)
def hosts_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Debian's name for its default Python."""
    default = tmp_path / "python3"
    default.symlink_to(PYTHON)
    monkeypatch.setattr(environment, "DEFAULT_PYTHON", default)
    return default


@pytest.fixture
def program(tmp_path: Path) -> Program:
    home, commands = tmp_path / "home", tmp_path / "commands"
    commands.mkdir()
    return Program(home, "program", commands)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """What a host is sent; what `program` says is in a package of its own."""
    return packed(tmp_path, "print('served')\n")


def packed(folder: Path, code: str) -> Path:
    packages = folder / f"tree/lib/{PYTHON.name}/site-packages"
    (packages / "program-1.dist-info").mkdir(parents=True)
    (folder / "tree/bin").mkdir()
    script = folder / "tree/bin/program"
    script.write_text("#!/where/it/was/made/python\nimport program\n")
    script.chmod(0o755)
    (packages / "program.py").write_text(code)
    (packages / "program-1.dist-info/RECORD").write_text(RECORD.format(size=len(code)))
    file = folder / "part.tar.gz"
    with tarfile.open(file, "w:gz") as parts:
        for name in ("bin", "lib"):
            parts.add(folder / "tree" / name, name)
    return file


def release(program: Program, name: str) -> Path:
    return program.home / "releases" / name


def said(program: Program) -> str:
    command = [program.commands / "program"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_release_is_installed_and_used(program: Program, archive: Path) -> None:
    first = release(program, "1")
    assert program.in_use() is None
    assert len(program.unlinked(first)) == 2
    program.install(first, archive, ["program"])
    assert program.in_use() is None
    program.use(first)
    assert program.in_use() == first
    assert program.unlinked(first) == []
    assert said(program) == "served\n"
    assert len(list(first.rglob("*.pyc"))) == 1


def test_another_one_takes_its_place(program: Program, archive: Path) -> None:
    for name in ("1", "2", "3"):
        program.install(release(program, name), archive, [])
        program.use(release(program, name))
    assert program.in_use() == release(program, "3")
    program.forget([release(program, "3"), release(program, "1")])
    assert sorted(folder.name for folder in (program.home / "releases").iterdir()) == ["1", "3"]


@pytest.mark.parametrize(
    "part", ["bin/program", "bin/python", f"lib/{PYTHON.name}/site-packages/program.py"]
)
def test_one_that_lacks_a_part_is_none_and_is_installed_anew(
    program: Program, archive: Path, part: str
) -> None:
    first = release(program, "1")
    program.install(first, archive, [])
    program.use(first)
    (first / part).unlink()
    assert program.in_use() is None
    program.install(first, archive, [])
    assert program.in_use() == first
    assert said(program) == "served\n"


def test_a_file_that_was_cut_off_is_missing(program: Program, archive: Path) -> None:
    first = release(program, "1")
    program.install(first, archive, [])
    (first / f"lib/{PYTHON.name}/site-packages/program.py").write_text("print(")
    assert not is_whole(first, "program")


def test_one_that_was_installed_for_a_python_that_is_gone_is_none(
    program: Program, archive: Path, tmp_path: Path
) -> None:
    first = release(program, "1")
    program.install(first, archive, [])
    (first / "bin/python").unlink()
    (first / "bin/python").symlink_to(tmp_path / "python3.9")
    assert not is_whole(first, "program")


def test_a_whole_one_is_left_alone(program: Program, archive: Path, tmp_path: Path) -> None:
    first = release(program, "1")
    program.install(first, archive, [])
    program.install(first, tmp_path / "no archive", [])
    assert is_whole(first, "program")


def test_what_does_not_run_leaves_nothing(program: Program, tmp_path: Path) -> None:
    first = release(program, "1")
    broken = packed(tmp_path, "import nothing_of_this_name\n")
    with pytest.raises(UnusableError, match="No module named 'nothing_of_this_name'"):
        program.install(first, broken, ["program"])
    assert not first.exists()


def test_an_archive_that_was_cut_off_leaves_nothing(program: Program, archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:100])
    with pytest.raises(UnusableError, match="tar: "):
        program.install(release(program, "1"), archive, [])
    assert not release(program, "1").exists()


def test_a_host_without_python_is_told_what_it_lacks(hosts_python: Path) -> None:
    assert environment.version(environment.python()) == f"3.{sys.version_info.minor}"
    hosts_python.unlink()
    with pytest.raises(UnusableError, match="install package python3"):
        environment.python()
