"""Moretta: self-hosted face analytics that lets nothing out but a count.

from moretta import Analyzer
with Analyzer() as analyzer:
    print(analyzer.analyze("clip.mp4").trust)
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moretta.core.analysis import Analysis as Analysis
    from moretta.core.analysis import Feature as Feature
    from moretta.core.errors import MorettaError as MorettaError
    from moretta.core.values import Profile as Profile
    from moretta.sdk import Analyzer as Analyzer
    from moretta.sdk_recognition import Recogniser as Recogniser
    from moretta.sdk_redaction import Redactor as Redactor
    from moretta.sdk_watching import Watcher as Watcher

# onnxruntime uploads usage data by default since 1.29 and writes a device id to the home directory as soon as it is imported;
# this turns both off, and so comes before anything of ours can import it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"
__all__ = [
    "Analysis",
    "Analyzer",
    "Feature",
    "MorettaError",
    "Profile",
    "Recogniser",
    "Redactor",
    "Watcher",
    "__version__",
]

_HOMES = {
    "Analysis": "moretta.core.analysis",
    "Analyzer": "moretta.sdk",
    "Feature": "moretta.core.analysis",
    "MorettaError": "moretta.core.errors",
    "Profile": "moretta.core.values",
    "Recogniser": "moretta.sdk_recognition",
    "Redactor": "moretta.sdk_redaction",
    "Watcher": "moretta.sdk_watching",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use, so that importing the package stays cheap."""
    if name not in _HOMES:
        raise AttributeError(f"module 'moretta' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
