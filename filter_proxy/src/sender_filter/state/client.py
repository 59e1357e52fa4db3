"""The client of the server that gateways share."""

import errno

from redis.asyncio import Redis as Client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

ANSWER_SECONDS = 5.0


def client_of(url: str) -> Client:
    """A client that reaches the server with its first command.

    Raises:
        OSError: The address cannot be read; nothing of it is quoted, for it has a password in it.
    """
    try:
        # No retries of the client's own: whoever uses it tries again, and mail does not wait.
        return Client.from_url(
            url,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
    except Exception:  # what the library, and what it reads addresses with, make of it
        msg = "state.url cannot be read as an address; see what check-config says"
        raise OSError(errno.EINVAL, msg) from None
