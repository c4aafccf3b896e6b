"""A PKCS#11 token: which one it is, and a session with it.

Belongs here: the library, logging in, and giving up a session that failed. Does not belong here: objects on the token.
"""

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moretta.core.errors import ExtraMissing, KeyUnusable, MorettaError, RequestInvalid
from moretta.keys.private_files import read_private

_SCHEME = "pkcs11:"
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
_EXPECTED = "expected pkcs11:token=LABEL?module-path=/LIBRARY.so&pin-source=file:/FILE (RFC 7512)"


@dataclass(frozen=True, slots=True)
class Token:
    """Which token: the PKCS#11 library, the token's label, and a file of mode 0600 that holds the user PIN."""

    module: Path
    label: str
    pin_file: Path


def parse_token(uri: str) -> Token:
    """The token that a PKCS#11 URI names, with exactly the attributes `token`, `module-path` and `pin-source`.

    Raises:
        RequestInvalid: another form; a PIN itself (`pin-value`) has no place in a setting.
    """
    path, _, query = uri.removeprefix(_SCHEME).partition("?")
    pairs = [part.partition("=") for part in [*path.split(";"), *query.split("&")] if part]
    given = {name: _PERCENT.sub(lambda match: chr(int(match[1], 16)), value) for name, _, value in pairs}
    if not uri.startswith(_SCHEME) or len(given) != len(pairs) or set(given) != {"token", "module-path", "pin-source"}:
        raise RequestInvalid(_EXPECTED)
    module, pin_file = given["module-path"], given["pin-source"].removeprefix("file:")
    pin_file = pin_file.removeprefix("//")
    if not given["token"] or not module.startswith("/") or not pin_file.startswith("/"):
        raise RequestInvalid(_EXPECTED)
    return Token(Path(module), given["token"], Path(pin_file))


def pkcs11_library() -> Any:
    """The module python-pkcs11.

    Raises:
        ExtraMissing: it is not installed.
    """
    try:
        import pkcs11
    except ImportError:
        raise ExtraMissing(
            "expected python-pkcs11 for keys in a PKCS#11 token; `pip install 'moretta[pkcs11]'` installs it"
        ) from None
    return pkcs11


class TokenSessions:
    """One session at a time with a token, for whichever thread asks."""

    def __init__(self, token: Token) -> None:
        self._p11 = pkcs11_library()
        self._token = token
        self._lock = threading.RLock()
        self._session: Any = None

    @contextlib.contextmanager
    def opened(self) -> Iterator[Any]:
        """A session, this thread's alone meanwhile; one that failed is given up, and the next call logs in anew.

        Raises:
            KeyUnusable: the library, the token or the PIN cannot be used, or the token failed.
        """
        with self._lock:
            try:
                if self._session is None:
                    self._session = self._logged_in()
                yield self._session
            except MorettaError:
                raise
            except self._p11.PKCS11Error as error:
                self.close()
                raise KeyUnusable(
                    f"the PKCS#11 token cannot be used ({type(error).__name__}); check that it is there and writable"
                ) from None

    def close(self) -> None:
        """Log out. Idempotent."""
        with self._lock:
            session, self._session = self._session, None
            if session is not None:
                with contextlib.suppress(self._p11.PKCS11Error):
                    session.close()

    def _logged_in(self) -> Any:
        pin = read_private(self._token.pin_file)
        if pin is None:
            raise KeyUnusable("expected a file that holds the token's PIN; it is not there")
        try:
            library = self._p11.lib(str(self._token.module))
        except (RuntimeError, OSError):
            raise KeyUnusable("the PKCS#11 library cannot be loaded; check its path") from None
        try:
            token = library.get_token(token_label=self._token.label)
        except (self._p11.NoSuchToken, self._p11.MultipleTokensReturned):
            raise KeyUnusable("expected one PKCS#11 token with the label that is set") from None
        try:
            return token.open(rw=True, user_pin=pin.decode(errors="replace").strip())
        except self._p11.UserAlreadyLoggedIn:  # this process uses the token elsewhere, too
            return token.open(rw=True)
        except (self._p11.PinIncorrect, self._p11.PinInvalid, self._p11.PinLenRange, self._p11.PinLocked):
            raise KeyUnusable("the PKCS#11 token refused the PIN; too many tries lock it") from None
