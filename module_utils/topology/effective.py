"""What each service of Postfix goes by: main.cf, and over it the service's own options.

postconf itself works that out: `-o` puts a value over main.cf's, and `-x` expands `$name` with it
(postconf(1)).
"""

from __future__ import annotations

from collections.abc import Mapping

from ..postfix.master_cf import Entry
from ..postfix.service import Identity
from .survey import Survey, SurveyError, run

Settings = Mapping[Identity, Mapping[str, str]]


def read(survey: Survey, names: tuple[str, ...]) -> Settings:
    """The values of these parameters in each service of Postfix on the path.

    A parameter that this Postfix does not know is left out.

    Raises:
        SurveyError: postconf cannot read the configuration.
    """
    return {entry.identity: _values(survey, entry, names) for entry in on_the_path(survey)}


def on_the_path(survey: Survey) -> list[Entry]:
    """The services on ports of the path, and the one to which postscreen hands its clients."""
    document, ports = survey.postfix.document, survey.ports
    found = document.find("smtpd", "pass")
    for port in (*ports.of_postfix(), ports.reinjection):
        found += document.listening_on(port)
    return found


def _values(survey: Survey, entry: Entry, names: tuple[str, ...]) -> dict[str, str]:
    config_dir = survey.postfix.config_dir
    own = [word for name, value in entry.options for word in ("-o", f"{name}={value}")]
    result = run(["postconf", "-c", str(config_dir), "-x", *own, *names])
    if result.returncode != 0:
        msg = f"postconf cannot read {config_dir} for {entry.service}: {result.stderr.strip()}"
        raise SurveyError(msg)
    lines = (line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, value in lines}
