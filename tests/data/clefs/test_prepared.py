"""A folder of music becomes a folder of pieces, once, and says what it cannot use."""

import json
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from piano_files import two_hands, write_piano

from music_vae_tf.data.clefs import STAVES, extraction, files, prepared, splitting
from music_vae_tf.data.clefs.prepared import BadPreparation, Prepared, prepare_file

pytest.importorskip("music21")


@pytest.fixture
def prepare(tmp_path):
    """Prepares a MIDI file of some parts; gives its facts."""

    def run(*parts, name="a.mid", **options):
        write_piano(tmp_path / "in" / name, *parts, **options)
        return prepare_file(str(tmp_path / "in"), str(tmp_path / "out"), name)

    return run


def only_piece(folder, name="a.mid", voices="merged"):
    prepared.write_split(folder, {"train": [name], "validation": [], "test": []})
    (piece,) = Prepared(folder).pieces("train", voices)
    return piece


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.replace(b"MTrk", b"XFIH\0\0\0\2ab" + b"MTrk", 1),
        lambda data: data + b"MTrk\0\0\0\0",
        lambda data: data.replace(b"\0\xff/\0", b"\0\xffY\2\t\0" + b"\0\xff/\0"),
        lambda data: (
            b"RIFF" + (len(data) + 12).to_bytes(4, "little") + b"RMIDdata"
            + len(data).to_bytes(4, "little") + data
        ),
    ],
    ids=["foreign chunk", "empty track", "nine sharps, and wrong lengths", "RIFF"],
)  # fmt: skip
def test_damaged_midi_gives_what_is_whole_in_it(tmp_path, damage):
    write_piano(tmp_path / "whole.mid", *two_hands(bars=4))
    (tmp_path / "a.mid").write_bytes(damage((tmp_path / "whole.mid").read_bytes()))
    whole, damaged = (
        prepare_file(str(tmp_path), str(tmp_path / "out"), name)
        for name in ("whole.mid", "a.mid")
    )
    assert not damaged.refused
    assert (damaged.bars, damaged.key) == (whole.bars, whole.key)
    tables = [
        (tmp_path / "out" / "pieces" / name / "treble.csv").read_text()
        for name in ("whole.mid", "a.mid")
    ]
    assert tables[0] == tables[1]


def test_a_piece_is_kept_in_c_major_with_both_staves(prepare, tmp_path):
    facts = prepare(*two_hands(bars=4, shift=2))
    assert (facts.key, facts.semitones, facts.mode) == ("D major", -2, "major")
    assert facts.bars == (0, 96, 192, 288) and facts.end == 384
    piece = only_piece(tmp_path / "out")
    assert [e.pitches for e in piece.lines["treble"][:4]] == [
        *((72,), (76,), (79,), (77,))
    ]
    assert [(e.onset, e.pitches) for e in piece.lines["bass"][:2]] == [
        *((0, (48, 55)), (48, (52, 55)))
    ]
    for line in piece.lines.values():
        assert line[-1].onset + line[-1].duration == piece.end


def test_a_file_is_read_once(prepare, tmp_path, monkeypatch):
    first = prepare(*two_hands())
    monkeypatch.setattr(files, "parse", None)  # whoever calls it fails
    again = prepare_file(str(tmp_path / "in"), str(tmp_path / "out"), "a.mid")
    assert again == first


def test_a_file_that_changed_is_read_again(prepare):
    before = prepare(*two_hands())
    after = prepare(*two_hands(shift=3))
    assert (before.key, after.key) == ("C major", "Eb major")


@pytest.mark.parametrize(
    ("parts", "options", "reason"),
    [
        ([[]], {}, "no notes"),
        ([two_hands()[0]], {}, "one staff only, all of it above middle C"),
        (two_hands(), {"channel": 9}, "drums only"),
    ],
    ids=["without notes", "with one staff", "with drums only"],
)
def test_a_file_that_gives_nothing_is_refused_with_its_reason(
    prepare, parts, options, reason
):
    assert prepare(*parts, **options).refused == reason


def test_a_file_that_cannot_be_parsed_is_refused_with_its_reason(tmp_path):
    (tmp_path / "bad.mid").write_bytes(b"MThd and no more")
    facts = prepare_file(str(tmp_path), str(tmp_path / "out"), "bad.mid")
    assert facts.refused == "no track in it"


def test_a_file_whose_metre_changes_is_used_and_remarked(prepare, tmp_path):
    facts = prepare(*two_hands(4), metres=((0, 3, 4), (6, 4, 4)))
    assert facts.refused is None and facts.remarks == ["changing time signature"]
    piece = only_piece(tmp_path / "out")
    assert piece.bars[:4] == (0, 72, 144, 240)


def test_one_staff_with_both_hands_gives_two(prepare, tmp_path):
    right, left = two_hands()
    prepare(right + left)
    piece = only_piece(tmp_path / "out")
    assert all(piece.lines[staff] for staff in STAVES)


def test_flattened_voices_follow_each_other(prepare, tmp_path):
    low = [(0, 4, [50])]
    prepare(two_hands(1)[0], two_hands(1)[1], low)
    merged = only_piece(tmp_path / "out")
    flat = only_piece(tmp_path / "out", voices="flattened")
    assert merged.end == 96
    assert flat.lines["bass"][-1].onset + flat.lines["bass"][-1].duration == 192
    assert flat.bars == (0, 96)


