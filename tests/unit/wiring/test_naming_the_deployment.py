"""Keys of a deployment that the hub names later belong to the company that it names."""

from pathlib import Path

from moretta.core.keys import Scope
from moretta.settings import Settings
from moretta.wiring.service import opened

NAMED = "co_0123456789abcdef0123"


def test_keys_made_before_the_hub_named_the_deployment_count_for_the_company_it_names(tmp_path: Path) -> None:
    with opened(Settings(data_dir=tmp_path)) as before:
        token = before.keys.create(before.company_id, [Scope.MEDIA_ANALYZE]).token
        other = before.keys.create("co_ffffffffffffffffffff", [Scope.MEDIA_ANALYZE]).token
    for _ in range(2):
        with opened(Settings(data_dir=tmp_path, company_id=NAMED)) as after:
            assert after.company_id == NAMED
            assert after.keys.authenticate(token).company_id == NAMED
            assert after.keys.authenticate(other).company_id == "co_ffffffffffffffffffff"
