"""Recognition, put together: the settings' regions, confined workers that read faces, the embedders that these have loaded.

Belongs here: opening and closing it. Does not belong here: what it does (see `use_cases.recognition`).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from moretta.core.recognising import FaceReader
from moretta.settings import Settings
from moretta.use_cases.recognition import Recognition
from moretta.use_cases.recognition.means import Means
from moretta.wiring.embedders import cards
from moretta.wiring.parties import open_parties
from moretta.wiring.regions import OpenParties, opened_regions
from moretta.wiring.regions_file import folder_in, read_regions


@contextmanager
def opened_recognition(
    settings: Settings, engine: Engine, reader: FaceReader, *, replicate: bool = False
) -> Iterator[Recognition]:
    """Recognition over the regions that the settings name; what a dead process left behind is deleted first.

    Args:
        engine: the service's own database, which is also that of the region `local`.
        reader: reads faces in confined workers; closed by the caller.
        replicate: keep nodes up to date in the background (a service does, a command does not).

    Raises:
        RequestInvalid: the regions file cannot be used.
        ModelCorrupt: the list of the operator's own models cannot be read.
    """
    with opened_regions(settings, engine, _parties(settings), replicate=replicate) as regions:
        means = Means(regions, regions.default, reader, cards(settings.models_dir), regions.places)
        recognition = Recognition(means)
        recognition.recover()
        yield recognition


def _parties(settings: Settings) -> OpenParties | None:
    if settings.regions_file is None:
        return None
    plan = read_regions(settings.regions_file)
    return open_parties(folder_in(plan.certificates or ""), settings.data_dir)
