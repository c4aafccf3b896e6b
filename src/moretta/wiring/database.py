"""Where this process's database is, as the settings say.

Belongs here: the choice between a file and a server. Does not belong here: opening either.
"""

import os
import stat
from pathlib import Path

from moretta.core.errors import RequestInvalid
from moretta.settings import Settings


def database_place(settings: Settings, name: str) -> Path | str:
    """The URL of the settings, or the file `name` of the data folder.

    Raises:
        RequestInvalid: both settings are given, or the file that holds the URL cannot be used.
    """
    if settings.database_url is not None and settings.database_url_file is not None:
        raise RequestInvalid("expected MORETTA_DATABASE_URL or MORETTA_DATABASE_URL_FILE, got both; unset one")
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    if settings.database_url_file is not None:
        return _told_by(settings.database_url_file)
    return settings.data_dir / name


def _told_by(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise RequestInvalid("MORETTA_DATABASE_URL_FILE: expected mode 0600, got a file that others can read")
            return file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestInvalid("MORETTA_DATABASE_URL_FILE: expected a text file that this user can read") from error
