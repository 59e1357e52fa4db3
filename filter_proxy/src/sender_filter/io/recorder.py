"""Where records go, and where whoever asks for them gets them from.

To the files on this host in any case; if gateways share them, to their server as well.
"""

import asyncio
import contextlib
import time
from pathlib import Path

import msgspec

from sender_filter.core.records import Record, timestamp
from sender_filter.io import record_reader
from sender_filter.io.messages import Request
from sender_filter.io.messages.records import GatewayRecord, Gateways, GatewayStatus, Records
from sender_filter.io.messages.status import Status
from sender_filter.io.record_writer import RecordWriter
from sender_filter.settings import schema, secrets
from sender_filter.settings.schema import Config
from sender_filter.state.interface import SharedRecords

_FORGOTTEN_SECONDS = 86_400.0

_decoder = msgspec.json.Decoder(GatewayStatus)


class Recorder:
    """Takes and gives records. Make it inside the running loop.

    Attributes:
        files: Those on this host.
        shared: Those of all gateways; None: they are not shared.
    """

    def __init__(self, config: Config, gateway: str) -> None:
        """Record as this gateway, where the configuration says."""
        self.files = RecordWriter(config.log)
        self.shared = _shared(config.state, gateway)
        self._gateway = gateway
        self._directory = Path(config.log.directory)

    def put(self, record: Record) -> None:
        """Take a record; nobody waits for it to be written."""
        self.files.put(record)
        if self.shared is not None:
            self.shared.put(record)

    def change(self, settings: schema.Log) -> None:
        """Write to other files from now on."""
        self.files.change(settings)
        self._directory = Path(settings.directory)

    async def close(self) -> None:
        """Write what is left."""
        await self.files.close()
        if self.shared is not None:
            await self.shared.close()

    async def read(self, request: Request) -> Records:
        """Records from a cursor on.

        Raises:
            ValueError: This is no cursor, or there is nothing to be read.
        """
        cursor = request.cursor or record_reader.START
        if request.fleet:
            return await self._read_shared(cursor, request.limit)
        try:
            # In a thread: a disk that is slow must not hold up the sessions.
            page = await asyncio.to_thread(
                record_reader.read, self._directory, cursor, request.limit
            )
        except OSError as error:
            msg = f"{self._directory}: {error.strerror}"
            raise ValueError(msg) from None
        rows = [GatewayRecord(self._gateway, each) for each in page.records]
        return Records(rows, page.cursor, page.more, page.skipped)

    async def announce(self, status: Status) -> None:
        """Tell other gateways how this one is doing, if they share records."""
        if self.shared is not None:
            said = GatewayStatus(self._gateway, timestamp(time.time()), status)
            await self.shared.announce(msgspec.json.encode(said))

    async def gateways(self) -> Gateways:
        """What each gateway has said of itself last.

        Raises:
            ValueError: They share no records, or it cannot be read.
        """
        oldest = timestamp(time.time() - _FORGOTTEN_SECONDS)
        found = []
        for text in (await self._sharing().announced()).values():
            with contextlib.suppress(msgspec.MsgspecError):  # by a filter of another release
                found.append(_decoder.decode(text))
        recent = [each for each in found if each.time > oldest]
        return Gateways(sorted(recent, key=lambda each: each.gateway))

    def _sharing(self) -> SharedRecords:
        if self.shared is None:
            msg = "gateways share no records here: see state.share_records"
            raise ValueError(msg)
        return self.shared

    async def _read_shared(self, cursor: str, limit: int) -> Records:
        page = await self._sharing().read(cursor, limit)
        rows = [GatewayRecord(each.gateway, each.record) for each in page.records]
        return Records(rows, page.cursor, page.more, page.skipped)


def _shared(settings: schema.State, gateway: str) -> SharedRecords | None:
    if not settings.share_records:
        return None
    # Only who shares state between gateways pays for the client library.
    from sender_filter.state.shared_records import RecordStream  # noqa: PLC0415

    return RecordStream(secrets.read("state.url", settings.url), gateway)
