"""The regions file is read strictly, and its errors name keys, never values."""

from pathlib import Path

import pytest

from moretta.core.errors import RequestInvalid
from moretta.wiring.regions_file import LOCAL, RegionsPlan, folder_in, local_plan, read_regions

SECRET = "hunter2-in-an-address"
WHOLE = f"""
default = "eu"
certificates = "/etc/moretta/certificates"

[regions.eu]
database = "postgresql+psycopg://moretta:{SECRET}@db.example/moretta"
blobs = "s3://photos/eu"
segments = "file:///srv/segments"
keys = "tls:10.0.0.1:7301"
node = "tls:10.0.0.2:7311"
replicate_to = ["us"]
node_timeout_s = 2.5

[regions.us]
node = "unix:/run/moretta/us.sock"

[regions.asia]
database = "sqlite:////srv/asia/moretta.db"
blobs = "file:///srv/asia/blobs"
segments = "file:///srv/asia/segments"
keys = "file:/srv/asia/keys"
gallery_keys = "file:///srv/asia/gallery-keys"
parties = ["tls:10.0.1.1:7401", "tls:10.0.1.2:7401", "tls:10.0.1.3:7401"]
"""


def read(tmp_path: Path, text: str) -> RegionsPlan:
    path = tmp_path / "regions.toml"
    path.touch(mode=0o600)
    path.write_text(text)
    return read_regions(path)


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    plan = read(tmp_path, WHOLE)
    assert plan.homes() == ("eu", "asia")
    assert plan.certificates is not None
    assert folder_in(plan.certificates) == Path("/etc/moretta/certificates")
    europe, america, asia = (plan.regions[name] for name in ("eu", "us", "asia"))
    assert europe.keys_over_a_link
    assert europe.node_timeout_s == 2.5
    assert not america.is_home
    assert asia.node == "embedded"
    assert asia.keys is not None
    assert folder_in(asia.keys) == Path("/srv/asia/keys")
    assert SECRET not in repr(plan)


def test_without_a_file_there_is_one_region_in_the_data_folder(tmp_path: Path) -> None:
    plan = local_plan(tmp_path)
    assert plan.homes() == (LOCAL,)
    region = plan.regions[LOCAL]
    assert region.database == f"sqlite:///{tmp_path / 'moretta.db'}"
    folders = [folder_in(text or "") for text in (region.blobs, region.segments, region.keys, region.gallery_keys)]
    assert folders == [tmp_path / name for name in ("blobs", "segments", "keys", "gallery-keys")]


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ('default = "eu"', 'default = "mars"', "default"),
        ('default = "eu"', 'default = "us"', "default"),
        ("postgresql+psycopg://", "mysql://", "regions.eu.database"),
        ("s3://photos/eu", "ftp://photos", "regions.eu.blobs"),
        ("s3://photos/eu", f"s3://key:{SECRET}@photos", "regions.eu.blobs"),
        ("file:///srv/segments", "srv/segments", "regions.eu.segments"),
        ("tls:10.0.0.1:7301", "https://10.0.0.1", "regions.eu.keys"),
        ("tls:10.0.0.2:7311", "tls:10.0.0.2", "regions.eu.node"),
        ('replicate_to = ["us"]', 'replicate_to = ["mars"]', "regions.eu.replicate_to"),
        ('replicate_to = ["us"]', 'replicate_to = ["eu"]', "regions.eu.replicate_to"),
        ("node_timeout_s = 2.5", "node_timeout_s = -1", "regions.eu.node_timeout_s"),
        ("node_timeout_s = 2.5", 'node_timeout_s = "2"', "regions.eu.node_timeout_s"),
        ("node_timeout_s = 2.5", "passwort = 1", "regions.eu.passwort"),
        ("[regions.us]", "[regions.US]", "regions.US"),
        ('certificates = "/etc/moretta/certificates"', "", "certificates"),
        ('keys = "file:/srv/asia/keys"', "", "keys"),
        ('gallery_keys = "file:///srv/asia/gallery-keys"', "", "gallery_keys"),
        ("tls:10.0.0.1:7301", "pkcs11:token=moretta", "regions.eu.keys"),
        (', "tls:10.0.1.3:7401"', "", "three parties"),
        ('node = "unix:/run/moretta/us.sock"', 'blobs = "file:///srv/us"', "database beside blobs"),
    ],
)
def test_what_does_not_fit_is_refused_by_the_name_of_its_key(
    tmp_path: Path, before: str, after: str, named: str
) -> None:
    assert before in WHOLE
    with pytest.raises(RequestInvalid) as refused:
        read(tmp_path, WHOLE.replace(before, after, 1))
    assert named in refused.value.detail
    assert SECRET not in refused.value.detail
    assert "mars" not in refused.value.detail


def test_a_file_that_is_no_toml_is_refused_without_quoting_it(tmp_path: Path) -> None:
    with pytest.raises(RequestInvalid) as refused:
        read(tmp_path, f"database = {SECRET}")
    assert SECRET not in refused.value.detail
    with pytest.raises(RequestInvalid):
        read_regions(tmp_path / "absent.toml")


def test_a_file_with_a_password_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "regions.toml"
    path.write_text(WHOLE)
    path.chmod(0o644)
    with pytest.raises(RequestInvalid, match="chmod 600"):
        read_regions(path)
    path.write_text(WHOLE.replace(f":{SECRET}@", "@"))
    assert read_regions(path).default == "eu"
