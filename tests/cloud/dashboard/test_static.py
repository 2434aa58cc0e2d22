"""Files under names with a hash of what is in them."""

import gzip
import json
from pathlib import Path

from cloud.dashboard.static import Shelf, asset
from tests.cloud.dashboard.site import dashboard

YEAR = "public, max-age=31536000, immutable"


async def test_a_file_is_kept_by_browsers_for_ever_and_asked_for_by_anybody(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        answer = await site.anonymous.get(asset("dashboard.css"))
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == YEAR
        assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert "--ground" in answer.text
        plain = await site.anonymous.get(asset("dashboard.css"), headers={"Accept-Encoding": "br, gzip;q=0"})
        assert "Content-Encoding" not in plain.headers
        assert plain.text == answer.text
        head = await site.anonymous.http.head(asset("dashboard.js"))
        assert (head.status_code, head.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")


async def test_no_other_name_finds_anything(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        for name in (
            "dashboard.css", "dashboard.000000000000.css", "../dashboard.css", "..%2fscreen.py", "%2e%2e/screen.py",
            "vendor.json", "htmx.LICENSE", ".", "%00", "..%2f..%2f..%2f..%2fetc%2fpasswd",
        ):  # fmt: skip
            answer = await site.anonymous.get(f"/dashboard/assets/{name}")
            assert answer.status_code in {303, 404}, name
            assert "max-age=31536000" not in answer.headers.get("Cache-Control", "")


async def test_a_page_names_all_files_that_it_loads_and_they_are_there(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        page = await site.get("/dashboard/nowhere")
        named = {part.split('"')[0].split("#")[0] for part in page.text.split('="/dashboard/assets/')[1:]}
        assert {name.split(".")[0] for name in named} >= {"dashboard", "icons", "kioskwire"}
        for name in named:
            assert (await site.anonymous.get(f"/dashboard/assets/{name}")).status_code == 200


def test_a_name_changes_with_what_is_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("one")
    first = Shelf([tmp_path]).address("a.css")
    (tmp_path / "a.css").write_text("two")
    shelf = Shelf([tmp_path])
    assert shelf.address("a.css") != first
    assert shelf.find(first.rpartition("/")[2]) is None
    found = shelf.find(shelf.address("a.css").rpartition("/")[2])
    assert found is not None
    assert gzip.decompress(found.compressed) == found.plain == b"two"


def test_a_hub_without_libraries_has_pages_all_the_same(tmp_path: Path) -> None:
    shelf = Shelf([tmp_path / "not-there"])
    assert (shelf.address("htmx.js"), shelf.libraries) == ("", [])


def test_the_libraries_are_listed_with_their_licences(tmp_path: Path) -> None:
    listed = {"of": "x", "all": [{"name": "a", "version": "1.0", "licence": "MIT", "files": ["a.js"]}]}
    (tmp_path / "vendor.json").write_text(json.dumps(listed))
    assert [(each.name, each.licence) for each in Shelf([tmp_path]).libraries] == [("a", "MIT")]
