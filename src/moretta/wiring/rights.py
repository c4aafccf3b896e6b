"""People's rights, put together over recognition's parts: proofs of the log, and what certificates say of software and models.

Belongs here: which implementation, and digests of this program. Does not belong here: what rights do (see `use_cases.rights`).
"""

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path

from moretta import __version__
from moretta.ledger.proofs import proof_of
from moretta.settings import Settings
from moretta.use_cases.recognition.means import Means
from moretta.use_cases.rights import Rights
from moretta.use_cases.rights.means import Named, Receipts, RightsMeans
from moretta.vision.models import MODELS
from moretta.wiring.consent_receipts import receipts_over


def rights_as_set(means: Means, settings: Settings) -> Rights:
    """Rights over these regions, as the settings say."""
    return rights_over(means, backup_days=settings.backup_days, master_key_days=settings.master_key_days)


def rights_over(
    means: Means,
    *,
    backup_days: int | None = None,
    master_key_days: int = 0,
    receipts: Receipts | None = None,
    batch: int = 100,
) -> Rights:
    """Rights over these regions. `backup_days`: how long the operator keeps backups; None: certificates tell that nobody said.
    `master_key_days`: see `RightsMeans`.

    `receipts`: left out, those of consent over the same regions. `batch`: see `RightsMeans`.
    """
    return Rights(
        RightsMeans(
            means,
            prove=proof_of,
            software=(("moretta", __version__), ("moretta_sha256", software_sha256())),
            models_of=models_of,
            receipts=receipts or receipts_over(means),
            backup_days=backup_days,
            master_key_days=master_key_days,
            batch=batch,
        )
    )


@cache
def software_sha256() -> str:
    """The SHA-256 of this package's source files: each one's path and content, in the order of the paths."""
    package, digest = Path(str(files("moretta"))), hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(package)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def models_of(model_id: str) -> Named:
    """The model, and the digest of the file that the catalogue names for it."""
    name = model_id.partition(":")[0]
    known = tuple((f"{one.name}_sha256", one.sha256) for one in MODELS if one.name == name)
    return (("model", model_id), *known)
