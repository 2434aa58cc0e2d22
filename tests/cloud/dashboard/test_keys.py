"""API keys as pages."""

import re
from pathlib import Path

from tests.cloud.dashboard.site import dashboard
from tests.cloud.hub import rows


def secret_of(text: str) -> str:
    found = re.search(r'<code class="secret"[^>]*>([^<]+)</code>', text)
    assert found
    return found[1]


def mark_in(text: str) -> str:
    found = re.search(r'name="true_of" value="([0-9a-f]{16})"', text)
    assert found
    return found[1]


async def test_a_key_is_made_shown_once_given_an_address_and_revoked(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        assert (await site.post("/dashboard/keys/add", name=" ")).status_code == 422
        form = {"name": "<b>shop</b>", "true_of": mark_in((await site.get("/dashboard/keys")).text)}
        made = await site.post("/dashboard/keys/add", **form)
        assert (made.status_code, made.headers["cache-control"]) == (200, "no-store")
        assert "<b>shop" not in made.text
        text = secret_of(made.text)
        again = await site.post("/dashboard/keys/add", **form)  # loaded anew, or clicked twice
        assert (again.status_code, "secret" in again.text) == (409, False)
        assert len(await site.rooms.keys.read_all()) == 2
        assert mark_in(again.text) != form["true_of"], "what is shown can be sent"
        key = text.split("_")[1]
        assert (await site.at.send({}, api_key=text)).status_code == 503  # it is let in; no kiosk is there
        listed = await site.get("/dashboard/keys")
        assert "&lt;b&gt;shop" in listed.text
        assert text not in listed.text
        assert text not in (await site.get(f"/dashboard/keys/{key}")).text
        assert listed.text.count("not since this hub started") == 1  # the other's
        for url in ("ftp://x", "https://a:b@x/", "", "https://x/" + "y" * 2100):
            wrong = await site.post(f"/dashboard/keys/{key}/callback", url=url)
            assert (wrong.status_code, "field-wrong" in wrong.text) == (422, True)
        address = "https://backend.example/hook/a-path-that-is-secret"
        form = {"url": address, "true_of": mark_in((await site.get(f"/dashboard/keys/{key}")).text)}
        signing = secret_of((await site.post(f"/dashboard/keys/{key}/callback", **form)).text)
        again = await site.post(f"/dashboard/keys/{key}/callback", **form)
        assert (again.status_code, "whsec_" in again.text) == (409, False)
        kept = rows(tmp_path, f"SELECT callback_secret FROM api_keys WHERE id = '{key}'")
        assert kept == [(signing,)], "the one that was handed on is in force"
        assert signing.startswith("whsec_")
        assert signing not in (await site.get(f"/dashboard/keys/{key}")).text
        assert (await site.post(f"/dashboard/keys/{key}/callback", end="yes")).status_code == 303
        assert rows(tmp_path, f"SELECT callback_url FROM api_keys WHERE id = '{key}'") == [(None,)]
        sure = await site.post(f"/dashboard/keys/{key}/revoke")
        assert (sure.status_code, "cannot be undone" in sure.text) == (200, True)
        assert (await site.post(f"/dashboard/keys/{key}/revoke", sure="yes")).status_code == 303
        assert (await site.at.send({}, api_key=text)).status_code == 401
        assert (await site.get(f"/dashboard/keys/{key}")).status_code == 404
        acts = [act for act in await site.rooms.audit.page() if act.act.startswith("key.")]
        assert [act.act for act in acts] == ["key.revoke", "key.callback", "key.callback", "key.add"]
        assert acts[2].data["host"] == "backend.example"
        told = str(acts)
        assert not any(secret in told for secret in (text, signing, "a-path-that-is-secret"))


async def test_keys_are_for_admins(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="operator") as site:
        key = (await site.rooms.keys.read_all())[0].id
        for path in ("keys", f"keys/{key}", f"keys/{key}/revoke", "settings"):
            assert (await site.get(f"/dashboard/{path}")).status_code == 403
        for path in ("keys/add", f"keys/{key}/revoke", f"keys/{key}/callback"):
            assert (await site.post(f"/dashboard/{path}", sure="yes", name="x", url="https://x")).status_code == 403
        assert len(await site.rooms.keys.read_all()) == 1
        forged = await site.as_role("admin").post(f"/dashboard/keys/{key}/revoke", csrf="x", sure="yes")
        assert forged.status_code == 403
