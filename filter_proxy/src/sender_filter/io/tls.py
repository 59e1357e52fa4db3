"""The TLS handshake with a client that has said STARTTLS, in the midst of its session."""

import asyncio
import ssl

HANDSHAKE_SECONDS = 60.0
"""How long a handshake may take. A client that stalls holds a session as long as that."""

CLOSE_SECONDS = 30.0
"""How long a client may take to answer the end of the encryption (RFC 8446 section 6.1)."""


class TlsError(Exception):
    """There is no encryption, and the connection is closed; the message says why."""


async def handshake(
    transport: asyncio.Transport, protocol: asyncio.Protocol, context: ssl.SSLContext
) -> asyncio.Transport:
    """Make a handshake as the server, on a connection that is not being read.

    What has reached this host and was not read, as it came behind STARTTLS, is taken for a part of
    the handshake, which then fails.

    Returns:
        A transport that encrypts. The protocol hears of what comes by it, and of its end, in a
        later turn of the loop (``_on_handshake_complete`` in uvloop's ``sslproto.pyx``).

    Raises:
        TlsError: It was not made; the protocol does not hear of the connection's end.
    """
    try:
        secured = await asyncio.get_running_loop().start_tls(
            transport,
            protocol,
            context,
            server_side=True,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=CLOSE_SECONDS,
        )
    except OSError as error:
        raise TlsError(_reason(error)) from None
    # uvloop returns a closed transport if the connection was aborted on this side.
    if secured is None or secured.is_closing():
        raise TlsError(_reason(ConnectionResetError()))
    return secured


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return "too slow" if isinstance(error, ConnectionAbortedError) else "connection lost"
