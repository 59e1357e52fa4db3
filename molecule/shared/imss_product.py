"""The stand-in for the vendor's product, as it is installed on each gateway."""

from __future__ import annotations

import json

from lab_hosts import ROOT, LabHost
from moves import Fleet, Run

# Not where the vendor's installer puts it: imss_home says so.
HOME = "/data/trend/imss"
LIBRARY = f"{HOME}/lib64/libTmFoxSocketLib.so"
STAND_IN = ROOT / "molecule/imss/stand_in"
FOLDERS = ("script", "bin", "config", "lib", "lib64", "log")
PROXY = "TmFoxProxy"


def variables(**further: object) -> list[str]:
    """What a play is told."""
    told = {"sender_filter_provider": "imss", "imss_home": HOME, **further}
    return ["--extra-vars", json.dumps(told)]


def settings(port: int = 2500) -> list[str]:
    """The vendor's tokens, as the vendor's instructions have them."""
    return [
        f"LD_PRELOAD={LIBRARY}",
        f"TM_FOX_PROXY_LIST={HOME}/config/foxproxy.list",
        f"LD_LIBRARY_PATH={HOME}/lib",
        f"TM_FOX_PROXY_CONNECT_PORT={port}",
    ]


def install(host: LabHost) -> None:
    """Put the stand-in below its home; its library is one of the system's that does nothing."""
    folders = " ".join(f"{HOME}/{name}" for name in FOLDERS)
    host.run(f"mkdir -p {folders}; touch {HOME}/config/foxproxy.list")
    host.run(f"cp /usr/lib/x86_64-linux-gnu/libutil.so.1 {LIBRARY}")
    for name, folder in (("foxproxyd", "script"), (PROXY, "bin")):
        path = f"{HOME}/{folder}/{name}"
        host.write(path, (STAND_IN / name).read_bytes())
        host.run(f"chmod 755 {path}")
    point_to(host, 2500)


def point_to(host: LabHost, port: int) -> None:
    """Tell the proxy where Postfix is, as the vendor's console does."""
    host.write(f"{HOME}/config/stand-in", str(port).encode())


def play(fleet: Fleet, playbook: str, *arguments: str, **further: object) -> Run:
    """Start a play on gateways with the vendor's product."""
    return fleet.play(playbook, *variables(**further), *arguments)


def environment(host: LabHost) -> list[str]:
    """The tokens of import_environment in main.cf."""
    return host.run("postconf -h import_environment").split()


def loaded(host: LabHost) -> bool:
    """Whether Postfix's master runs with the vendor's library."""
    pid = host.run("cat /var/spool/postfix/pid/master.pid").strip()
    return LIBRARY in host.run(f"cat /proc/{pid}/maps")
