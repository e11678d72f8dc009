"""The bytes of a MusicXML file -> its XML tree, checked and score-partwise.

Files come from strangers: archives and entities that explode are refused, before they
do.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from xml.etree import ElementTree
from xml.parsers import expat

from music_vae_tf.data.scores.score import UnreadableScore

MAX_XML_BYTES = 256 * 2**20
# Of archives: MusicXML packs to a tenth or twentieth, seldom below a hundredth.
MAX_RATIO, SMALL = 200, 2**20
MAX_ELEMENTS = 5_000_000
MAX_DEPTH = 100
MAX_MEMBERS = 10_000
_CONTAINER = "META-INF/container.xml"


def musicxml_tree(data: bytes) -> ElementTree.Element:
    """The `score-partwise` element of a file, plain or compressed (.mxl).

    Raises:
        UnreadableScore: it is not MusicXML, damaged, or made to exhaust the machine.
    """
    if data.startswith(b"PK"):
        data = _unpacked(data)
    if len(data) > MAX_XML_BYTES:
        raise UnreadableScore(
            f"{len(data)} bytes of XML; {MAX_XML_BYTES} are the limit"
        )
    root = _parse(data)
    if root.tag == "score-timewise":
        return _partwise(root)
    if root.tag != "score-partwise":
        raise UnreadableScore(
            f"not MusicXML: an XML file of <{root.tag[:40]}>; <score-partwise> or "
            "<score-timewise> is expected"
        )
    return root


def _unpacked(data):
    """The score in a .mxl archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _member(archive, _score_name(archive))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise UnreadableScore(f"damaged .mxl archive: {error}") from error
    except (KeyError, RuntimeError) as error:  # a missing or an encrypted member
        raise UnreadableScore(f"unusual .mxl archive: {error}") from error


def _score_name(archive):
    names = archive.namelist()
    if len(names) > MAX_MEMBERS:
        raise UnreadableScore(f"an archive of {len(names)} files is not a score")
    if _CONTAINER in names:
        for element in _parse(_member(archive, _CONTAINER)).iter("rootfile"):
            if element.get("full-path") in names:
                return element.get("full-path")
    for name in names:
        is_score = name.lower().endswith((".xml", ".musicxml"))
        if is_score and not name.startswith(("META-INF/", "__MACOSX/")):
            return name
    raise UnreadableScore("an archive without a MusicXML score in it")


def _member(archive, name):
    info = archive.getinfo(name)
    ratio = info.file_size / max(info.compress_size, 1)
    if info.file_size > MAX_XML_BYTES or (ratio > MAX_RATIO and info.file_size > SMALL):
        raise UnreadableScore(
            f"refused: {name[:60]} would unpack to {info.file_size} bytes, "
            f"{ratio:.0f} times its size"
        )
    with archive.open(info) as file:
        data = file.read(info.file_size + 1)
    if len(data) > info.file_size:
        raise UnreadableScore("damaged .mxl archive: it is longer than it says")
    return data


def _parse(data):
    """The tree of an XML document; namespaces are left out."""
    builder = _Builder()
    data, encoding = _in_an_encoding_of_expat(data)
    parser = expat.ParserCreate(encoding, namespace_separator="}")
    parser.buffer_text = True
    parser.EntityDeclHandler = _refuse_entity
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise UnreadableScore(f"not MusicXML: no well-formed XML, {error}") from error
    except (LookupError, ValueError) as error:
        if isinstance(error, UnreadableScore):
            raise
        raise UnreadableScore(f"not MusicXML: {error}") from error
    return builder.root


def _in_an_encoding_of_expat(data):
    """The bytes and their encoding, None if expat finds it: some programs write UTF-16
    without a mark, or UTF-8 that claims to be UTF-16."""
    head = data[:200]
    if b"\0" not in head:
        return data, "utf-8" if b"utf-16" in head.lower() else None
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data, None
    encoding = "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
    return data.decode(encoding, errors="replace").encode(), "utf-8"


def _refuse_entity(name, *_):
    raise UnreadableScore(
        f"refused: it declares the entity {name[:40]!r}; scores need none, and "
        "entities can fill the memory"
    )


class _Builder:
    """Builds the tree, within limits. Elements in other namespaces keep their names."""

    def __init__(self):
        self.root = None
        self._open, self._number, self._last = [], 0, None

    def start(self, tag, attributes):
        self._number += 1
        if self._number > MAX_ELEMENTS or len(self._open) > MAX_DEPTH:
            raise UnreadableScore(
                f"refused: more than {MAX_ELEMENTS} elements, or {MAX_DEPTH} in each "
                "other"
            )
        element = ElementTree.Element(tag.rpartition("}")[2], attributes)
        if self._open:
            self._open[-1].append(element)
        else:
            self.root = element
        self._open.append(element)
        self._last = element

    def end(self, _):
        self._last = None
        self._open.pop()

    def data(self, text):
        if self._last is not None:  # text after a child says nothing in MusicXML
            self._last.text = (self._last.text or "") + text


def _partwise(timewise):
    """A score-timewise tree as score-partwise: measures of parts, not parts of
    measures."""
    root = ElementTree.Element("score-partwise", timewise.attrib)
    parts = {}
    for element in timewise:
        if element.tag != "measure":
            root.append(element)
            continue
        for old in element.iter("part"):
            name = old.get("id")
            if name not in parts:
                parts[name] = ElementTree.SubElement(root, "part", {"id": name or ""})
            measure = ElementTree.SubElement(parts[name], "measure", element.attrib)
            measure.extend(old)
    return root
