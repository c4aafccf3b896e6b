"""The tree of errors is complete: each class has its own code, a title, a status and an exit code."""

from collections.abc import Iterator

from moretta.core import errors
from moretta.core.errors import MorettaError


def _classes(root: type[MorettaError] = MorettaError) -> Iterator[type[MorettaError]]:
    for kind in root.__subclasses__():
        if kind.__module__.startswith(f"{errors.__name__}."):
            yield kind
            yield from _classes(kind)


def test_every_error_has_its_own_code() -> None:
    codes = [kind.code for kind in _classes()]
    assert len(codes) == len(set(codes)) > 60


def test_every_error_is_drawn_in_the_tree_and_has_a_status_and_an_exit_code() -> None:
    for kind in _classes():
        assert kind.__name__ in (errors.__doc__ or "")
        assert 400 <= kind.status < 600
        assert 0 < kind.exit_code < 256
        assert kind.title


def test_every_error_can_be_imported_from_the_package_whatever_its_module() -> None:
    for kind in _classes():
        assert getattr(errors, kind.__name__, None) is kind
        assert kind.__name__ in errors.__all__
