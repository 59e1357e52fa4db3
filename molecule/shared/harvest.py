"""A client that guesses recipients until the gateway has had enough of it."""

from __future__ import annotations

from lab_hosts import Client, LabHost
from smtp import Session


def harvest(client: Client, gateway: LabHost, source: int, most: int) -> int:
    """Name recipients that do not exist, one a connection.

    Returns:
        How many connections it took until one was refused.
    """
    for number in range(most):
        with Session(client, gateway.address, source=client.source(source)) as session:
            if session.greeting.startswith("421"):
                return number
            session.hello()
            session.must("250", "MAIL FROM:<guess@remote.test>")
            session.must("550", f"RCPT TO:<nobody{number}@example.test>")
            session.quit()
    return most
