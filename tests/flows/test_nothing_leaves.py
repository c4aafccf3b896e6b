"""Analyses work where there is no network at all, and nothing so much as tries to reach one."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.launched import NOT_PERMITTED
from tests.media import make_still
from tests.service_rig import Place, Service, snapshot, wait_for

pytestmark = pytest.mark.models

# Notes what the interpreter is asked to do with the network, in the process itself and before anything is imported.
AUDITED = """
import os, sys
NOTED = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.sendto",
         "urllib.Request", "http.client.connect", "ftplib.connect", "smtplib.connect", "webbrowser.open")
report = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def note(event, arguments):
    # A message without an address goes to the worker, over a pair of sockets that has no name.
    if event in NOTED or (event == "socket.sendmsg" and arguments[1] is not None):
        os.write(report, f"{os.getpid()} {event} {arguments}\\n".encode())
sys.addaudithook(note)
sys.argv = ["moretta", *sys.argv[2:]]
from moretta.cli.main import run
run()
"""
SDK = """
import sys
from moretta import Analyzer
with Analyzer("fast") as analyzer:
    print(analyzer.analyze(sys.argv[1]).media.width)
"""


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.jpg"
    path.write_bytes(make_still())
    return path


@pytest.fixture
def clip(tmp_path: Path, short_clip: bytes) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(short_clip)
    return path


def test_an_analysis_needs_no_network_and_asks_for_none(place: Place, clip: Path, tmp_path: Path) -> None:
    report = tmp_path / "counters.json"
    told = place.moretta("analyze", clip, "--json", "-", launcher=("alone", str(report)))
    if told.returncode == NOT_PERMITTED:
        pytest.skip("this machine does not let a process have a network of its own")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["media"]["frames"] == 60
    assert attempts(report) == 0


def test_an_attempt_to_reach_the_network_would_have_been_counted(place: Place, tmp_path: Path) -> None:
    report = tmp_path / "counters.json"
    knock = "import socket; socket.socket(type=socket.SOCK_DGRAM).connect_ex(('192.0.2.1', 9))"
    command = [*place.command(launcher=("alone", str(report)))[:4], sys.executable, "-c", knock]
    done = subprocess.run(command, check=False)
    if done.returncode == NOT_PERMITTED:
        pytest.skip("this machine does not let a process have a network of its own")
    assert attempts(report) == 1


def test_neither_import_nor_analysis_attempts_a_connection(
    place: Place, clip: Path, picture: Path, tmp_path: Path
) -> None:
    report = tmp_path / "audit"
    arguments = ["analyze", str(clip), str(picture), "--report", str(tmp_path / "report.html")]
    done = subprocess.run(
        [sys.executable, "-c", AUDITED, str(report), *arguments],
        cwd=place.root / "cwd",
        env=place.environment(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert report.read_text() == ""


def test_the_service_attempts_no_connection(place: Place, short_clip: bytes, tmp_path: Path) -> None:
    report, logs = tmp_path / "audit", tmp_path / "logs"
    logs.mkdir()

    class Audited(Place):
        def command(self, *arguments: str, launcher: tuple[str, ...] = ()) -> list[str]:
            return [sys.executable, "-c", AUDITED, str(report), *arguments]

    audited = Audited(place.root, Path(place.environment()["MORETTA_MODELS_DIR"]), MORETTA_WORKERS="1")
    service = Service(audited, logs).start()
    try:
        assert service.analyze(short_clip).status_code == 200
        assert service.get("/v1/egress").json()["bytes_sent"] == 0
        outward = [line for line in network_connections(service.process.pid) if not line.startswith("127.0.0.1")]
        assert outward == []
    finally:
        assert service.stop() == 0
    resolved = [line for line in report.read_text().splitlines() if "127.0.0.1" not in line]
    assert resolved == []


def test_no_library_leaves_anything_in_the_home_directory(place: Place, clip: Path) -> None:
    folders = [place.root / name for name in ("home", "cwd", "tmp", "cache", "config", "state")]
    for command in (["analyze", str(clip)], ["doctor"], ["models", "verify"], ["usage"]):
        assert place.moretta(*command).returncode == 0
    sdk = subprocess.run(
        [sys.executable, "-c", SDK, str(clip)],
        cwd=place.root / "cwd",
        env=place.environment(),
        capture_output=True,
        check=False,
    )
    assert (sdk.returncode, sdk.stdout) == (0, b"360\n"), sdk.stderr
    assert snapshot(*folders) == {}
    assert [path for folder in folders for path in folder.iterdir()] == []
    assert sorted({path.name.partition("-")[0] for path in place.data.iterdir()})[0] == "moretta.db"


def test_telemetry_of_the_inference_library_is_off_whatever_the_environment_says(place: Place) -> None:
    code = "import os, moretta; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = place.environment(ORT_DISABLE_TELEMETRY="0")
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert told.stdout == b"1\n"


def test_counts_wait_for_a_hub_that_cannot_be_reached_and_arrive_as_they_were_shown(
    place: Place, picture: Path, tmp_path: Path
) -> None:
    models_dir, port = Path(place.environment()["MORETTA_MODELS_DIR"]), free_port()
    hub = Place(tmp_path / "hub", models_dir)
    reporting = Place(place.root, models_dir, **reporting_settings(hub, f"http://127.0.0.1:{port}", tmp_path / "key"))
    (tmp_path / "logs").mkdir()
    service = Service(reporting, tmp_path / "logs").start()
    listening = None
    try:
        assert service.analyze(picture.read_bytes()).status_code == 200
        wait_for(lambda: service.get("/v1/egress").json()["attempts"] > 0)
        told = service.get("/v1/egress").json()
        assert (told["bytes_sent"], {attempt["content"] for attempt in told["sent"]}) == (0, {""})
        assert [address["address"] for address in told["addresses"]] == [f"http://127.0.0.1:{port}"]
        preview = reporting.moretta("egress", "--preview").stdout
        [record] = json.loads(preview.partition(b"\r\n\r\n")[2])["batch"]["records"]
        assert set(record) == {"time", "endpoint", "status", "company_id", "count"}

        listening = hub.started("hub", "serve", "--port", str(port), stdout=subprocess.DEVNULL)
        wait_for(lambda: service.get("/v1/egress").json()["bytes_sent"] > 0, 60, every_s=0.2)
        sent = service.get("/v1/egress").json()["sent"][-1]["content"].encode()
    finally:
        assert service.stop() == 0
        if listening is not None:
            listening.terminate()
            assert listening.wait(20) == 0
    assert sent == preview.rstrip(b"\n"), "what was shown is what was sent"
    assert sent in reporting.moretta("egress").stdout
    assert hub.moretta("hub", "counts").stdout.split()[1:] == [
        record["company_id"].encode(),
        b"/v1/analyze",
        b"200",
        b"1",
    ]


def reporting_settings(hub: Place, url: str, key: Path) -> dict[str, str]:
    """The settings of a deployment that reports to `hub`, which issues its company."""
    issued = hub.moretta("hub", "companies", "create").stdout.decode()
    fields = dict(line.split(":", 1) for line in issued.splitlines())
    key.write_text(fields["signing key"].strip())
    key.chmod(0o600)
    return {
        "MORETTA_COMPANY_ID": fields["company id"].strip(),
        "MORETTA_USAGE_REPORT": "hub",
        "MORETTA_HUB_URL": url,
        "MORETTA_HUB_KEY_FILE": str(key),
        "MORETTA_USAGE_REPORT_INTERVAL_S": "0.2",
        "MORETTA_WORKERS": "1",
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def attempts(report: Path) -> int:
    """Datagrams, connections and packets that a network of its own saw, and those for which it had no route."""
    counters = json.loads(report.read_text())
    names = ("Ip:OutRequests", "Ip:OutNoRoutes", "Tcp:ActiveOpens", "Udp:OutDatagrams")
    return sum(counters[name] for name in names)


def network_connections(pid: int) -> list[str]:
    """The remote addresses of a process's own TCP and UDP sockets, IPv4 and IPv6."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        name = str(entry.readlink())
        if name.startswith("socket:["):
            inodes.add(name[8:-1])
    found = []
    for table in ("tcp", "udp", "tcp6", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            address, _, port = fields[2].partition(":")
            if fields[9] in inodes and port != "0000":
                octets = [str(int(address[at : at + 2], 16)) for at in (6, 4, 2, 0)]
                found.append(".".join(octets) if len(address) == 8 else address)
    return found
