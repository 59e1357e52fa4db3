"""The certificate that the filter shows where it ends TLS itself."""

import os
import ssl
from pathlib import Path

from sender_filter.settings import stamps
from sender_filter.settings.reading import ConfigError
from sender_filter.settings.schema import Tls
from sender_filter.settings.stamps import Stamp

CREDENTIALS = "SENDER_FILTER_CREDENTIALS"
"""The environment variable that names a folder with copies, ``tls-certificate`` and ``tls-key``.

The files themselves are root's. The unit makes the copies, which only the filter can read, when it
starts and when it is reloaded; ``LoadCredential=`` would make them at the start alone."""


def load(config: Path, tls: Tls) -> tuple[ssl.SSLContext | None, dict[str, Stamp]]:
    """Load certificate and key.

    Returns:
        What a handshake needs, None if TLS is Postfix's matter; and the files that were read.

    Raises:
        ConfigError: They cannot be read, or do not belong together.
    """
    if not tls.certificate:
        return None, {}
    certificate, key = _place(tls.certificate, "tls-certificate"), _place(tls.key, "tls-key")
    files = {
        str(certificate): _stamp(config, "tls.certificate", certificate),
        str(key): _stamp(config, "tls.key", key),
    }
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except (ssl.SSLError, ValueError) as error:
        cure = "name a certificate with its chain, and the key that belongs to it, both PEM"
        files_named = f"{tls.certificate} and {tls.key}"
        msg = f"{config}: tls: {files_named} cannot be used: {_reason(error)}; {cure}"
        raise ConfigError(msg) from None
    return context, files


def _place(named: str, copy: str) -> Path:
    folder = os.environ.get(CREDENTIALS)
    return Path(folder, copy) if folder else Path(named)


def _stamp(config: Path, key: str, file: Path) -> Stamp:
    try:
        with file.open("rb") as opened:
            return stamps.of(opened)
    except OSError as error:
        msg = f"{config}: {key}: {file}: {error.strerror}; put it there or take both keys out"
        raise ConfigError(msg) from None


def _no_passphrase() -> str:
    """Nobody is there to be asked for it.

    Raises:
        ValueError: Always.
    """
    msg = "the key has a passphrase"
    raise ValueError(msg)


def _reason(error: ssl.SSLError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not PEM").lower().replace("_", " ")
    return str(error)
