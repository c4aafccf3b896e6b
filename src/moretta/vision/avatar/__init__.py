"""The avatar: a synthetic face that moves as the hidden one does, and has nothing of it.

Belongs here: the `avatar` method of hiding. Does not belong here: finding and following faces, the other methods.
"""

from moretta.vision.avatar.redactor import Avatar, avatar_ready

__all__ = ["Avatar", "avatar_ready"]
