"""Letters, digits and signs rendered from the fonts that come with matplotlib: a data set of any number of classes."""

import functools
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from labelleak_lib.data.base import NamedDataset, Source
from labelleak_lib.registry import DATASETS

SIDE = 28
FACES = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSerif", "DejaVuSerif-Bold"),
    *("DejaVuSerif-Italic", "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic"),
)
LATIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghijklmnopqrstuvwxyz"
OTHERS = "αβγδεζηθλμξπσφψωΓΔΘΛΞΠΣΦΨΩбгджзийлцчшщыэю"
"""Greek and Cyrillic letters that look like no other one here."""


class Glyphs(NamedDataset):
    """Characters in ten faces, turned, sheared, moved, in other sizes and strengths, with noise; 28x28 grey pixels."""

    classes: ClassVar[int]
    per_class: ClassVar[int] = 240

    def read(self, root: Path) -> Source:
        """Render the images, which need no folder; the same in every process."""
        names = tuple("0123456789" if self.classes == 10 else (LATIN + OTHERS)[: self.classes])
        drawn = np.random.default_rng(self.classes)
        images = np.stack([_render(name, drawn) for name in names for _ in range(self.per_class)])[:, None]
        labels = np.repeat(np.arange(self.classes), self.per_class)
        variant = f"{self.classes} characters, {self.per_class} images each"
        return Source(variant, names, images, labels, pool_share=0.2, test_share=0.2)


@DATASETS.register("glyphs5")
class FiveGlyphs(Glyphs):
    """Five capitals."""

    title, order, classes = "5 glyphs", 10, 5


@DATASETS.register("glyphs10")
class TenGlyphs(Glyphs):
    """Printed digits."""

    title, order, classes = "10 glyphs", 11, 10


@DATASETS.register("glyphs26")
class TwentySixGlyphs(Glyphs):
    """All capitals."""

    title, order, classes = "26 glyphs", 12, 26


@DATASETS.register("glyphs62")
class SixtyTwoGlyphs(Glyphs):
    """Capitals, digits and small letters."""

    title, order, classes = "62 glyphs", 13, 62


@DATASETS.register("glyphs100")
class HundredGlyphs(Glyphs):
    """Latin, Greek and Cyrillic."""

    title, order, classes = "100 glyphs", 14, 100


def _render(character: str, drawn: np.random.Generator) -> NDArray[np.uint8]:
    from PIL import Image, ImageDraw

    large = Image.new("L", (2 * SIDE, 2 * SIDE))
    font = _fonts()[int(drawn.integers(len(FACES)))]
    ImageDraw.Draw(large).text((SIDE, SIDE), character, font=font, fill=255, anchor="mm")
    angle, shear, scale = np.deg2rad(drawn.normal(0, 7)), drawn.normal(0, 0.12), drawn.uniform(0.9, 1.15)
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, sine], [-sine, cosine]]) @ [[1, shear], [0, 1]] / scale
    shift = SIDE - turn @ (SIDE + drawn.normal(0, 2, 2))
    placed = large.transform(large.size, Image.Transform.AFFINE, (*turn[0], shift[0], *turn[1], shift[1]))
    pixels = np.asarray(placed.resize((SIDE, SIDE), Image.Resampling.BOX), dtype=float)
    return np.clip(drawn.uniform(0.6, 1.1) * pixels + drawn.normal(0, 12, pixels.shape), 0, 255).astype(np.uint8)


@functools.cache
def _fonts() -> list[Any]:
    from matplotlib import get_data_path
    from PIL import ImageFont

    return [ImageFont.truetype(f"{get_data_path()}/fonts/ttf/{face}.ttf", 40) for face in FACES]
