"""The SDK's side of redaction: media in, anonymised media and a report out.

Belongs here: what a Python caller sees. Does not belong here: any step of the work.
"""

import os
import secrets
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from moretta.core.errors import FieldError, LeakFound, RequestInvalid
from moretta.core.ports import OnProgress
from moretta.core.redaction import Method, Redaction, RedactionExecutor, RedactionRequest, Scope, SoundTreatment
from moretta.core.values import TrackId
from moretta.sdk import Source, media_held
from moretta.sdk_worker import Worker
from moretta.settings import Settings
from moretta.use_cases.redaction.persons import ChosenPersons, chosen_persons, request_for, told
from moretta.wiring.requests import Duty

if TYPE_CHECKING:
    from moretta.core.recognition import Person
    from moretta.sdk_recognition import Recogniser
    from moretta.use_cases.recognition.results import RecognisedTracks

Target = str | os.PathLike[str] | BinaryIO
_COPY_BYTES = 1 << 20
_SEED_BITS = 63


class Redactor:
    """Hides the faces of images and videos in a confined worker process that starts at the first call.

    Use it as a context manager, or call `close()`.

    Args:
        method: how faces are hidden.
        sound: what becomes of a video's sound.
        settings: instead of those of the environment.
        executor: instead of a worker of its own.
        door: as which usage is counted.
        recogniser: by which persons are recognised who stay visible; its worker and settings serve where none are given, and
            whoever made it closes it.
    """

    def __init__(
        self,
        method: Method | str = Method.BLUR,
        sound: SoundTreatment | str = SoundTreatment.KEEP,
        settings: Settings | None = None,
        executor: RedactionExecutor | None = None,
        door: str = "sdk:redact",
        recogniser: "Recogniser | None" = None,
    ) -> None:
        self._method, self._sound = parse_method(method), parse_sound(sound)
        self._settings = settings or (Settings() if recogniser is None else recogniser.settings)
        duty = Duty.AVATARS if self._method is Method.AVATAR else Duty.COVERS
        self._worker = Worker(self._settings, executor, door, duty)
        self._recogniser = recogniser

    def redact(
        self,
        source: Source,
        target: Target,
        *,
        only: Iterable[int] | None = None,
        exempt: Iterable[int] | None = None,
        only_persons: "Iterable[Person | str] | None" = None,
        exempt_persons: "Iterable[Person | str] | None" = None,
        check: bool = True,
        strict: bool = False,
        keep_leaking: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Redaction:
        """Write `source` anew into `target` with its faces hidden.

        Args:
            source: a path, the bytes themselves, or an open binary file.
            target: a path, where the file appears as a whole at the end; or an open binary file.
            only: ids of tracks, as `tracks` tells them: no other face is hidden.
            exempt: ids of tracks that stay visible.
            only_persons: no other face is hidden than theirs, and those of which it is not clear; needs a `recogniser`.
            exempt_persons: people who are enrolled and consented, who stay visible; needs a `recogniser`. Whoever is not found
                or must not be compared is told of, in numbers, by the result's warnings.
            check: look for faces in the output.
            strict: look at every frame; raise where the check finds a face, and write nothing, unless `keep_leaking`.
            keep_leaking: with `strict`, write the output before raising.
            on_progress: called now and then with a `Progress`; what it raises ends the work.

        Raises:
            LeakFound: `strict`, and a face is to be seen.
            MediaError: the media is at fault, or the output over its limit.
            RequestInvalid: more than one of `only`, `exempt` and persons, unknown tracks, persons without a recogniser, `strict`
                without `check`, a target that cannot be written.
            PolicyProhibited, RateLimited: see `Recognition.recognise_tracks`.
            NotFound, ModelMissing, SandboxUnavailable, TimeLimitExceeded, WorkerLost: as `Analyzer.analyze`.
        """
        if strict and not check:
            raise RequestInvalid("expected a check where nothing may leak; leave check on, or strict off")
        _check_target(target)
        scope, tracks = chosen_tracks(only, exempt)
        persons = chosen_persons(_ids(only_persons), _ids(exempt_persons), tracks=scope is not Scope.ALL)
        if persons is not None and self._recogniser is None:
            raise RequestInvalid("expected a recogniser where persons are named: Redactor(recogniser=Recogniser())")
        request = RedactionRequest(self._method, scope, tracks, self._sound, check, new_seed(), every_frame=strict)
        redaction, fd = self._counted(source, request, on_progress, persons)
        try:
            leak = leak_of(redaction) if strict else None
            if leak is None or keep_leaking:
                _put(fd, target)
        finally:
            os.close(fd)
        if leak is not None:
            raise leak
        return redaction

    def tracks(self, source: Source, on_progress: OnProgress | None = None) -> Redaction:
        """The faces of `source` with their track ids and times; nothing is written. Raises as `redact` does."""
        redaction, fd = self._counted(source, RedactionRequest(self._method, follow_only=True), on_progress)
        os.close(fd)
        return redaction

    def _counted(
        self,
        source: Source,
        request: RedactionRequest,
        on_progress: OnProgress | None,
        persons: ChosenPersons | None = None,
    ) -> tuple[Redaction, int]:
        with media_held(source, self._settings.limits) as media, ExitStack() as uncounted:
            with self._worker.counted():
                redaction, fd = redact_but(self._running(), media, request, persons, self._recognised, on_progress)
                uncounted.callback(os.close, fd)
            uncounted.pop_all()
        return redaction, fd

    def _recognised(
        self, ids: tuple[str, ...], media_fd: int, executor: RedactionExecutor, on_progress: OnProgress | None
    ) -> "RecognisedTracks":
        if self._recogniser is None:
            raise AssertionError("unreachable: persons are refused without a recogniser")
        recognition, company_id = self._recogniser.recognition, self._recogniser.company_id
        return recognition.recognise_tracks(company_id, ids, media_fd, executor, on_progress=on_progress)

    def _running(self) -> RedactionExecutor:
        if self._recogniser is not None and not self._worker.present:
            return self._recogniser.redactions
        return self._worker.executor()

    def close(self) -> None:
        """End the worker. Idempotent."""
        self._worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


Recognise = Callable[[tuple[str, ...], int, RedactionExecutor, OnProgress | None], "RecognisedTracks"]


def redact_but(
    executor: RedactionExecutor,
    media_fd: int,
    request: RedactionRequest,
    persons: ChosenPersons | None,
    recognise: Recognise,
    on_progress: OnProgress | None,
) -> tuple[Redaction, int]:
    """As `executor.redact`; where persons are chosen, `recognise` first says which tracks are theirs."""
    if persons is None:
        return executor.redact(media_fd, request, on_progress)
    recognised = recognise(persons.ids, media_fd, executor, on_progress)
    done, output = executor.redact(media_fd, request_for(request, persons, recognised), on_progress)
    return told(done, persons, recognised), output


def parse_method(text: Method | str) -> Method:
    """The method of that name. Raises `RequestInvalid` where there is none."""
    try:
        return Method(text)
    except ValueError:
        raise _unknown("method", Method) from None


def parse_sound(text: SoundTreatment | str) -> SoundTreatment:
    """The treatment of sound of that name. Raises `RequestInvalid` where there is none."""
    try:
        return SoundTreatment(text)
    except ValueError:
        raise _unknown("sound", SoundTreatment) from None


def chosen_tracks(only: Iterable[int] | None, exempt: Iterable[int] | None) -> tuple[Scope, frozenset[TrackId]]:
    """Scope and tracks of a request. Raises `RequestInvalid` where both are given."""
    if only is not None and exempt is not None:
        raise RequestInvalid("expected the tracks to hide or the tracks to leave visible, got both")
    if only is not None:
        return Scope.ONLY, frozenset(TrackId(each) for each in only)
    if exempt is not None:
        return Scope.ALL_BUT, frozenset(TrackId(each) for each in exempt)
    return Scope.ALL, frozenset()


def new_seed() -> int:
    """A seed that nobody can guess: noise that is known could be taken away again."""
    return secrets.randbits(_SEED_BITS)


def leak_of(redaction: Redaction) -> LeakFound | None:
    """The error that says what the check found; None where it found nothing."""
    report = redaction.report
    if report is None or report.clean:
        return None
    return LeakFound(
        f"expected no face to be seen, found one in {report.frames_leaking} of {report.frames} frames, for "
        f"{report.longest_leak_ms:.0f} ms at most in a row; hide with the method solid, or look at these frames"
    )


def _ids(persons: "Iterable[Person | str] | None") -> tuple[str, ...] | None:
    if persons is None:
        return None
    return tuple(person if isinstance(person, str) else person.person_id for person in persons)


def _unknown(name: str, kind: type[Method] | type[SoundTreatment]) -> RequestInvalid:
    known = ", ".join(kind)
    return RequestInvalid(
        f"expected a {name} out of {known}; got another word", field_errors=(FieldError(name, f"one of {known}"),)
    )


def _check_target(target: Target) -> None:
    from moretta.wiring.placing import check_place

    if isinstance(target, str | os.PathLike):
        check_place(Path(target))


def _put(fd: int, target: Target) -> None:
    from moretta.wiring.placing import place

    if isinstance(target, str | os.PathLike):
        place(fd, Path(target))
        return
    at = 0
    while piece := os.pread(fd, _COPY_BYTES, at):
        target.write(piece)
        at += len(piece)
