"""Makes the deployment's own certificate authority and a certificate for each role.

Belongs here: X.509 for links. The authority's key signs once for each role and can then be kept off line.
"""

import os
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from moretta.core.clock import Clock, utc_now
from moretta.core.errors import RequestInvalid
from moretta.links.tls import TlsFiles

AUTHORITY = "authority"
# Long enough not to surprise anybody, short enough to be renewed: what public authorities allowed until 2020.
DAYS = 825
# What a certificate may name: a role is one label of a DNS name, and the first part of its files' names.
_Span = tuple[datetime, datetime]
_ROLE = re.compile(r"[a-z][a-z0-9-]{0,61}[a-z0-9]")


def issue(folder: Path, roles: Iterable[str], days: int = DAYS, clock: Clock = utc_now) -> None:
    """Write `authority.crt`, `authority.key`, and `<role>.crt` and `<role>.key` for each role into `folder` (mode 0700).

    An authority that is there is used; a role's files that are there are replaced.

    Raises:
        RequestInvalid: a role has another form than `keyd` or `party-eu`, or the authority's files there do not fit.
    """
    wanted = list(roles)
    for role in wanted:
        if _ROLE.fullmatch(role) is None or role == AUTHORITY:
            raise RequestInvalid(
                "expected roles such as serve, keyd or party-eu: lower-case letters, digits and hyphens"
            )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    span = (clock() - timedelta(minutes=5), clock() + timedelta(days=days))
    key, certificate = _authority(folder, span)
    for role in wanted:
        own = ec.generate_private_key(ec.SECP256R1())
        signed = _certificate(role, own.public_key(), certificate.subject, key, span)
        _write(folder / f"{role}.key", _key_pem(own), 0o600)
        _write(folder / f"{role}.crt", signed.public_bytes(Encoding.PEM), 0o644)


def files_of(folder: Path, role: str) -> TlsFiles:
    """Where `issue` put the files of a role."""
    return TlsFiles(folder / f"{AUTHORITY}.crt", folder / f"{role}.crt", folder / f"{role}.key")


def _authority(folder: Path, span: _Span) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key_file, certificate_file = folder / f"{AUTHORITY}.key", folder / f"{AUTHORITY}.crt"
    if key_file.exists():
        try:
            loaded = load_pem_private_key(key_file.read_bytes(), None)
            found = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        except (OSError, ValueError):
            raise RequestInvalid(
                "the authority's files in this folder cannot be read; choose an empty folder"
            ) from None
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise RequestInvalid("expected an authority made by `moretta certificates`; choose an empty folder")
        return loaded, found
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(AUTHORITY, key.public_key(), None, key, span)
    _write(key_file, _key_pem(key), 0o600)
    _write(certificate_file, certificate.public_bytes(Encoding.PEM), 0o644)
    return key, certificate


def _certificate(
    role: str,
    public_key: ec.EllipticCurvePublicKey,
    issuer: x509.Name | None,
    signer: ec.EllipticCurvePrivateKey,
    span: _Span,
) -> x509.Certificate:
    is_authority = issuer is None
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"moretta {role}")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer or name)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(span[0])
        .not_valid_after(span[1])
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(_usage(is_authority), critical=True)
    )
    if not is_authority:
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(role)]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _usage(is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes, mode: int) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
