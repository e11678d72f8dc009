"""Damaged music of all kinds: read or refused, by name, within time and memory."""

import functools
import re
import resource
import time

import numpy as np
import pytest
import song_files
from damage import (
    damaged,
    damaged_abc,
    damaged_midi,
    damaged_sequence,
    damaged_text,
    damaged_xml,
)
from note_seq.protobuf.music_pb2 import NoteSequence
from test_hostile_pieces import CONFIGS, good

from music_vae_tf import build, config
from music_vae_tf.config import ConfigError
from music_vae_tf.data import midi, pieces, records
from music_vae_tf.data.workers import Died, Limits, map_in_processes

LIMITS = Limits(10, 1000)
MAX_SECONDS = 5  # of what has no process of its own, on a loaded machine
AT_ONCE = 500  # files in a folder
ABC = """X:1
T:one
M:4/4
L:1/8
Q:1/4=120
K:G
|:GABc dedB|dedB dedB|c2ec B2dB|A2F2 G4:|
V:2
"C"[CEG]4 z4|{a}b2 (3abc d4-|d8|]
"""
XML = """<?xml version="1.0" encoding="UTF-8"?>
<score-partwise version="3.1">
<part-list><score-part id="P1"><part-name>Piano</part-name></score-part></part-list>
<part id="P1">
<measure number="1">
<attributes><divisions>4</divisions><key><fifths>0</fifths></key>
<time><beats>4</beats><beat-type>4</beat-type></time><transpose><chromatic>0</chromatic>
</transpose></attributes>
<direction><sound tempo="96"/></direction>
<note><pitch><step>C</step><alter>1</alter><octave>4</octave></pitch>
<duration>4</duration><voice>1</voice></note>
<note><chord/><pitch><step>E</step><octave>4</octave></pitch><duration>4</duration></note>
<note><rest/><duration>8</duration></note>
<backup><duration>8</duration></backup>
<forward><duration>4</duration></forward>
<note><pitch><step>G</step><octave>5</octave></pitch><duration>4</duration><tie
 type="start"/></note>
<harmony><root><root-step>C</root-step><root-alter>1</root-alter></root><kind>major
</kind><degree><degree-value>9</degree-value><degree-alter>0</degree-alter></degree>
<offset>1</offset></harmony>
<direction><direction-type><metronome><beat-unit>quarter</beat-unit><per-minute>90
</per-minute></metronome></direction-type><offset sound="yes">1</offset></direction>
</measure>
<measure number="2"><barline><repeat direction="backward" times="2"/></barline>
<note><grace/><pitch><step>A</step><octave>4</octave></pitch></note>
<note><pitch><step>G</step><octave>5</octave></pitch><duration>16</duration></note>
</measure></part></score-partwise>
"""


def midi_seed(tmp_path):
    song_files.band().save(tmp_path / "seed.mid")
    return (tmp_path / "seed.mid").read_bytes()


