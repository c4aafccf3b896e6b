"""The standard set of cues.

Belongs here: which cues there are, in the order in which a report lists them. Does not belong here: weights, see `fuse`.
"""

from moretta.core.ports import AttackScorer, FaceEmbedder, TrustCue
from moretta.trust.blink import BlinkDynamics
from moretta.trust.boundary import boundary_sharpness, inner_detail
from moretta.trust.conditions import Conditions
from moretta.trust.distortion import colour_diversity, highlights, tone_range
from moretta.trust.facial_motion import FacialMotion
from moretta.trust.identity import IdentityStability
from moretta.trust.noise import noise_inconsistency
from moretta.trust.planar_motion import PlanarMotion
from moretta.trust.pulse import pulse_coherence, pulse_presence
from moretta.trust.recapture import texture_cues
from moretta.trust.repetition import Repetition
from moretta.trust.scorers import anti_spoofing, learned_blending
from moretta.trust.spectrum import moire_peaks, spectral_falloff
from moretta.trust.stillness import Stillness
from moretta.trust.surround import SurroundCoherence


def standard_cues(
    embedder: FaceEmbedder | None = None,
    spoof_scorer: AttackScorer | None = None,
    blending_scorer: AttackScorer | None = None,
) -> tuple[TrustCue, ...]:
    """All cues that the given models allow; `conditions` is always first, as the fusion needs it to abstain."""
    cues: list[TrustCue] = [
        Conditions(),
        PlanarMotion(),
        FacialMotion(),
        SurroundCoherence(),
        BlinkDynamics(),
        pulse_presence(),
        pulse_coherence(),
        Stillness(),
        Repetition(),
        boundary_sharpness(),
        inner_detail(),
        noise_inconsistency(),
        moire_peaks(),
        spectral_falloff(),
        tone_range(),
        colour_diversity(),
        highlights(),
        *texture_cues(),
    ]
    if embedder is not None:
        cues.append(IdentityStability(embedder))
    if spoof_scorer is not None:
        cues.append(anti_spoofing(spoof_scorer))
    if blending_scorer is not None:
        cues.append(learned_blending(blending_scorer))
    return tuple(cues)
