"""Which cameras' addresses were ever connected to, for the list of all addresses that anything is sent to.

Belongs here: noting and listing them. Only scheme, host and port: never a user, a password or a path.
"""

from collections.abc import Iterable

from sqlalchemy import Engine

from moretta.core.cameras import NETWORK, CameraSource
from moretta.settings import Settings
from moretta.storage.statistics.addresses import SqlCameraAddresses
from moretta.usage.egress import AllowedAddress

_PURPOSE = "camera"


def note_addresses(engine: Engine, sources: Iterable[CameraSource]) -> None:
    """Note, durably, that these are about to be connected to; what lies on this machine is left out."""
    SqlCameraAddresses(engine).note(source.place for source in sources if source.kind in NETWORK)


def camera_addresses(engine: Engine, settings: Settings) -> tuple[AllowedAddress, ...]:
    """Every host that the settings allow `/v1/streams` to connect to, and every address that was connected to, with counts."""
    used = SqlCameraAddresses(engine).counts()
    allowed = {f"rtsp://{host}, http://{host}": 0 for host in settings.camera_hosts.split()}
    return tuple(AllowedAddress(_PURPOSE, place, count) for place, count in (allowed | used).items())
