"""Where a caller of the API may send us for pictures: nowhere, unless the settings say so.

Belongs here: the check. Whoever may call an address of ours must not be able to make us call somebody else's (SSRF), or read
files.
"""

import re
from dataclasses import replace
from pathlib import Path

from moretta.core.cameras import NETWORK, CameraSource, SourceKind
from moretta.core.errors import FieldError, RequestInvalid
from moretta.settings import Settings

_PLACE = re.compile(r"(?P<host>\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):(?P<port>[0-9]{1,5})")


def allowed_places(settings: Settings) -> frozenset[tuple[str, int]]:
    """Host and port of each that MORETTA_CAMERA_HOSTS names.

    Raises:
        RequestInvalid: one has another form.
    """
    found = [_PLACE.fullmatch(word) for word in settings.camera_hosts.split()]
    if not all(found):
        raise RequestInvalid("expected MORETTA_CAMERA_HOSTS to name hosts with ports, such as 10.0.0.7:554")
    return frozenset((one["host"].strip("[]").lower(), int(one["port"])) for one in found if one is not None)


def require_allowed(source: CameraSource, settings: Settings) -> CameraSource:
    """`source`, a path of it resolved.

    Raises:
        RequestInvalid: the settings do not allow it; nothing was connected to or opened.
    """
    if source.kind in NETWORK:
        if (source.host.lower(), source.port) in allowed_places(settings):
            return source
        raise _refused("a host and port that MORETTA_CAMERA_HOSTS names")
    folder = settings.camera_dir
    if source.kind is SourceKind.DEVICE or folder is None:
        raise _refused("a camera of the network, or a recording beneath MORETTA_CAMERA_DIR")
    root = folder.resolve()
    # Links are followed here, once: what they lead to is what is opened.
    path = (root / source.path).resolve()
    if path != root and root not in path.parents:
        raise _refused("a recording beneath MORETTA_CAMERA_DIR")
    return replace(source, kind=SourceKind.FOLDER if path.is_dir() else SourceKind.FILE, path=Path(path))


def _refused(expected: str) -> RequestInvalid:
    return RequestInvalid(
        f"The source is not allowed: expected {expected}.", field_errors=(FieldError("source", f"expected {expected}"),)
    )
