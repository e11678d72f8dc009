"""MusicXML -> engraved pages: SVG by verovio, PNG by resvg, PDF by svglib."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

from music_vae_tf.rendering.libraries import require

PAGE_MM = (210, 297)
MARGIN_MM = 15
SVG = "http://www.w3.org/2000/svg"
FONT = "DejaVu Serif"
PLACE = ("x", "y", "text-anchor")
# Of the music fonts' private characters, those in tempo marks.
NOTE_CHARACTERS = {0xECA5: "\N{QUARTER NOTE}", 0xECB7: "."}
PNG_WIDTH_PX = 1654  # 200 pixels an inch


def svg_pages(xml: bytes) -> list[str]:
    """The engraved pages of a MusicXML document.

    Raises:
        LibraryMissing: verovio is not installed.
    """
    require("verovio")
    import verovio

    verovio.enableLog(verovio.LOG_ERROR)
    toolkit = verovio.toolkit()
    width, height = (10 * mm for mm in PAGE_MM)
    toolkit.setOptions(
        {
            "pageWidth": width,
            "pageHeight": height,
            "scale": 100,
            "header": "auto",
            "footer": "none",
            "spacingStaff": 16,  # hands reach far below and above their staves
            **dict.fromkeys(("pageMarginLeft", "pageMarginRight"), MARGIN_MM * 10),
            **dict.fromkeys(("pageMarginTop", "pageMarginBottom"), MARGIN_MM * 10),
            "breaks": "auto",
            "mnumInterval": 0,
            "xmlIdSeed": 1,  # or ids are random
        }
    )
    toolkit.loadData(xml.decode("utf-8"))
    pages = range(1, toolkit.getPageCount() + 1)
    return [_simplified(toolkit.renderToSVG(page)) for page in pages]


def _simplified(svg: str) -> str:
    """The same page without what not every program reads.

    Verovio nests texts, and a second SVG with other units in the first, and takes the
    note of a tempo mark from a font of its own.
    """
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    page = ElementTree.fromstring(svg)
    for text in page.iter(f"{{{SVG}}}text"):
        _flatten(text)
    inner = page.find(f"{{{SVG}}}svg")
    page.set("viewBox", inner.attrib.pop("viewBox"))
    inner.tag = f"{{{SVG}}}g"
    return ElementTree.tostring(page, encoding="unicode")


def _flatten(text):
    """An SVG text as one string, of the size of its last words, at its place."""
    spans = list(text.iter(f"{{{SVG}}}tspan"))
    runs = [span for span in spans if (span.text or "").strip()]
    place = {}
    for element in (*reversed(spans), text):
        place |= {name: v for name, v in element.items() if name in PLACE}
    words = "".join(run.text for run in runs).translate(NOTE_CHARACTERS)
    size = runs[-1].get("font-size") if runs else "0px"
    text.clear()
    text.attrib |= {**place, "font-family": FONT, "font-size": size}
    text.text = words


def png(svg: str) -> bytes:
    """An SVG page as a PNG picture on white.

    Raises:
        LibraryMissing: resvg_py is not installed.
    """
    require("resvg_py")
    import resvg_py

    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg,
            width=PNG_WIDTH_PX,
            background="white",
            font_files=[str(path) for path in _fonts()],
            font_family=FONT,
            serif_family=FONT,
        )
    )


def _fonts():
    """Those that matplotlib brings: a machine may have none."""
    import matplotlib

    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    return [folder / "DejaVuSerif.ttf", folder / "DejaVuSerif-Bold.ttf"]


def pdf(svgs: list[str]) -> bytes:
    """SVG pages as one PDF document.

    Raises:
        LibraryMissing: svglib is not installed.
    """
    require("svglib")
    from reportlab.graphics import renderPDF
    from reportlab.lib.units import mm
    from reportlab.pdfgen import canvas
    from svglib.svglib import register_font, svg2rlg

    for path, weight in zip(_fonts(), ("normal", "bold")):
        register_font(FONT, str(path), weight)
    width, height = (length * mm for length in PAGE_MM)
    buffer = io.BytesIO()
    document = canvas.Canvas(buffer, pagesize=(width, height), invariant=True)
    for svg in svgs:
        drawing = svg2rlg(io.BytesIO(svg.encode("utf-8")))
        scale = width / drawing.width
        drawing.scale(scale, scale)
        renderPDF.draw(drawing, document, 0, height - drawing.height * scale)
        document.showPage()
    document.save()
    return buffer.getvalue()
