"""Marked names and marked media go in at every door; then every byte that Moretta wrote is searched for them."""

import base64
import http.client
import io
import json
import os
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from tests.media import Pixels, make_still, make_video
from tests.service_rig import (
    Place,
    Service,
    Watch,
    fragments,
    marks_in,
    open_files,
    padded,
    raw_exchange,
    snapshot,
    wait_for,
)

pytestmark = pytest.mark.models

BIG = 200 * 2**20
PERSON = "Wilhelmine Žofie Quastenflosser"
FILE_NAME = "Urlaub Wilhelmine Žofie Quastenflosser 1987.mp4"
ASCII_NAME = "wilhelmine-quastenflosser-1987"
# What people use to write elsewhere; never the service.
SHARED_ROOTS = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))
SEARCHED_BYTES = 64 * 2**20


@pytest.fixture(scope="module")
def noise() -> Pixels:
    """A picture whose every row stands nowhere else."""
    return np.random.default_rng(20).integers(0, 256, (240, 320, 3), np.uint8)


@pytest.fixture(scope="module")
def marked_media(noise: Pixels, short_clip: bytes) -> dict[str, bytes]:
    """Media of every kind of fate: analysed, refused, broken; each carries the name in its metadata or content."""
    title = f"{PERSON} {ASCII_NAME}"
    comment = io.BytesIO()
    Image.fromarray(noise).save(comment, "JPEG", quality=90, comment=title.encode())
    name_box = (8 + len(title.encode())).to_bytes(4, "big") + b"free" + title.encode()
    return {
        "picture": make_still("bmp", noise),
        "commented": comment.getvalue(),
        "clip": short_clip + name_box,
        "text": (title + "\n").encode() * 50,
        "cut": short_clip[:200_000],
        "broken": b"\x89PNG\r\n\x1a\n" + title.encode() * 20,
        "silent": make_video("mp4", video=False, audio_s=0.2) + name_box,
    }


@pytest.fixture(scope="module")
def marks(noise: Pixels, marked_media: Mapping[str, bytes]) -> dict[str, bytes]:
    """Everything that must not be found, by what it is."""
    found = name_marks()
    for name, content in marked_media.items():
        for number, piece in enumerate(fragments(content, 150)):
            found[f"{name} piece {number}"] = piece
    for row in range(0, 240, 8):
        pixels = noise[row].tobytes()
        for layout, content in (("RGB", pixels), ("BGR", noise[row, :, ::-1].tobytes())):
            found[f"{layout} row {row}"] = content[48:64]
        for shift in range(3):
            found[f"base64 of row {row}, shift {shift}"] = base64.b64encode(pixels[48 + shift : 78 + shift])[:36]
        found[f"numbers of row {row}"] = ", ".join(str(value) for value in pixels[48:56]).encode()
    return found


def name_marks() -> dict[str, bytes]:
    """The names in the ways in which programs write them."""
    found = {}
    for what, text in (("person", PERSON), ("file name", FILE_NAME), ("plain name", ASCII_NAME)):
        raw = text.encode()
        found |= {
            what: raw,
            f"{what}, UTF-16": text.encode("utf-16-le"),
            f"{what}, Latin-2": text.encode("iso8859-2"),
            f"{what}, mojibake": raw.decode("latin-1").encode(),
            f"{what}, in an address": urllib.parse.quote(text).encode(),
            f"{what}, in a form": urllib.parse.quote_plus(text).encode(),
            f"{what}, in JSON": json.dumps(text)[1:-1].encode(),
            f"{what}, for Python": repr(text.encode())[2:-1].encode(),
            f"{what}, base64": base64.b64encode(raw)[:-4],
            f"{what}, hexadecimal": raw.hex().encode(),
        }
    return found | {"surname": b"Quastenflosser", "surname, small": b"quastenflosser"}


def test_the_search_finds_what_is_there(
    marks: Mapping[str, bytes], noise: Pixels, marked_media: Mapping[str, bytes]
) -> None:
    leak = b"..." + noise[16].tobytes() + base64.b64encode(noise[24].tobytes()) + json.dumps(FILE_NAME).encode()
    found = " ".join(marks_in({"leak": leak}, marks))
    for what in ("RGB row 16", "base64 of row 24", "file name, in JSON"):
        assert what in found
    for name, content in marked_media.items():
        assert any(place.startswith(f"{name} piece") for place in marks_in({"leak": content}, marks)) or name in {
            "text",
            "broken",
            "silent",
        }, name
        assert marks_in({"leak": content}, marks)


