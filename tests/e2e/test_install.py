"""The page can be installed as an application, at the root and below a sub-path."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from e2e.conftest import Visit
from e2e.network import free_port
from openrouter import LoopbackOpenRouter
from serving import serving

pytestmark = pytest.mark.anyio

PICTURES = """async (address) => {
    // Each icon as it is said to be, and as it is.
    const { icons } = await (await fetch(address)).json();
    return Promise.all(icons.map(async ({ src, sizes, type, purpose }) => {
        const image = new Image();
        image.src = new URL(src, address);
        await image.decode();
        return [purpose, type, sizes, `${image.naturalWidth}x${image.naturalHeight}`];
    }));
}"""


@pytest.mark.parametrize("prefix", ["", "/chatpath"])
async def test_the_page_is_installable_and_its_icons_are_what_they_are_said_to_be(
    visit: Visit, upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}{prefix}"
    settings = {"OPENROUTER_BASE_URL": upstream.base_url, "PORT": str(port), "HOLDFAST_PUBLIC_URL": address}
    async with serving(monkeypatch, tmp_path / "data", **settings):
        person = await visit(f"{address}/")
        await expect(person.message).to_be_visible()
        devtools = await person.context.new_cdp_session(person.page)
        manifest = await devtools.send("Page.getAppManifest")
        assert manifest["errors"] == []
        assert manifest["manifest"]["startUrl"] == f"{address}/"
        assert manifest["manifest"]["scope"] == f"{address}/"
        pictures = await person.page.evaluate(PICTURES, manifest["url"])
        drawn = [picture for picture in pictures if picture[1] == "image/png"]
        assert all(said == found for _, _, said, found in drawn)
        sizes = ("192x192", "512x512")
        assert [(purpose, said) for purpose, _, said, _ in drawn] == [
            (purpose, size) for purpose in ("any", "maskable") for size in sizes
        ]
