"""What the page is made of is kept by the browser for good, and sent small."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from holdfast.http.page import Assets

pytestmark = pytest.mark.anyio

SCRIPT = "export const words = 'again and again';\n" * 200


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    (tmp_path / "index-abc.js").write_text(SCRIPT)
    (tmp_path / "face-abc.woff2").write_bytes(b"\0\1" * 2000)
    app = Starlette(routes=[Mount("/assets", Assets(directory=tmp_path))])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as client:
        yield client


async def test_a_script_is_sent_compressed_to_who_understands_it(browser: httpx2.AsyncClient) -> None:
    response = await browser.get("/assets/index-abc.js", headers={"Accept-Encoding": "gzip, br"})
    assert (response.headers["content-encoding"], response.text) == ("gzip", SCRIPT)
    assert int(response.headers["content-length"]) < len(SCRIPT) / 10
    assert "javascript" in response.headers["content-type"]
    assert response.headers["vary"] == "Accept-Encoding"
    assert "immutable" in response.headers["cache-control"]


async def test_who_does_not_gets_it_as_it_is(browser: httpx2.AsyncClient) -> None:
    response = await browser.get("/assets/index-abc.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in response.headers
    assert response.text == SCRIPT
    assert "immutable" in response.headers["cache-control"]


async def test_what_is_compressed_already_and_what_is_not_there_stays_as_it_is(browser: httpx2.AsyncClient) -> None:
    font = await browser.get("/assets/face-abc.woff2", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in font.headers
    assert (await browser.get("/assets/index-old.js")).status_code == 404


async def test_only_what_the_frame_of_no_origin_loads_is_shared_with_other_origins(
    browser: httpx2.AsyncClient, tmp_path: Path
) -> None:
    (tmp_path / "frame").mkdir()
    (tmp_path / "frame" / "mermaid-abc.js").write_text(SCRIPT)
    assert (await browser.get("/assets/frame/mermaid-abc.js")).headers["access-control-allow-origin"] == "*"
    for path in ("/assets/index-abc.js", "/assets/frame/../index-abc.js", "/assets/frame/none.js"):
        assert "access-control-allow-origin" not in (await browser.get(path)).headers
