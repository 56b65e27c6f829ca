"""The pictures of the guide for supervisors: the tops of those that the tests of pages leave in ``build/pages``.

The pages of the tests have generated data only.
"""

from collections.abc import Mapping
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent

TAKEN = ROOT / "build" / "pages"

FOLDER = ROOT / "docs" / "pictures"

PICTURES: Mapping[str, str] = {
    "board": "board.en.light.wide",
    "board-cases": "board-cases.en.light.wide",
    "overdue": "overdue.en.light.wide",
    "acknowledge": "acknowledge.en.light.wide",
    "alert": "alert-appealed.en.light.wide",
    "time": "time-red.en.light.wide",
    "telephone": "time-red.en.light.telephone",
}
"""Each picture of the guide, and the one that the tests take."""

HEIGHT, WIDTH = 1000, 960
"""Pixels of the top that is shown, and those of the picture's width at the most."""

COLOURS = 256


class NotTaken(Exception):
    """The tests of pages have not run."""


def write() -> Path:
    """Write all pictures, and give their folder. Raises `NotTaken`."""
    FOLDER.mkdir(exist_ok=True)
    for name, taken in PICTURES.items():
        source = TAKEN / f"{taken}.png"
        if not source.is_file():
            raise NotTaken(f"{source} is missing: run the tests of pages first, python -m pytest tests/browser")
        with Image.open(source) as page:
            top = page.convert("RGB").crop((0, 0, page.width, min(page.height, HEIGHT)))
        top.thumbnail((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        few = top.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(FOLDER / f"{name}.png", optimize=True)
    return FOLDER
