"""What is sealed under a person's data key, and where each value is bound to.

Belongs here: places, the form of a profile, opening many values with few unwrapped keys. Does not belong here: ciphers, SQL.
"""

import json

from moretta.core.key_service import Place, SubjectCipher, SubjectKey

# A sealed value is as long as what it holds: padding hides how long a name is, but for steps of this many bytes.
_PROFILE_STEP = 64
# Enough for the people of a packed segment; an opened key is never kept longer than the call that opened it.
_OPENED_KEYS = 2048

Attributes = tuple[tuple[str, str], ...]


def seal_profile(cipher: SubjectCipher, key: SubjectKey, name: str, attributes: Attributes) -> bytes:
    """A person's name and attributes, sealed."""
    text = json.dumps({"name": name, "attributes": attributes}, ensure_ascii=False).encode()
    padded = text.ljust(-(-len(text) // _PROFILE_STEP) * _PROFILE_STEP)
    return cipher.seal(key, Place("persons", key.subject_id, "profile"), padded)


def open_profile(cipher: SubjectCipher, key: SubjectKey, sealed: bytes) -> tuple[str, Attributes]:
    """A person's name and attributes. Raises `KeyRejected` where they are another person's, or altered."""
    found = json.loads(cipher.open(key, Place("persons", key.subject_id, "profile"), sealed))
    return str(found["name"]), tuple((str(name), str(value)) for name, value in found["attributes"])


def seal_payload(cipher: SubjectCipher, key: SubjectKey, face_id: str, payload: bytes) -> bytes:
    """A protected template, sealed."""
    return cipher.seal(key, _payload_of(face_id), payload)


class OpenedKeys:
    """Opens many people's values in one call and unwraps each data key once, as long as they are few."""

    def __init__(self, cipher: SubjectCipher) -> None:
        self.cipher = cipher
        self._opened: dict[str, SubjectKey] = {}

    def key(self, person_id: str, wrapped: bytes) -> SubjectKey:
        """The data key of a person."""
        found = self._opened.get(person_id)
        if found is None:
            if len(self._opened) >= _OPENED_KEYS:
                self._opened.clear()
            found = self._opened[person_id] = self.cipher.opened(person_id, wrapped)
        return found

    def payload(self, person_id: str, wrapped: bytes, face_id: str, sealed: bytes) -> bytes:
        """The protected template of a face."""
        return self.cipher.open(self.key(person_id, wrapped), _payload_of(face_id), sealed)


def _payload_of(face_id: str) -> Place:
    return Place("faces", face_id, "payload")
