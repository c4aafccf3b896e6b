"""Photos of enrolled people: encrypted under their own data keys before they reach a blob store.

Belongs here: sealing and opening. Does not belong here: who may see a photo, and the signed addresses under which they do.
"""

import secrets

from moretta.core.key_service import Place, SubjectCipher, SubjectKey
from moretta.core.recognition_store import BlobStore


class Photos:
    """Stored photos. What `blobs` holds can be read only with the person's data key; without it, a photo is gone."""

    def __init__(self, blobs: BlobStore, cipher: SubjectCipher) -> None:
        self._blobs = blobs
        self._cipher = cipher

    @staticmethod
    def new_id() -> str:
        """A random id (128 bits), to be announced before `put`."""
        return f"pho_{secrets.token_hex(16)}"

    def put(self, key: SubjectKey, photo_id: str, content: bytes) -> None:
        """Keep a photo of the person whose key it is; durable when it returns."""
        self._blobs.put(photo_id, self._cipher.seal(key, _place(photo_id), content))

    def get(self, key: SubjectKey, photo_id: str) -> bytes:
        """The photo.

        Raises:
            NotFound: it is not there.
            KeyRejected: it is another person's, was moved from another id, or was altered.
        """
        return self._cipher.open(key, _place(photo_id), self._blobs.get(photo_id))

    def delete(self, photo_id: str) -> None:
        """Delete. Idempotent."""
        self._blobs.delete(photo_id)


def _place(photo_id: str) -> Place:
    return Place("photos", photo_id, "content")
