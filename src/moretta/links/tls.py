"""Mutual TLS between the processes of one deployment: both sides show a certificate of the deployment's own authority.

Belongs here: contexts and who a peer is. A certificate's DNS name says its role (`keyd`, `party-eu`, `node-us`, `serve`), not its
host: an address may change, a role may not. Does not belong here: making certificates (see `certificates`).
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

from moretta.core.errors import RequestInvalid


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the authority's certificate, this process's own, and its private key (mode 0600)."""

    authority: Path
    certificate: Path
    key: Path


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """A context that accepts only peers with a certificate of the authority. Raises `RequestInvalid`: files do not fit."""
    return _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), files)


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """A context that shows this process's certificate and demands the other's; connect with the role as host name."""
    return _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), files)


def roles(connection: ssl.SSLSocket) -> frozenset[str]:
    """The DNS names in the peer's verified certificate."""
    certificate = connection.getpeercert() or {}
    names = certificate.get("subjectAltName", ())
    return frozenset(str(entry[1]) for entry in names if len(entry) == 2 and entry[0] == "DNS")


def _loaded(context: ssl.SSLContext, files: TlsFiles) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        if files.key.stat().st_mode & 0o077:
            raise RequestInvalid(
                "expected the link's private key file to be readable by its owner alone: `chmod 600` mends it"
            )
        context.load_verify_locations(files.authority)
        context.load_cert_chain(files.certificate, files.key)
    except OSError as error:  # ssl.SSLError is one
        raise RequestInvalid(
            f"the certificate files of the link cannot be used ({error.strerror or 'they do not fit each other'}); "
            "`moretta certificates` makes a set"
        ) from None
    return context
