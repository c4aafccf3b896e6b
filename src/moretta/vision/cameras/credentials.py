"""Who we are to a camera: Basic and Digest authentication, for RTSP and HTTP alike.

Belongs here: the answer to a challenge. Source: RFC 7617, RFC 7616 (and RFC 2617, which cameras speak: MD5, often without qop).
"""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field

from moretta.core.errors import CameraUnavailable

_FIELD = re.compile(r'([a-zA-Z]+)\s*=\s*(?:"([^"]*)"|([^\s,]+))')
_HASHES = {"md5": hashlib.md5, "sha-256": hashlib.sha256}


@dataclass
class Credentials:
    """A user and a password, and the challenge that they answer."""

    user: str = field(repr=False)
    password: str = field(repr=False)
    challenge: str = ""
    _count: int = 0

    def header(self, method: str, uri: str) -> str | None:
        """The value of `Authorization` for a request; None where nobody asked yet, or there is no user.

        Raises:
            CameraUnavailable: a challenge that we cannot answer.
        """
        scheme, _, rest = self.challenge.partition(" ")
        if not scheme or not self.user:
            return None
        if scheme.lower() == "basic":
            return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")
        if scheme.lower() == "digest":
            return self._digest(method, uri, {one[0].lower(): one[1] or one[2] for one in _FIELD.findall(rest)})
        raise CameraUnavailable("expected a camera that asks for Basic or Digest authentication")

    def _digest(self, method: str, uri: str, asked: dict[str, str]) -> str:
        algorithm = asked.get("algorithm", "MD5")
        made = _HASHES.get(algorithm.lower())
        if made is None or "nonce" not in asked:
            raise CameraUnavailable("expected a camera that asks for Digest authentication by MD5 or SHA-256")

        def hashed(text: str) -> str:
            return made(text.encode()).hexdigest()

        realm, nonce = asked.get("realm", ""), asked["nonce"]
        secret, what = hashed(f"{self.user}:{realm}:{self.password}"), hashed(f"{method}:{uri}")
        fields = {"username": self.user, "realm": realm, "nonce": nonce, "uri": uri}
        if "auth" in [one.strip() for one in asked.get("qop", "").split(",")]:
            self._count += 1
            count, client = f"{self._count:08x}", secrets.token_hex(8)
            fields["response"] = hashed(f"{secret}:{nonce}:{count}:{client}:auth:{what}")
            more = f", qop=auth, nc={count}" + f', cnonce="{client}"'
        else:
            fields["response"] = hashed(f"{secret}:{nonce}:{what}")
            more = ""
        more += f", algorithm={algorithm}" if "algorithm" in asked else ""
        more += f', opaque="{asked["opaque"]}"' if "opaque" in asked else ""
        if any('"' in value or "\r" in value or "\n" in value for value in fields.values()):
            raise CameraUnavailable("expected a user name and a challenge without quotes")
        return "Digest " + ", ".join(f'{name}="{value}"' for name, value in fields.items()) + more
