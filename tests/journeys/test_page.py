"""The summary page and the report in a real browser."""

import base64
import re

import pytest
from helpers.browser import HEIGHT, inspect_page
from helpers.tiny_checkout import COMPARISONS

from ddpg import config

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(smoke_on_host):
    checkout, _ = smoke_on_host
    return checkout.directory / "results/summary/smoke.html"


@pytest.fixture(scope="module")
def seen(page):
    return inspect_page(page)


def test_first_screen_shows_figure_results_and_claims(seen):
    settings = config.read("config.yaml")["comparisons"]
    shown = [image["text"] for image in seen.page["images"]]
    assert shown == [settings[name]["title"] for name in COMPARISONS]
    results, claims = seen.page["tables"][:2]
    assert results["text"].startswith("final return of")
    for label in ("this package", "Spinning Up 2018, TensorFlow 1", "2019 implementation"):
        assert label in results["text"]
    assert claims["text"].startswith("claim")
    assert len(re.findall("agrees|does not agree|undecided", claims["text"])) > 5
    for part in (seen.page["images"][0], results, claims):
        top, bottom, width = part["place"]
        assert 0 < top < bottom <= HEIGHT and width > 400, part
    assert seen.page["overflow"] <= 0, "the page must not be wider than the window"


def test_every_figure_is_drawn(seen):
    assert len(seen.page["images"]) == len(COMPARISONS)
    for image in seen.page["images"]:
        assert min(image["natural"]) > 200, image


def test_page_makes_no_requests_and_logs_nothing(seen):
    assert (seen.page["requests"], seen.console) == ([], [])


def test_incomplete_page_is_detected(page, tmp_path):
    """The tests above fail for a damaged figure, a script's error and a request."""
    text = page.read_text()
    figure = re.search(r"base64,([^\"]+)", text)[1]
    damaged = base64.b64encode(base64.b64decode(figure)[:500]).decode()
    extra = '<script>nothing()</script><img src="http://example.invalid/x.png">'
    (tmp_path / "page.html").write_text(text.replace(figure, damaged) + extra)
    seen = inspect_page(tmp_path / "page.html")
    assert seen.page["images"][0]["natural"] == [0, 0]
    assert "http://example.invalid/x.png" in seen.page["requests"]
    assert any("nothing is not defined" in line for line in seen.console)


def test_report_links_to_the_page(smoke_on_host, tmp_path):
    checkout, _ = smoke_on_host
    report = tmp_path / "report.html"
    checkout.snakemake("smoke", "--report", str(report))
    seen = inspect_page(report)
    assert seen.page["requests"] == []
    shown = seen.page["text"]
    assert "Begin with Summary: the central figure" in shown
    assert re.search(r"^\s*Summary\s*$", shown, re.MULTILINE), "no menu entry Summary"