def test_a_200_mb_upload_leaves_no_file_and_no_fragment(service: Service, short_clip: bytes) -> None:
    block = os.urandom(2**20)  # of this run alone: other programs write their own media to the shared folders
    media = padded(short_clip, BIG, block)
    assert len(media) == BIG
    unique = fragments(block, 300)
    service.analyze(make_still())  # whatever is made once is made now
    own = (service.place.root,)
    before, shared_before = snapshot(*own), snapshot(*SHARED_ROOTS)
    open_before = open_files(service.process.pid)

    with Watch(service) as watch:
        status, answer = send_form(service, media)
        assert status == 202, answer
        job = f"/v1/jobs/{json.loads(answer)['id']}"
        wait_for(lambda: service.get(job).json()["finished_at"], 120, every_s=0.2)
    result = service.get(job).json()
    assert result["state"] == "succeeded", result
    assert result["result"]["media"]["bytes"] == BIG
    assert result["result"]["faces"]

    changed = {path for path, state in snapshot(*own).items() if before.get(path) != state}
    assert {Path(path).name for path in changed} <= {"moretta.db", "moretta.db-wal", "moretta.db-shm"}
    assert all(Path(path).parent == service.place.data for path in changed)
    assert set(before) == set(snapshot(*own))

    memory, files = split(watch.seen - open_before)
    assert memory == {"/memfd:moretta-upload (deleted)"}
    assert all(
        service.place.data in Path(name).parents or Path(name).suffix in {".tflite", ".onnx"} for name in files
    ), files
    wait_for(lambda: not split(open_files(service.process.pid))[0], 10)

    assert marks_in(service.written(), [*unique, *fragments(short_clip, 600)]) == []
    elsewhere = {
        path: head(path) for path, state in snapshot(*SHARED_ROOTS).items() if shared_before.get(path) != state
    }
    assert marks_in(elsewhere, unique) == []


def test_nothing_of_names_or_media_is_written_by_any_endpoint(
    service: Service, marked_media: Mapping[str, bytes], marks: Mapping[str, bytes]
) -> None:
    said: dict[str, bytes] = {}

    def keep(what: str, answer: httpx.Response) -> httpx.Response:
        headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
        said[f"answer {len(said)} to {what}"] = headers.encode() + b"\n" + answer.content
        return answer

    for what, method, path, operation in operations(service):
        for number, options in enumerate(calls(operation, marked_media)):
            address = path.replace("{", "").replace("}", "") if number % 2 else filled(path)
            keep(what, service.call(method, address, **options))
        nobody = {"Authorization": f"Bearer mk_{ASCII_NAME}"}
        keep(
            f"{what} without a key", httpx.request(method, service.base + filled(path), headers=nobody, trust_env=False)
        )
    follow_a_job(service, marked_media["clip"], keep)
    keep("a place that is not", service.get(f"/{urllib.parse.quote(FILE_NAME)}", params={ASCII_NAME: PERSON}))
    for request in broken_requests():
        said[f"answer {len(said)} to a broken request"] = raw_exchange(service.base, request)
    keep("metrics", service.get("/metrics"))
    keep("egress", service.get("/v1/egress"))

    assert len(said) > 120
    assert b'"route": "/v1/analyze"' in b"".join(service.written().values())
    assert marks_in({**said, **service.written()}, marks) == []


