"""What tests of the kiosk's page look at. Its words are asked for by their keys: people mend them."""

import re

from playwright.sync_api import Page, expect

from appliance.web.page_words import WORDS
from tests.browser.watch import visit

PATIENCE_MS = 60_000  # for what must come about, on a machine that is busy with something else
WELL = WORDS["en"]["well"]


def words(key: str, role: str = "", **fields: str) -> str:
    """A sentence in English, of a device of that role."""
    said = WORDS["en"][key].format(**fields)
    return f"{WORDS['en'][f'role.{role}']}: {said[:1].lower()}{said[1:]}" if role else said


def troubled(page: Page, key: str, role: str = "", **fields: str) -> None:
    """The verdict and what is to be done, sooner or later."""
    do = WORDS["en"][f"{key.removesuffix('.near')}.do"].format(**fields)
    says(page, words(key, role, **fields), do)


def says(page: Page, verdict: str | re.Pattern[str], do: str = "") -> None:
    """The verdict, sooner or later, and what is to be done."""
    expect(page.locator("#part-verdict h1")).to_have_text(verdict, timeout=PATIENCE_MS)
    if do:
        expect(page.locator("#part-verdict .do")).to_contain_text(do)


def open_well(page: Page, url: str) -> None:
    """Open the page of a kiosk that works."""
    visit(page, url)
    says(page, WELL)
