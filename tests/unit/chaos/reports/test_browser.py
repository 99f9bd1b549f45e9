"""What a browser makes of a report. One without a window, if there is one."""

from __future__ import annotations

import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from chaos.machine.capabilities import Ability
from chaos.machine.tools import CHROMIUM_NAMES, find_tool
from chaos.reports import write_report

TIMEOUT_S = 60.0
WIDTH, HEIGHT = 1280, 3000
CHROMIUM = find_tool(*CHROMIUM_NAMES)
USE_IT = """
<script>
const said = [];
const expect = (is_so, words) => { if (!is_so) said.push(words); };
const view = document.querySelector("#latency .view");
const whole = view.viewBox.baseVal.width;
const bar = document.querySelector("#roles .bar.leader");
const left = bar.style.left;
const zooms = [...document.querySelectorAll("[data-zoom]")];
zooms.at(-1).click();
expect(view.viewBox.baseVal.width < whole / 2, "the violation is not zoomed to");
expect(zooms.at(-1).classList.contains("on"), "the button does not show it");
expect(bar.style.left !== left || bar.hidden, "bars stay where they were");
zooms[0].click();
expect(view.viewBox.baseVal.width === whole, "not all is shown again");
const key = document.querySelector("#latency [data-series=ok]");
const dots = document.querySelector("#latency .s-ok");
key.click();
expect(dots.style.display === "none", "a series is not hidden");
key.click();
expect(dots.style.display === "", "a series is not shown again");
const point = (query, x, y) => {
  const plot = document.querySelector(query);
  const box = plot.getBoundingClientRect();
  const at = { clientX: box.left + box.width * x, clientY: box.top + y, bubbles: true };
  plot.dispatchEvent(new PointerEvent("pointermove", at));
  return document.getElementById("tip").textContent;
};
expect(/in logs$/.test(point("#rates .plot", 0.5, 20)), "no wall clock time");
const accounts = point("#allocation .plot", 0.5, 40);
expect(/used .* offered .* of 4 cpus/.test(accounts), "no accounts");
const data = JSON.parse(document.getElementById("data").textContent).operations;
const [begin, end, y] = data.rows[50];
const middle = (begin + end) / 2 / whole;
expect(point("#timeline .plot", middle, y).includes("took"), "no operation");
const fault = document.querySelector("#faults .fault");
expect(fault.dataset.title.includes("hits"), "a fault tells nothing");
document.body.replaceChildren("RESULT:" + (said.join("; ") || "all is well"));
</script>
"""


def browse(page: Path, folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    if CHROMIUM is None:
        pytest.skip(f"a capability is missing: {Ability.CHROMIUM.value}")
    return subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            "--disable-sync",
            "--hide-scrollbars",
            "--enable-logging=stderr",
            f"--user-data-dir={folder / 'profile'}",
            f"--window-size={WIDTH},{HEIGHT}",
            *flags,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_S,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def page(violated_run: Path, tmp_path: Path) -> Path:
    return write_report(Path(shutil.copytree(violated_run, tmp_path / "run")))


def test_report_is_drawn_without_an_error(page: Path, tmp_path: Path) -> None:
    picture = tmp_path / "report.png"
    ended = browse(page, tmp_path, f"--screenshot={picture}")
    assert "CONSOLE" not in ended.stderr
    width, height, pixels = read_png(picture)
    assert (width, height) == (WIDTH, HEIGHT)
    size = len(pixels) // (width * height)
    seen = {pixels[at : at + 3] for at in range(0, len(pixels), size * 7)}
    assert len(seen) > 50  # a blank page has one colour, a broken one a few


def test_report_can_be_used(page: Path, tmp_path: Path) -> None:
    used = page.with_name("used.html")
    source = page.read_text(encoding="utf-8")
    used.write_text(source.replace("</body>", f"{USE_IT}</body>"), encoding="utf-8")
    ended = browse(used, tmp_path, "--dump-dom")
    assert "CONSOLE" not in ended.stderr
    result = ended.stdout.partition("RESULT:")[2].partition("<")[0]
    assert result.strip() == "all is well"


def read_png(path: Path) -> tuple[int, int, bytes]:
    """Width, height, and the bytes of all lines, filtered as they are in the file but
    for lines that are not: enough to tell colours of a drawing from one colour."""
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    at, packed = 8, b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            packed += data[at + 8 : at + 8 + length]
        at += length + 12
    return width, height, zlib.decompress(packed)