def test_a_split_goes_by_name_alone():
    names = [f"piece {i}.mid" for i in range(40)]
    split = prepared.split_by_name(names)
    assert [len(split[part]) for part in prepared.SPLITS] == [32, 4, 4]
    assert split == prepared.split_by_name(names[::-1])
    assert sorted(sum(split.values(), [])) == sorted(names)


def test_a_split_may_be_chosen_by_patterns():
    names = ["op10_1.mid", "op10_2.mid", "op25_1.mid", "op25_2.mid", "waltz.mid"]
    split = prepared.split_by_name(names, test=["op10*"], validation=["*25_1*"])
    assert split["test"] == ["op10_1.mid", "op10_2.mid"]
    assert split["validation"] == ["op25_1.mid"]
    assert split["train"] == ["op25_2.mid", "waltz.mid"]


def test_two_files_are_not_split():
    split = prepared.split_by_name(["a", "b"])
    assert split == {"train": ["a", "b"], "validation": [], "test": []}


def test_an_unfinished_folder_is_told(tmp_path):
    with pytest.raises(BadPreparation, match="a finished folder of clef_lstm_prep"):
        Prepared(tmp_path).split  # noqa: B018
    (tmp_path / "split.json").write_text("{}")
    with pytest.raises(BadPreparation, match="is damaged"):
        Prepared(tmp_path).split  # noqa: B018
    split = {"train": ["a.mid"], "validation": [], "test": []}
    (tmp_path / "split.json").write_text(json.dumps(split))
    with pytest.raises(BadPreparation, match="run clef_lstm_prepare again"):
        list(Prepared(tmp_path).pieces("train", "merged"))


# Chopin, as a count of all elements of all files found it to be.

CHOPIN = json.loads(Path(__file__).with_name("chopin_counts.json").read_text())
KNOWN_PITCHES = {
    "bass": {"eighth": 18571, "16th": 14348, "quarter": 8319, "half": 715},
    "treble": {"16th": 18784, "eighth": 16766, "quarter": 6755, "half": 1753},
}
KNOWN_ELEMENTS = {"treble": 36989, "bass": 34277}
KNOWN_LABELS = {"treble": 2227, "bass": 1601}
# One of each arrangement of clefs, and some short ones. All together take a minute.
SOME = [f"chpn-p{number}.mid" for number in (14, 9, 8, 7, 20, 2, 4)]
ALL = "MUSIC_VAE_TF_ALL_OF_CHOPIN"


def counts_and_labels(path):
    """Clefs of a file's parts; for the parts of either clef the elements, and the
    pitches of each duration type; and the chords as they are."""
    score = files.parse(path, "original")  # the counts are of the original's reading
    clefs = [splitting.staff_of(part) for part in score.parts]
    parts = [extraction.elements(part, 0) for part in score.parts]
    split = splitting.split([splitting.Part(*both) for both in zip(parts, clefs)])
    assert all(split[staff] for staff in STAVES)
    by_clef = {
        staff: [e for part, clef in zip(parts, clefs) if clef == staff for e in part]
        for staff in STAVES
    }
    pitches = {staff: Counter() for staff in STAVES}
    for staff, elements in by_clef.items():
        for element in elements:
            pitches[staff][element.type] += len(element.pitches)
    counts = {
        "clefs": clefs,
        "elements": {staff: len(elements) for staff, elements in by_clef.items()},
        "pitches": {staff: dict(+counter) for staff, counter in pitches.items()},
    }
    return counts, {staff: {e.pitches for e in its} for staff, its in by_clef.items()}


def test_the_counts_of_chopins_files_add_up_to_what_is_known():
    assert len(CHOPIN) == 48
    assert Counter(tuple(counts["clefs"]) for counts in CHOPIN.values()) == {
        ("treble", "bass"): 43,
        ("treble", "treble", "bass"): 3,
        ("treble", "bass", "bass"): 1,
        ("bass", "bass"): 1,
    }
    for staff in STAVES:
        counted = [counts["elements"][staff] for counts in CHOPIN.values()]
        assert sum(counted) == KNOWN_ELEMENTS[staff]
        for kind, number in KNOWN_PITCHES[staff].items():
            found = [
                counts["pitches"][staff].get(kind, 0) for counts in CHOPIN.values()
            ]
            assert sum(found) == number


@pytest.mark.parametrize("name", SOME)
def test_a_file_of_chopin_has_the_elements_that_were_counted(name, shared):
    path = shared / "data" / "classical" / "chopin" / name
    assert counts_and_labels(path)[0] == CHOPIN[name]


@pytest.mark.skipif(ALL not in os.environ, reason=f"takes a minute; set {ALL}=1")
def test_all_of_chopin_has_the_elements_and_labels_that_were_counted(shared):
    folder = shared / "data" / "classical" / "chopin"
    with ProcessPoolExecutor(2) as pool:
        results = list(pool.map(counts_and_labels, [folder / n for n in CHOPIN]))
    assert [counts for counts, _ in results] == list(CHOPIN.values())
    for staff, number in KNOWN_LABELS.items():
        assert len(set().union(*(labels[staff] for _, labels in results))) == number
