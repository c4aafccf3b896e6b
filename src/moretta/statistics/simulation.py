"""A made-up crowd before a site's cameras, so that a site can be tried and tested with no person.

Belongs here: when people come, how they walk, stay and look, as sightings. Does not belong here: pictures of them, counting
them.

The crowd is a model with round figures, not a measurement of any shop: enough to see every measure move and to compare noise
with a known truth. The same seed gives the same crowd.
"""

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from moretta.core.site import Site, View
from moretta.core.statistics import Sighting
from moretta.core.values import TrackId

# A walk indoors is 1.4 m/s (Bohannon 1997, comfortable gait speed of adults); a picture shows about 5 m across at 3 m with a
# view of 53 degrees (`vision.pose`) at the mean size below: .28 of the picture's width a second.
WALK_PER_S = 0.28
_GROUP_SHARE = 0.25
_STOPS_SHARE = 0.6
_STAY_MEDIAN_S, _STAY_SPREAD = 20.0, 1.0
_FEMALE_SHARE = 0.5
_LOOKS_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class _Person:
    """One person: in at `start_s` from the left (`direction` 1) or the right (-1), to `spot`, a stay, and out again."""

    number: int
    start_s: float
    direction: int
    spot: float
    y: float
    size: float
    stay_s: float
    returns: bool
    look_s: float
    age: float
    female: bool
    behind: float = 0.0

    @property
    def end_s(self) -> float:
        out = self.spot if self.returns == (self.direction == 1) else 1 - self.spot
        way_in = self.spot if self.direction == 1 else 1 - self.spot
        return self.start_s + (way_in + out) / WALK_PER_S + self.stay_s

    def at(self, time_s: float) -> tuple[float, float]:
        """Place across the picture and head turn in degrees."""
        begin = 0.0 if self.direction == 1 else 1.0
        way_in_s = abs(self.spot - begin) / WALK_PER_S
        passed = time_s - self.start_s
        if passed < way_in_s:
            return begin + self.direction * WALK_PER_S * passed, 60.0 * self.direction
        if passed < way_in_s + self.stay_s:
            looks = passed - way_in_s < self.look_s
            ahead = -math.degrees(math.atan(self.spot - 0.5))
            return self.spot, ahead if looks else ahead + 55.0 * self.direction
        onward = -self.direction if self.returns else self.direction
        return self.spot + onward * WALK_PER_S * (passed - way_in_s - self.stay_s), 60.0 * onward


@dataclass(frozen=True, slots=True)
class Scene:
    """One frame of one camera: the time in seconds since 1970 and everybody's sighting."""

    camera: str
    time_s: float
    sightings: tuple[Sighting, ...]


class Crowd:
    """People before all cameras of a site.

    Args:
        site: whose cameras they pass; each has a crowd of its own.
        people_per_hour: how many come to each camera within the busiest hour; the day has a peak at noon and one at 18 h.
        seed: of the crowd.
        frames_per_s: how often a camera looks.
    """

    def __init__(self, site: Site, people_per_hour: float, seed: int = 0, frames_per_s: float = 5.0) -> None:
        self._site, self._peak, self._seed, self._every_s = site, people_per_hour, seed, 1.0 / frames_per_s

    def scenes(self, start_s: float, end_s: float) -> Iterator[Scene]:
        """All frames of all cameras from `start_s` to `end_s` (seconds since 1970) in order of time, empty ones too."""
        streams = [self._camera(view, number, start_s, end_s) for number, view in enumerate(self._site.views)]
        return heapq.merge(*streams, key=lambda scene: scene.time_s)

    def _camera(self, view: View, number: int, start_s: float, end_s: float) -> Iterator[Scene]:
        chance = np.random.default_rng((self._seed, number))
        arrivals = self._arrivals(chance, start_s, end_s)
        coming = next(arrivals, None)
        here: list[_Person] = []
        for frame in range(int((end_s - start_s) / self._every_s)):
            time_s = start_s + frame * self._every_s
            while coming is not None and coming.start_s <= time_s:
                here.append(coming)
                coming = next(arrivals, None)
            here = [person for person in here if person.end_s > time_s]
            yield Scene(view.camera, time_s, tuple(_seen(person, time_s, chance) for person in here))

    def _arrivals(self, chance: np.random.Generator, start_s: float, end_s: float) -> Iterator[_Person]:
        """A Poisson process whose rate follows the day, by thinning (Lewis and Shedler 1979); some bring a companion."""
        time_s, number = start_s, 0
        while True:
            time_s += float(chance.exponential(3600.0 / self._peak))
            if time_s >= end_s:
                return
            if chance.random() > _busy(time_s % 86400.0 / 3600.0) / (1 + _GROUP_SHARE):
                continue
            person = _person(chance, number, time_s)
            number += 1
            yield person
            if chance.random() < _GROUP_SHARE:
                yield _companion(chance, person, number)
                number += 1


def _busy(hour: float) -> float:
    """How busy it is at an hour of the day in UTC, 0 to 1."""
    return min(1.0, 0.05 + math.exp(-((hour - 12.0) ** 2) / 8.0) + 0.8 * math.exp(-((hour - 18.0) ** 2) / 6.0))


def _person(chance: np.random.Generator, number: int, start_s: float) -> _Person:
    stops = chance.random() < _STOPS_SHARE
    stay_s = float(chance.lognormal(math.log(_STAY_MEDIAN_S), _STAY_SPREAD)) if stops else 0.0
    looks = stay_s * float(chance.random()) if chance.random() < _LOOKS_SHARE else 0.0
    return _Person(
        number,
        start_s,
        1 if chance.random() < 0.5 else -1,
        float(chance.uniform(0.2, 0.8)),
        float(chance.uniform(0.3, 0.6)),
        float(chance.uniform(0.1, 0.25)),
        stay_s,
        bool(stops and chance.random() < 0.5),
        looks,
        float(np.clip(chance.normal(38, 16), 8, 85)),
        bool(chance.random() < _FEMALE_SHARE),
    )


def _companion(chance: np.random.Generator, leader: _Person, number: int) -> _Person:
    """Somebody who walks beside: as fast, as far away, half a metre behind."""
    return _Person(
        number,
        leader.start_s,
        leader.direction,
        leader.spot,
        leader.y,
        leader.size,
        leader.stay_s,
        leader.returns,
        leader.look_s,
        float(np.clip(chance.normal(38, 16), 8, 85)),
        bool(chance.random() < _FEMALE_SHARE),
        0.5 / 0.19 * leader.size * 0.75,
    )


def _seen(person: _Person, time_s: float, chance: np.random.Generator) -> Sighting:
    """The sighting, with the trembling that measurements have."""
    x, yaw = person.at(time_s)
    shaken_x, shaken_y, shaken_yaw = chance.normal(0, (0.002, 0.002, 3.0))
    place = x + shaken_x - person.behind * person.direction
    return Sighting(
        TrackId(person.number),
        time_s,
        float(np.clip(place, 0, 1)),
        float(np.clip(person.y + shaken_y, 0, 1)),
        person.size,
        float(yaw + shaken_yaw),
        0.0,
        0.0,
        0.0,
        person.age,
        1.0 if person.female else 0.0,
    )