def convert_all(folder, files):
    """(files read, files refused, files beyond limits) of {name: bytes}."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    convert = functools.partial(midi.convert, str(folder))
    preload = ["music_vae_tf.data.midi", "music_vae_tf.data.scores.files"]
    results = list(map_in_processes(convert, list(files), 1, preload, LIMITS))
    assert len(results) == len(files)
    counts = np.zeros(3, int)
    for name, result in zip(files, results):
        if isinstance(result, Died):
            assert result.is_over_limit, (name, result)
            counts[2] += 1
            continue
        assert result.records or result.problems, name
        for problem in result.problems:  # an error that no reader expects has its name
            assert not re.search(r"\b[A-Z]\w*Error\b", problem), (name, problem)
        for record in result.records:
            assert NoteSequence.FromString(record).notes
        counts[0 if result.records else 1] += 1
    for name in files:
        (folder / name).unlink()
    return counts


@pytest.mark.parametrize(
    ("suffix", "numbers"),
    [("mid", (400, 20_000)), ("xml", (150, 2_000)), ("abc", (150, 2_000))],
)
def test_every_damaged_file_is_read_or_refused_by_name(
    tmp_path, amount, figure, suffix, numbers
):
    rng, count = np.random.default_rng(4), amount(*numbers)
    seeds = {"mid": midi_seed(tmp_path), "xml": XML, "abc": ABC}
    change = {"mid": damaged_midi, "xml": damaged_xml, "abc": damaged_abc}[suffix]
    counts, started = np.zeros(3, int), time.monotonic()
    for first in range(0, count, AT_ONCE):
        changed = [change(seeds[suffix], rng) for _ in range(first, count)[:AT_ONCE]]
        contents = [c if isinstance(c, bytes) else c.encode() for c in changed]
        files = {f"{first + n}.{suffix}": data for n, data in enumerate(contents)}
        counts += convert_all(tmp_path / "music", files)
    assert counts.sum() == count and counts[1]
    assert 2 * counts[0] >= count  # what is refused at once tests little
    figure(
        "Every damaged music file is read or skipped by name, and no file takes more "
        "than 10 s or 1 GB",
        f"{count:,} damaged .{suffix}: {counts[0]:,} read, {counts[1]:,} refused, "
        f"{counts[2]} beyond a limit, no crash, {time.monotonic() - started:.0f} s",
    )


def test_every_damaged_record_file_is_read_or_refused(tmp_path, amount, figure):
    rng, path = np.random.default_rng(5), tmp_path / "a.tfrecord"
    with records.records_writer(path) as write:
        for _ in range(3):
            write(good().SerializeToString())
    whole, content = path.read_bytes(), good().SerializeToString()
    count, read = amount(200, 2_000), 0
    for number in range(count):
        if number % 2:
            path.write_bytes(damaged(whole, rng))
        else:  # with checksums that are right
            with records.records_writer(path) as write:
                write(content)
                write(damaged(content, rng))
        started = time.monotonic()
        try:
            read += bool(list(records.read_note_sequences(str(path))))
        except records.BadRecords as error:
            assert str(path) in str(error)
        assert time.monotonic() - started < MAX_SECONDS
    assert 0 < read < count
    figure(
        "Every damaged TFRecord file is read or refused by name",
        f"{count:,} files: {read:,} read in part or whole, {count - read:,} refused",
    )


def test_every_damaged_note_sequence_passes_every_converter(amount, figure):
    rng, count, slowest = np.random.default_rng(6), amount(40, 2_000), 0.0
    loaded = [config.load(name) for name in CONFIGS]
    distinct = {repr(one.converter): one for one in loaded}.values()
    converters = [build.converter(one) for one in distinct]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    examples = 0
    for _ in range(count):
        piece = damaged_sequence(good(), rng)
        for converter in converters:
            started = time.monotonic()
            result = pieces.extract(converter, piece, 0, rng, quiet=True)
            slowest = max(slowest, time.monotonic() - started)
            for reason in result.left_out:
                assert "in the converter" not in reason, (reason, piece)
            examples += len(result.examples)
    extra = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1000
    assert slowest < MAX_SECONDS and extra < 500 and examples
    figure(
        "An impossible NoteSequence costs only itself, in every converter",
        f"{count:,} sequences through {len(converters)} converters: {examples:,} "
        f"examples, slowest {slowest:.2f} s, {extra:.0f} MB more memory",
    )


def test_every_damaged_config_is_read_or_refused(amount, figure):
    rng, count, slowest, read = np.random.default_rng(7), amount(60, 500), 0.0, 0
    names = config.names()
    for number in range(count):
        text = config.dump(config.load(names[number % len(names)]))
        started = time.monotonic()
        try:
            config.parse(damaged_text(text, rng), "mine")
            read += 1
        except ConfigError as error:
            assert str(error)
        slowest = max(slowest, time.monotonic() - started)
    assert slowest < MAX_SECONDS
    figure(
        "Every damaged config is read or refused in words",
        f"{count} configs: {read} read, {count - read} refused, slowest "
        f"{slowest:.2f} s",
    )
