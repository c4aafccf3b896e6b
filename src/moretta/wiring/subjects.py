"""People's own pages, put together.

Belongs here: which implementations they are. Does not belong here: what they do (see `use_cases.subject`).
"""

from moretta.settings import Settings
from moretta.use_cases.consent.facade import Consents
from moretta.use_cases.recognition.means import Means
from moretta.use_cases.rights import Rights
from moretta.use_cases.subject import OwnPages
from moretta.use_cases.subject.means import SubjectMeans
from moretta.use_cases.subject.rights import RightsOfOne
from moretta.wiring.consent import consents_of
from moretta.wiring.rights import rights_as_set


def own_pages_of(means: Means, consents: Consents, rights: Rights) -> OwnPages:
    """The pages over the regions of `means`."""
    return OwnPages(SubjectMeans(means, consents, RightsOfOne(means, rights)))


def own_pages(means: Means, settings: Settings) -> OwnPages:
    """The same, with consents and rights as the settings make them.

    Raises:
        RequestInvalid: the origin in the settings is none.
    """
    rights = rights_as_set(means, settings)
    return own_pages_of(means, consents_of(means, settings, rights), rights)
