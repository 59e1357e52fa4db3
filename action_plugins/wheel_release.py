"""Sends a host the part of an archive that is for its Python, if it lacks the release."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.loader import action_loader

HostCall: Any = action_loader.get("host_call", class_only=True)


class ActionModule(HostCall):  # type: ignore[misc]
    """The control node's half of the module of the same name.

    It does not say so by ``TRANSFERS_FILES``: that would make a folder on each host before anybody
    knows that it is needed.
    """

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Ask, and send what is missing."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        if "python" not in result:
            return result
        part = _part(Path(self._task.args["archive"]), result.pop("python"))
        direct = self.is_direct(task_vars or {})
        return {**result, **(self._attach if direct else self._send)(part, task_vars or {})}

    def _attach(self, part: bytes, task_vars: dict[str, Any]) -> dict[str, Any]:
        sent = {**self._task.args, "sent": "-"}
        done: dict[str, Any] = self.call(task_vars, sent, attached=part)
        return done

    def _send(self, part: bytes, task_vars: dict[str, Any]) -> dict[str, Any]:
        folder = self._make_tmp_path()
        try:
            place = self._connection._shell.join_path(folder, "part.tar.gz")
            with tempfile.NamedTemporaryFile() as file:
                file.write(part)
                file.flush()
                sent = self._transfer_file(file.name, place)
            self._fixup_perms2((folder, sent))
            arguments = {**self._task.args, "sent": sent}
            done: dict[str, Any] = self._execute_module(module_args=arguments, task_vars=task_vars)
        finally:
            self._remove_tmp_path(folder)
        return done


def _part(archive: Path, version: str) -> bytes:
    """The archive's part for a version of Python.

    Raises:
        AnsibleActionFail: There is none.
    """
    try:
        with tarfile.open(archive) as parts:
            content = parts.extractfile(f"{version}.tar.gz")
            assert content is not None  # noqa: S101
            return content.read()
    except KeyError:
        raise AnsibleActionFail(
            f"{archive} has nothing for Python {version}, which this host has: make one with"
            f" scripts/wheelhouse {version}"
        ) from None
    except (OSError, tarfile.TarError) as error:
        raise AnsibleActionFail(f"{archive} is no archive of scripts/wheelhouse: {error}") from None
