"""Records as they lie in the index: JSON, compressed with what all of them have in common."""

import zlib

import msgspec

from sender_filter.core.records import (
    BlockRecord,
    DecisionRecord,
    OrderRecord,
    Record,
    SessionRecord,
)

# The words that come last are the cheapest to refer to.
_COMMON = (
    b'{"event":"block","change":"started","until":"","comment":"","shadow":true,"replaced"'
    b'{"event":"session","seconds":0.,"from_client":,"from_upstream":,"ended":"client_closed"'
    b'"tls":"ended","doubt":"","hop":1,"peer":"","cache":"miss","cache":"hit","detail":"'
    b'{"function":"throttling","function":"limits","function":"upstream","function":"profiler"'
    b'"function":"known_hosts","function":"reputation","input":"","result":"listed"'
    b'"result":"not_listed","result":"skipped","result":"match","micros":'
    b'"reply":"554 5.7.1 ","reply":"450 4.7.1 ","reply":"550 5.7.1 ","action":"temporary"'
    b'{"event":"decision","time":"2026-01-01T00:00:00.000Z","session":"","address":"","port":'
    b',"found":"peer","function":"blocked","action":"permanent","function":"none","action":"pass",'
    b'"checks":[{"function":"approved","input":"","result":"no_match","micros":2},'
    b'{"function":"blocked","input":"","result":"no_match","micros":1}]}'
)

_encoder = msgspec.json.Encoder()
_event: msgspec.json.Decoder[BlockRecord | OrderRecord] = msgspec.json.Decoder(
    BlockRecord | OrderRecord
)


def pack(record: Record) -> bytes:
    """A record as bytes."""
    packer = zlib.compressobj(level=1, zdict=_COMMON)
    return packer.compress(_encoder.encode(record)) + packer.flush()


def decision(packed: bytes) -> DecisionRecord:
    """The decision of such bytes."""
    return msgspec.json.decode(_unpack(packed), type=DecisionRecord)


def end(packed: bytes) -> SessionRecord:
    """The end of a session of such bytes."""
    return msgspec.json.decode(_unpack(packed), type=SessionRecord)


def event(packed: bytes) -> BlockRecord | OrderRecord:
    """What happened to a block, of such bytes."""
    return _event.decode(_unpack(packed))


def _unpack(packed: bytes) -> bytes:
    return zlib.decompressobj(zdict=_COMMON).decompress(packed)
