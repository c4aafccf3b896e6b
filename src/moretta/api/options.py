"""What a caller asks of an analysis, from the query, the form and the headers.

Belongs here: reading options strictly, and the policy questions that they raise. The query wins over the form.
Does not belong here: the media.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from moretta.core.analysis import DEFAULT_FEATURES, AnalysisRequest, Feature
from moretta.core.errors import FieldError, PolicyProhibited, RequestInvalid
from moretta.core.policy import Policy
from moretta.core.values import Profile
from moretta.use_cases.guard import require_expression

FORM_FIELDS = frozenset({"features", "profile", "async", "store"})
DETECT_FEATURES = frozenset({Feature.LANDMARKS, Feature.POSE, Feature.QUALITY})

_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off", ""})
# `1` is how users of Luxand's API ask for a stored photo.
_STORE_NOTHING = frozenset({"none", "0", ""})
_STORE_SOMETHING = frozenset({"template", "photo", "1"})


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and whether the caller would rather come back for the result."""

    request: AnalysisRequest
    run_async: bool

    @property
    def fingerprint(self) -> str:
        """Equal for options that mean the same."""
        features = ",".join(sorted(self.request.features))
        return f"{self.request.profile}|{features}|{self.run_async}"


def read_options(
    *,
    features: Sequence[str] | None,
    profile: Profile | None,
    run_async: bool | None,
    prefer: str | None,
    form: Mapping[str, str],
    policy: Policy,
    purpose: str | None = None,
) -> Options:
    """The options of a request.

    Raises:
        RequestInvalid: an unknown feature, profile or flag.
        PolicyProhibited: expression was asked for, and the policy does not allow it for `purpose`.
    """
    if features is None and "features" in form:
        features = [form["features"]]
    if profile is None and "profile" in form:
        profile = _profile(form["profile"])
    if run_async is None and "async" in form:
        run_async = flag("async", form["async"])
    if run_async is None:
        run_async = "respond-async" in {part.split(";")[0].strip().lower() for part in (prefer or "").split(",")}
    wanted = _features(features) if features is not None else DEFAULT_FEATURES
    if Feature.EXPRESSION in wanted:
        require_expression(policy, purpose)
    return Options(AnalysisRequest(profile or Profile.ACCURATE, wanted), run_async)


def refuse_storing(*values: str | None) -> None:
    """Hold a caller who wants something stored.

    Raises:
        PolicyProhibited: this deployment keeps nothing of a media item.
        RequestInvalid: a word that means nothing.
    """
    for value in values:
        word = (value or "").strip().lower()
        if word in _STORE_SOMETHING:
            raise PolicyProhibited(
                "This deployment keeps nothing of what it analyses: send Store: none, or leave the header out."
            )
        if word not in _STORE_NOTHING:
            wrong = FieldError("Store", "expected none, template or photo")
            raise RequestInvalid("The Store header cannot be used.", field_errors=(wrong,))


def _features(words: Sequence[str]) -> frozenset[Feature]:
    names = [name.strip().lower() for word in words for name in word.split(",") if name.strip()]
    known = {feature.value for feature in Feature}
    if not names or not known.issuperset(names):
        wrong = FieldError("features", f"expected some of {', '.join(sorted(known))}")
        raise RequestInvalid("An unknown feature, or none.", field_errors=(wrong,))
    return frozenset(Feature(name) for name in names)


def _profile(word: str) -> Profile:
    try:
        return Profile(word.strip().lower())
    except ValueError:
        wrong = FieldError("profile", f"expected one of {', '.join(Profile)}")
        raise RequestInvalid("An unknown profile.", field_errors=(wrong,)) from None


def flag(name: str, word: str) -> bool:
    """Whether `word` says yes. Raises `RequestInvalid` where it says neither yes nor no."""
    word = word.strip().lower()
    if word in _YES | _NO:
        return word in _YES
    raise RequestInvalid("A flag is neither yes nor no.", field_errors=(FieldError(name, "expected 1 or 0"),))