def test_nothing_of_names_or_media_is_written_by_the_command_line(
    place: Place, marked_media: Mapping[str, bytes], marks: Mapping[str, bytes], tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name, content in marked_media.items():
        (source / f"{name} {FILE_NAME}").write_bytes(content)
    files = sorted(source.iterdir())
    before = snapshot(place.root)
    told = place.moretta("analyze", *files, "--json", "-", "--features", "+mesh,age,gender,posture")
    assert told.returncode == 65
    assert len(told.stdout.splitlines()) == len(marked_media)
    # The caller's own terminal names the caller's own files; the results do not.
    errors = told.stderr
    for file in files:
        errors = errors.replace(file.name.encode(), b"")
    new = {Path(path).relative_to(place.root) for path in set(snapshot(place.root)) - set(before)}
    assert {path.parts[0] for path in new} == {"data"}
    written = {str(path): path.read_bytes() for path in place.root.rglob("*") if path.is_file()}
    assert marks_in({"standard output": told.stdout, "standard error": errors, **written}, marks) == []
    assert sum(place.counted().values()) == len(marked_media)


def test_nothing_of_names_or_media_is_written_by_the_sdk(
    models_dir: Path, marked_media: Mapping[str, bytes], marks: Mapping[str, bytes], tmp_path: Path
) -> None:
    from moretta import Analyzer, MorettaError
    from moretta.settings import Settings

    folder, data = tmp_path / PERSON, tmp_path / "data"
    folder.mkdir()
    spoken: dict[str, bytes] = {}
    with Analyzer("fast", settings=Settings(data_dir=data, models_dir=models_dir)) as analyzer:
        for name, content in marked_media.items():
            path = folder / f"{name} {FILE_NAME}"
            path.write_bytes(content)
            for source in (path, content, io.BytesIO(content)):
                try:
                    spoken[f"{name} result"] = repr(analyzer.analyze(source)).encode()
                except MorettaError as error:
                    spoken[f"{name} error"] = repr((error, error.detail, error.__cause__, error.__context__)).encode()
        try:
            analyzer.analyze(folder / f"missing {FILE_NAME}")
        except MorettaError as error:
            spoken["missing"] = repr((error, error.detail)).encode()
    assert {"picture result", "clip result", "text error", "missing"} <= set(spoken)
    written = {path.name: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    assert marks_in({**spoken, **written}, marks) == []


def operations(service: Service) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    document = service.get("/openapi.json").json()
    paths = document["paths"]
    assert {"/v1/analyze", "/v1/detect", "/v1/jobs/{job_id}", "/v1/usage", "/v1/egress", "/metrics"} <= set(paths)
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", method.upper(), path, operation


def calls(operation: dict[str, Any], marked_media: Mapping[str, bytes]) -> Iterator[dict[str, Any]]:
    """Ways to call an operation, with a name wherever one can be put."""
    spoken = {"User-Agent": ASCII_NAME, "Referer": f"http://{ASCII_NAME}/", "Cookie": f"person={ASCII_NAME}"}
    parameters = operation.get("parameters", [])
    headers = {p["name"]: ASCII_NAME for p in parameters if p["in"] == "header"}
    query = {p["name"]: PERSON for p in parameters if p["in"] == "query"}
    yield {"headers": spoken}
    yield {"headers": spoken | headers, "params": query}
    yield {"headers": spoken, "params": {ASCII_NAME: FILE_NAME, "token": PERSON}}
    kinds = operation.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in kinds:
        quiet = spoken | {"Purpose": ASCII_NAME, "Consent-Id": ASCII_NAME, "Idempotency-Key": ASCII_NAME}
        for number, content in enumerate(marked_media.values()):
            yield {
                "headers": quiet | {"Idempotency-Key": f"{ASCII_NAME}{number}"},
                "files": {"file": (FILE_NAME, content)},
            }
            yield {"headers": spoken, "files": {"photo": (FILE_NAME, content, ASCII_NAME)}, "data": {"profile": PERSON}}
            yield {"headers": spoken | {"Content-Type": "application/octet-stream"}, "content": content}
        yield {"files": {PERSON: (FILE_NAME, b"x")}, "data": {ASCII_NAME: PERSON, "features": FILE_NAME}}
        yield {"headers": {"Content-Type": f"image/{ASCII_NAME}"}, "content": marked_media["picture"]}
        yield {"headers": {"Content-Type": f"text/{ASCII_NAME}"}, "content": marked_media["text"]}
        yield {
            "headers": {"Content-Type": f"multipart/form-data; boundary={ASCII_NAME}"},
            "content": marked_media["text"],
        }
    if "application/json" in kinds:
        yield {"json": {"scopes": [PERSON], ASCII_NAME: FILE_NAME, "expires_at": PERSON}}
        yield {"headers": {"Content-Type": "application/json"}, "content": marked_media["text"]}


def follow_a_job(service: Service, clip: bytes, keep: Any) -> None:
    files = {"file": (FILE_NAME, clip)}
    job = keep("a job", service.call("POST", "/v1/analyze", files=files, params={"async": "1"})).json()["id"]
    keep("a job's events", service.get(f"/v1/jobs/{job}/events"))
    keep("a job's result", service.get(f"/v1/jobs/{job}"))
    keep("all jobs", service.get("/v1/jobs"))
    keep("a job's end", service.call("DELETE", f"/v1/jobs/{job}"))


def broken_requests() -> list[bytes]:
    name = ASCII_NAME.encode()
    return [
        b"%b /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (name.upper(), name),
        b"GET /%b HTTP/9.9\r\n\r\n" % name,
        b"GET / HTTP/1.1\r\nHost x %b\r\n\r\n" % name,
        PERSON.encode() + b"\r\n\r\n",
        b"POST /v1/analyze HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%b\r\n" % name,
    ]


def filled(path: str) -> str:
    """The path with a name for each of its parameters."""
    return "/".join(urllib.parse.quote(ASCII_NAME) if part.startswith("{") else part for part in path.split("/"))


def send_form(service: Service, media: bytes) -> tuple[int, bytes]:
    """POST /v1/analyze as a form, in pieces; the client keeps no file either."""
    opening = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{ASCII_NAME}.mp4"\r\n\r\n'.encode()
    closing = b"\r\n--b--\r\n"
    connection = http.client.HTTPConnection(service.base.removeprefix("http://"), timeout=120)
    try:
        connection.putrequest("POST", "/v1/analyze?profile=fast")
        connection.putheader("Authorization", f"Bearer {service.key}")
        connection.putheader("Content-Type", "multipart/form-data; boundary=b")
        connection.putheader("Content-Length", str(len(opening) + len(media) + len(closing)))
        connection.endheaders()
        connection.send(opening)
        for start in range(0, len(media), 2**20):
            connection.send(media[start : start + 2**20])
        connection.send(closing)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def split(names: set[str]) -> tuple[set[str], set[str]]:
    """Anonymous memory and deleted files; named files."""
    nameless = {name for name in names if name.startswith("/memfd:") or name.endswith(" (deleted)")}
    return nameless, names - nameless


def head(path: str) -> bytes:
    """The beginning of a file that another program may have removed meanwhile."""
    try:
        if not os.path.isfile(path) or os.path.islink(path):  # noqa: PTH113, PTH114
            return b""
        with open(path, "rb") as stream:  # noqa: PTH123
            return stream.read(SEARCHED_BYTES)
    except OSError:
        return b""
