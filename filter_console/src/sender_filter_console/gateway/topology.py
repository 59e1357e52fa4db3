"""What ``mail-topology show`` says, over the socket that is there for the console."""

import asyncio
from datetime import datetime

import msgspec
from msgspec import Struct

from sender_filter_console import interface
from sender_filter_console.interface import Topology, UnavailableError

PATIENCE_SECONDS = 20.0
LARGEST = 4 * 1024 * 1024


class _Port(Struct, frozen=True):
    port: int
    expected: str
    owner: str
    family: str
    address: str
    process: str
    pid: int | None
    unit: str


class _Risk(Struct, frozen=True):
    id: str
    level: str
    place: str
    text: str
    cure: str


class _Shown(Struct, frozen=True):
    host: str
    time: str
    declared: str
    seen: str
    ports: list[_Port]
    differences: list[str]
    risks: list[_Risk]
    cures: list[str]
    error: str


async def ask(path: str) -> Topology:
    """Ask the socket.

    Raises:
        UnavailableError: There is none, or the gateway cannot be looked at.
    """
    if not path:
        msg = "filter.topology names no socket, so nobody tells the console who owns the ports"
        raise UnavailableError(msg)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            shown = msgspec.json.decode(await _read(path), type=_Shown)
    except (OSError, TimeoutError, ValueError, msgspec.MsgspecError) as error:
        msg = f"{path} does not tell who owns the ports: {error}"
        raise UnavailableError(msg) from None
    if shown.error:
        raise UnavailableError(shown.error)
    return _topology(shown)


async def _read(path: str) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path, limit=LARGEST)
    try:
        return await reader.readline()
    finally:
        writer.close()


def _topology(shown: _Shown) -> Topology:
    return Topology(
        gateway=shown.host,
        declared=shown.declared or None,
        seen=shown.seen,
        checked=datetime.fromisoformat(shown.time),
        ports=[_port(each) for each in shown.ports],
        differences=shown.differences,
        risks=[_risk(each) for each in shown.risks],
        # The first one is for the gateway itself, the last one for the control node.
        cure=shown.cures[-1] if shown.cures else "",
    )


def _port(port: _Port) -> interface.Port:
    return interface.Port(
        port=port.port,
        family=port.family,
        address=port.address,
        owner=port.owner,
        process=f"{port.process} ({port.pid})" if port.pid else port.process,
        unit=port.unit,
        expected=port.expected,
    )


def _risk(risk: _Risk) -> str:
    return f"{risk.level}: {risk.place}: {risk.text}. Cure: {risk.cure}"
