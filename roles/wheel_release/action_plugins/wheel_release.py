"""Sends a host the part of an archive that is for its Python, if it lacks the release."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):  # type: ignore[misc]
    """The control node's half of the module of the same name."""

    TRANSFERS_FILES = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Ask, and send what is missing."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update(self._execute_module(task_vars=task_vars))
        if "python" not in result:
            return result
        archive = Path(self._task.args["archive"])
        try:
            with _part(archive, result.pop("python")) as part:
                result.update(self._send(part, task_vars))
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _send(self, part: Path, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        shell = self._connection._shell
        if shell.tmpdir is None:
            self._make_tmp_path()
        sent = self._transfer_file(str(part), shell.join_path(shell.tmpdir, part.name))
        self._fixup_perms2((shell.tmpdir, sent))
        arguments = {**self._task.args, "sent": sent}
        done: dict[str, Any] = self._execute_module(module_args=arguments, task_vars=task_vars)
        return done


@contextmanager
def _part(archive: Path, version: str) -> Iterator[Path]:
    """The archive's part for a version of Python, as a file.

    Raises:
        AnsibleActionFail: There is none.
    """
    name = f"{version}.tar.gz"
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / name
        try:
            with tarfile.open(archive) as parts, part.open("wb") as file:
                content = parts.extractfile(name)
                assert content is not None  # noqa: S101
                shutil.copyfileobj(content, file)
        except KeyError:
            raise AnsibleActionFail(
                f"{archive} has nothing for Python {version}, which this host has: make one with"
                f" scripts/wheelhouse {version}"
            ) from None
        except (OSError, tarfile.TarError) as error:
            raise AnsibleActionFail(
                f"{archive} is no archive of scripts/wheelhouse: {error}"
            ) from None
        yield part
