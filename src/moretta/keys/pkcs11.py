"""Master keys inside a PKCS#11 token: they are made there, and never leave it.

Belongs here: the objects on the token, and what wraps and unwraps with them. Does not belong here: logging in (see `token`),
whose keys are wrapped.

A master key is an AES-256 token object, sensitive and not extractable, labelled `<name> <number> <16 hex>`; the highest number
is the active one. A destroyed one leaves a data object of that label with ` destroyed` behind. A token that does AES-GCM gives
wrapped keys of form 1 (see `wrapped`); one that only does AES key wrap with padding (RFC 5649, which knows no associated
data) gives form 2: SHA-256 of head and context, then the key, wrapped as one.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from moretta.core.errors import KeyDestroyed, KeyRejected, KeyUnusable
from moretta.keys.token import Token, TokenSessions, pkcs11_library
from moretta.keys.wrapped import (
    FORM_GCM,
    FORM_KEY_WRAP,
    NONCE_BYTES,
    TAG_BYTES,
    WrappedKey,
    checked_key,
    head_of,
    new_master_key_id,
    parse_wrapped,
    rejected,
)

_DIGEST_BYTES = 32


class Wrapping(StrEnum):
    """How the token wraps; `BEST` takes AES-GCM where the token has it."""

    BEST = "best"
    GCM = "aes-gcm"
    KEY_WRAP = "aes-key-wrap-pad"


@dataclass(frozen=True, slots=True)
class _Entry:
    number: int
    master_key_id: str
    key: Any


class Pkcs11KeyService:
    """`core.key_service.KeyService` over a token. Safe for threads; for processes where the token is.

    Args:
        token: which token.
        name: begins the labels of our objects, so that several deployments may share a token.
        wrapping: which mechanism wraps new keys.

    Raises:
        ExtraMissing: python-pkcs11 is not installed.
        KeyUnusable: the library, the token or the PIN cannot be used, or the token has no mechanism that we know.
    """

    def __init__(self, token: Token, name: str = "moretta", wrapping: Wrapping = Wrapping.BEST) -> None:
        self._p11 = pkcs11_library()
        self._sessions = TokenSessions(token)
        self._label = re.compile(rf"{re.escape(name)} (?P<number>[0-9]{{6,12}}) (?P<random>[0-9a-f]{{16}})")
        self._name = name
        with self._opened() as session:
            self._form = self._chosen_form(session, wrapping)
            self._finish_destroying(session)

    def active(self) -> str:
        """As `KeyService.active`."""
        with self._opened() as session:
            return self._active(session).master_key_id

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """As `KeyService.wrap`."""
        checked_key(key)
        with self._opened() as session:
            active = self._active(session)
            head = head_of(self._form, active.master_key_id)
            if self._form == FORM_GCM:
                nonce = secrets.token_bytes(NONCE_BYTES)
                return head + nonce + bytes(active.key.encrypt(key, **self._gcm(nonce, head + context)))
            return head + self._wrapped_as_object(session, active.key, _digest(head, context) + key)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """As `KeyService.unwrap`."""
        parsed = parse_wrapped(wrapped)
        with self._opened() as session:
            key = self._key(session, parsed.master_key_id)
            opened = self._open_gcm if parsed.form == FORM_GCM else self._open_key_wrap
            return opened(session, key, parsed, context)

    def rotate(self) -> str:
        """As `KeyService.rotate`."""
        with self._opened() as session:
            return self._made(session).master_key_id

    def destroy(self, master_key_id: str) -> None:
        """As `KeyService.destroy`."""
        with self._opened() as session:
            kept = self._kept(session)
            if kept and kept[-1].master_key_id == master_key_id:
                raise KeyRejected("expected a master key that is no longer the active one; rotate first")
            for entry in kept:
                if entry.master_key_id == master_key_id:
                    self._mark_destroyed(session, entry)
            self._finish_destroying(session)

    def master_keys(self) -> Sequence[str]:
        """As `KeyService.master_keys`."""
        with self._opened() as session:
            return tuple(entry.master_key_id for entry in self._kept(session))

    def close(self) -> None:
        """Log out. Idempotent; a later call logs in again."""
        self._sessions.close()

    def _opened(self) -> AbstractContextManager[Any]:
        return self._sessions.opened()

    def _chosen_form(self, session: Any, wrapping: Wrapping) -> int:
        offered = session.token.slot.get_mechanisms()
        if wrapping is not Wrapping.KEY_WRAP and self._p11.Mechanism.AES_GCM in offered:
            return FORM_GCM
        if wrapping is not Wrapping.GCM and self._p11.Mechanism.AES_KEY_WRAP_PAD in offered:
            return FORM_KEY_WRAP
        raise KeyUnusable("expected a PKCS#11 token with AES-GCM or AES key wrap with padding; it has neither")

    def _active(self, session: Any) -> _Entry:
        kept = self._kept(session)
        return kept[-1] if kept else self._made(session)

    def _made(self, session: Any) -> _Entry:
        """A new master key; two processes that make one at once make two, of which all know the same as the active one."""
        made = new_master_key_id()
        gone = [number for number, _ in self._tombstones(session)]
        number = max([entry.number for entry in self._kept(session)] + gone, default=0) + 1
        attribute = self._p11.Attribute
        key = session.generate_key(
            self._p11.KeyType.AES,
            256,
            id=_random_part(made),
            label=f"{self._name} {number:06d} {made.removeprefix('master_')}",
            store=True,
            template={
                attribute.PRIVATE: True,
                attribute.SENSITIVE: True,
                attribute.EXTRACTABLE: False,
                attribute.ENCRYPT: True,
                attribute.DECRYPT: True,
                attribute.WRAP: True,
                attribute.UNWRAP: True,
                attribute.SIGN: False,
                attribute.VERIFY: False,
            },
        )
        if key[attribute.EXTRACTABLE] or not key[attribute.SENSITIVE]:
            key.destroy()
            raise KeyUnusable("expected a PKCS#11 token whose keys cannot be taken out; this one ignores that")
        return _Entry(number, made, key)

    def _kept(self, session: Any) -> list[_Entry]:
        attribute = self._p11.Attribute
        found = session.get_objects(
            {attribute.CLASS: self._p11.ObjectClass.SECRET_KEY, attribute.KEY_TYPE: self._p11.KeyType.AES}
        )
        matches = [(self._label.fullmatch(str(key.label)), key) for key in list(found)]
        entries = [_Entry(int(match["number"]), f"master_{match['random']}", key) for match, key in matches if match]
        return sorted(entries, key=lambda entry: (entry.number, entry.master_key_id))

    def _key(self, session: Any, master_key_id: str) -> Any:
        """The key object, looked up each time: a handle could outlive what another process destroyed."""
        attribute = self._p11.Attribute
        wanted = {attribute.CLASS: self._p11.ObjectClass.SECRET_KEY, attribute.ID: _random_part(master_key_id)}
        for key in list(session.get_objects(wanted)):
            match = self._label.fullmatch(str(key.label))
            if match and f"master_{match['random']}" == master_key_id:
                return key
        if any(gone == master_key_id for _, gone in self._tombstones(session)):
            raise KeyDestroyed("the master key was destroyed; what was wrapped under it cannot be opened again")
        raise rejected()

    def _tombstones(self, session: Any) -> list[tuple[int, str]]:
        attribute = self._p11.Attribute
        wanted = {attribute.CLASS: self._p11.ObjectClass.DATA, attribute.APPLICATION: self._name}
        labels = [str(found[attribute.LABEL]) for found in list(session.get_objects(wanted))]
        matches = [self._label.fullmatch(label.removesuffix(" destroyed")) for label in labels]
        return [(int(match["number"]), f"master_{match['random']}") for match in matches if match]

    def _mark_destroyed(self, session: Any, entry: _Entry) -> None:
        attribute = self._p11.Attribute
        session.create_object(
            {
                attribute.CLASS: self._p11.ObjectClass.DATA,
                attribute.TOKEN: True,
                attribute.PRIVATE: True,
                attribute.APPLICATION: self._name,
                attribute.LABEL: f"{entry.key.label} destroyed",
                attribute.VALUE: b"",
            }
        )

    def _finish_destroying(self, session: Any) -> None:
        """Destroy keys that have a tombstone: just marked, or of a process that died, or back from a copy of the token."""
        gone = {master_key_id for _, master_key_id in self._tombstones(session)}
        for entry in self._kept(session):
            if entry.master_key_id in gone:
                entry.key.destroy()

    def _gcm(self, nonce: bytes, bound: bytes) -> dict[str, Any]:
        parameters = self._p11.GCMParams(nonce, bound, 8 * TAG_BYTES)
        return {"mechanism": self._p11.Mechanism.AES_GCM, "mechanism_param": parameters}

    def _open_gcm(self, _session: Any, key: Any, wrapped: WrappedKey, context: bytes) -> bytes:
        nonce, sealed = wrapped.content[:NONCE_BYTES], wrapped.content[NONCE_BYTES:]
        if len(sealed) <= TAG_BYTES:
            raise rejected()
        with self._refusals():
            return bytes(key.decrypt(sealed, **self._gcm(nonce, wrapped.head + context)))

    def _open_key_wrap(self, _session: Any, key: Any, wrapped: WrappedKey, context: bytes) -> bytes:
        attribute = self._p11.Attribute
        with self._refusals():
            opened = key.unwrap_key(
                self._p11.ObjectClass.SECRET_KEY,
                self._p11.KeyType.GENERIC_SECRET,
                wrapped.content,
                mechanism=self._p11.Mechanism.AES_KEY_WRAP_PAD,
                store=False,
                template={attribute.EXTRACTABLE: True, attribute.SENSITIVE: False},
            )
        content = bytes(opened[attribute.VALUE])
        opened.destroy()
        if not hmac.compare_digest(content[:_DIGEST_BYTES], _digest(wrapped.head, context)):
            raise rejected()
        return content[_DIGEST_BYTES:]

    def _wrapped_as_object(self, session: Any, master_key: Any, content: bytes) -> bytes:
        """`content` as C_WrapKey takes it: an object of this session, gone right after."""
        attribute = self._p11.Attribute
        carried = session.create_object(
            {
                attribute.CLASS: self._p11.ObjectClass.SECRET_KEY,
                attribute.KEY_TYPE: self._p11.KeyType.GENERIC_SECRET,
                attribute.TOKEN: False,
                attribute.PRIVATE: True,
                attribute.EXTRACTABLE: True,
                attribute.SENSITIVE: False,
                attribute.VALUE: content,
            }
        )
        try:
            return bytes(master_key.wrap_key(carried, mechanism=self._p11.Mechanism.AES_KEY_WRAP_PAD))
        finally:
            carried.destroy()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """What a token says to bytes that do not open; SoftHSM says `GeneralError`, others name it."""
        told = (
            self._p11.GeneralError,
            self._p11.FunctionFailed,
            self._p11.EncryptedDataInvalid,
            self._p11.EncryptedDataLenRange,
            self._p11.WrappedKeyInvalid,
            self._p11.WrappedKeyLenRange,
            self._p11.SignatureInvalid,
            self._p11.DataInvalid,
            self._p11.DataLenRange,
            self._p11.ArgumentsBad,
            self._p11.MechanismParamInvalid,
        )
        try:
            yield
        except told:
            raise rejected() from None


def _digest(head: bytes, context: bytes) -> bytes:
    return hashlib.sha256(head + context).digest()


def _random_part(master_key_id: str) -> bytes:
    return bytes.fromhex(master_key_id.removeprefix("master_"))
