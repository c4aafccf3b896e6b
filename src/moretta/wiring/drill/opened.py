"""A drill over a deployment that is opened for it, and the chore of one that is open already.

Belongs here: finding the regions' databases. Does not belong here: the drill.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import Engine

from moretta.core.protection import Scheme
from moretta.core.recognising import FaceReader
from moretta.settings import Settings
from moretta.use_cases.recognition.means import Means
from moretta.wiring.drill.report import DrillReport
from moretta.wiring.drill.run import run_drill
from moretta.wiring.drill.schedule import Drills
from moretta.wiring.recognition import opened_means
from moretta.wiring.regions import Regions


def held_drill(
    settings: Settings,
    engine: Engine,
    reader: FaceReader,
    *,
    scheme: Scheme = Scheme.HE,
    region: str | None = None,
    also: Sequence[Path] = (),
    vacuum: bool = False,
) -> DrillReport:
    """As `run_drill`, over the regions of the settings, opened and closed for it."""
    with opened_means(settings, engine, reader) as means:
        return run_drill(means, settings, engines_of(means), scheme=scheme, region=region, also=also, vacuum=vacuum)


def drills_of(means: Means, settings: Settings) -> Drills:
    """The drills of a service, in its default region."""
    return Drills(lambda: run_drill(means, settings, engines_of(means)), settings.drill_interval_h)


def engines_of(means: Means) -> Mapping[str, Engine]:
    """The databases of the regions, by name."""
    regions = means.regions
    return {name: regions.engine_of(name) for name in regions} if isinstance(regions, Regions) else {}
