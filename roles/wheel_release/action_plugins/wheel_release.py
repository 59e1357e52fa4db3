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
    """The control node's half of the module of the same name.

    It does not say so by ``TRANSFERS_FILES``: that would make a folder on each host before anybody
    knows that it is needed.
    """

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Ask, and send what is missing."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update(self._execute_module(task_vars=task_vars))
        if "python" not in result:
            return result
        archive = Path(self._task.args["archive"])
        with _part(archive, result.pop("python")) as part:
            result.update(self._send(part, task_vars))
        return result

    def _send(self, part: Path, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        folder = self._make_tmp_path()
        try:
            place = self._connection._shell.join_path(folder, part.name)
            sent = self._transfer_file(str(part), place)
            self._fixup_perms2((folder, sent))
            arguments = {**self._task.args, "sent": sent}
            done: dict[str, Any] = self._execute_module(module_args=arguments, task_vars=task_vars)
        finally:
            self._remove_tmp_path(folder)
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
