"""What breaks a gateway: by hand, by a restart at night, by an upgrade."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab_hosts import Client
from moves import DIRECT, EDGE, MASTER_CF, Gateway
from smtp import Session

FILTER = "sender-filter.socket sender-filter.service"
# A filter whose port is its own, as most programs have theirs.
ALONE = (
    "[Socket]\nReusePort=no",
    "sender-filter.socket",
    f"systemctl daemon-reload; systemctl stop {FILTER}; systemctl start {FILTER}",
)

SESSION = """\
import socket
session = socket.create_connection(("127.0.0.1", 25))
while session.recv(99): pass
"""


@dataclass(frozen=True)
class Damage:
    """A broken state of a gateway that was in `topology`, and what the repair says was wrong.

    Where that depends on the moment, `or_wrong` has what it may say instead.
    """

    name: str
    topology: str
    wrong: str
    do: Callable[[Gateway], object]
    or_wrong: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


def _shell(command: str) -> Callable[[Gateway], object]:
    return lambda gateway: gateway.host.run(command)


def _put_back(gateway: Gateway) -> None:
    """Postfix's service is on 25 again, in a file that Postfix has not read."""
    gateway.host.write(MASTER_CF, gateway.master_cf[DIRECT])


def _put_back_and_read(gateway: Gateway) -> None:
    _put_back(gateway)
    gateway.host.run("postfix reload; sleep 2")


def _deafen(gateway: Gateway) -> None:
    """A reload has taken a service away while its process had a session; the file is right again.

    Debian 13's master may not end that process. Debian 12's may, and so it is stopped beforehand.
    """
    gateway.host.run(
        f"systemd-run --quiet --unit=session --collect python3 -c '{SESSION}'; "
        "until pkill --signal STOP --exact smtpd; do sleep 0.1; done; "
        f"sed -i 's/^127.0.0.1:2500 /2500 /' {MASTER_CF} && postfix reload; sleep 1"
    )
    gateway.host.write(MASTER_CF, gateway.master_cf[EDGE])


BACK_ON_25 = Damage(
    "Postfix is to take 25 at its next reload",
    EDGE,
    "smtp inet would take port 25 from the filter at the next reload",
    _put_back,
)
TWO_OWNERS = Damage(
    "two programs have port 25, and no error says so",
    EDGE,
    "port 25 has 2 owners, and the kernel deals connections to each: postfix; sender filter",
    _put_back_and_read,
)
NOBODY = Damage(
    "nobody has port 25",
    EDGE,
    "nobody listens on port 25; it should be sender filter",
    _shell(f"systemctl stop {FILTER}"),
)
DEAD = Damage(
    "Postfix is dead, and its children have the port",
    DIRECT,
    "Postfix is not running",
    _shell("pkill --signal KILL --exact master; sleep 0.5"),
)
DAMAGES = [
    BACK_ON_25,
    TWO_OWNERS,
    NOBODY,
    DEAD,
    Damage(
        "Postfix waits for a process of a service that it has no more",
        EDGE,
        "serves nobody",
        _deafen,
    ),
    Damage(
        "the filter is on an old port",
        EDGE,
        "nobody listens on port 25; it should be sender filter",
        _shell(
            "sed -i 's/:25$/:2525/' /etc/systemd/system/sender-filter.socket; "
            f"systemctl daemon-reload; systemctl stop {FILTER}; systemctl start {FILTER}"
        ),
    ),
    Damage(
        "the filter cannot start, its Python is gone, and the night mended nothing",
        EDGE,
        "sender-filter.service does not run: who connects to port 25 waits for nobody",
        _shell(
            "rm -r /opt/sender-filter/current/lib; "
            "systemctl kill --signal=KILL sender-filter.service; sleep 1; ! mail-topology heal"
        ),
        # The guard tries the way back, and that is what is seen while it does.
        or_wrong=("nobody listens on port 25; it should be sender filter",),
    ),
    Damage(
        "the filter runs beside a Postfix that is alone",
        DIRECT,
        "port 25 has 2 owners, and the kernel deals connections to each: postfix; sender filter",
        _shell(f"systemctl start {FILTER}"),
    ),
]


def takes_mail(client: Client, gateway: Gateway) -> bool:
    """Whether a transaction is accepted up to its recipient, on several connections."""
    return all(_accepts(client, gateway) for _ in range(4))


def _accepts(client: Client, gateway: Gateway) -> bool:
    try:
        with Session(client, gateway.host.address) as session:
            session.hello()
            session.envelope()
            session.quit()
    except (AssertionError, ConnectionError):
        return False
    return True
