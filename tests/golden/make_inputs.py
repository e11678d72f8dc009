"""The golden data's conversions, and the NoteSequences that converters are given."""

import collections
import json
import os
import tempfile

import note_seq
import numpy as np
import tensorflow.compat.v1 as tf
from magenta.scripts.convert_dir_to_note_sequences import convert_directory

MUSIC = ("groove", "piano", "band", "formats")


def records(path):
    return list(tf.python_io.tf_record_iterator(path))


def convert(folder):
    """What Magenta's command does with each collection: {name: serialized}."""
    index, pool = {}, collections.OrderedDict()
    os.makedirs(os.path.join(folder, "conversion"), exist_ok=True)
    for collection in MUSIC:
        root = os.path.join(folder, "midi", collection)
        output = os.path.join(folder, "conversion", collection + ".tfrecord")
        with tempfile.TemporaryDirectory() as scratch:
            unsorted = os.path.join(scratch, "out")
            convert_directory(root, unsorted, recursive=True)
            # Magenta's order is that of the file system, which git does not keep.
            found = [note_seq.NoteSequence.FromString(r) for r in records(unsorted)]
            data = {(s.filename, s.id): s.SerializeToString() for s in found}
        with tf.python_io.TFRecordWriter(output) as writer:
            for name_and_id in sorted(data):
                writer.write(data[name_and_id])
        names = [name for name, _ in sorted(data)]
        index[collection] = {name: {"status": "converted"} for name in names}
        for (name, _), serialized in sorted(data.items()):
            pool[f"{collection}/{name}"] = serialized
    with open(os.path.join(folder, "conversion", "index.json"), "w") as f:
        json.dump(index, f, indent=1, sort_keys=True)
    return pool


def sequence(pool, name):
    return note_seq.NoteSequence.FromString(pool[name])


def only(original, wanted):
    """A copy with the notes that are wanted."""
    copy = note_seq.NoteSequence.FromString(original.SerializeToString())
    del copy.notes[:]
    copy.notes.extend(note for note in original.notes if wanted(note))
    return copy


def at_constant_tempo(original):
    copy = only(original, lambda note: True)
    del copy.tempos[1:], copy.time_signatures[:], copy.key_signatures[:]
    copy.tempos[0].time = 0
    return copy


def with_chords(original, every_s, figures):
    copy = only(original, lambda note: True)
    for number, figure in enumerate(figures):
        copy.text_annotations.add(
            time=number * every_s,
            text=figure,
            annotation_type=note_seq.NoteSequence.TextAnnotation.CHORD_SYMBOL,
        )
    return copy


def derive(pool):
    """NoteSequences that no MIDI file of ours gives: {name: NoteSequence}."""
    even = sequence(pool, "piano/even.mid")
    groove = sequence(pool, next(name for name in pool if name.startswith("groove/")))
    derived = collections.OrderedDict()
    derived["const/changes"] = at_constant_tempo(
        sequence(pool, "piano/rubato/changes.mid")
    )
    chords = ["C", "Am", "F", "G7", "Dm", "Bdim", "N.C.", "Ebaug"] * 3
    lead = only(even, lambda note: note.instrument == 0)
    derived["edge/chords_annotated"] = with_chords(lead, 2.5, chords)
    for number in range(2):
        name = f"trio_{number}"
        trio = sequence(pool, f"band/{name}.mid")
        derived["chords/" + name] = with_chords(trio, 2.0, chords[number:])
        derived["chords/" + name].key_signatures.add(key=7, time=0)
    four = sequence(pool, "band/players_4.mid")
    derived["chords/players_4"] = with_chords(four, 2.0, chords[:4])
    derived["edge/empty"] = note_seq.NoteSequence(ticks_per_quarter=220)
    derived["edge/drums_one_hit"] = only(groove, lambda note: False)
    derived["edge/drums_one_hit"].notes.add(
        pitch=38, velocity=90, start_time=0.3, end_time=0.4, is_drum=True, instrument=9
    )
    derived["edge/not_drums"] = only(even, lambda note: note.start_time < 9)
    derived["edge/late_start"] = only(even, lambda note: note.start_time > 21)
    changing = only(groove, lambda note: True)
    changing.tempos.add(qpm=changing.tempos[0].qpm + 9, time=2.0)
    derived["edge/tempo_change"] = changing
    waltz = only(groove, lambda note: True)
    waltz.time_signatures[0].numerator = 3
    derived["edge/three_four"] = waltz
    derived["edge/dense"] = dense(groove)
    return derived


def dense(groove):
    """Two bars of every class of drums, with several strokes of a class in a step."""
    crowded, rng = only(groove, lambda note: False), np.random.RandomState(7)
    pitches = [36, 35, 38, 40, 42, 22, 46, 26, 45, 43, 50, 49, 57, 51, 59]
    for start in np.arange(0, 4.0, 0.09):
        for pitch in rng.choice(pitches, 5, replace=False):
            time = start + rng.uniform(0, 0.05)
            crowded.notes.add(
                pitch=int(pitch),
                velocity=int(rng.randint(1, 128)),
                start_time=time,
                end_time=time + 0.05,
                is_drum=True,
                instrument=9,
            )
    crowded.total_time = max(note.end_time for note in crowded.notes)
    return crowded


def groups(pool):
    """Which NoteSequences the converters of a family are given."""
    of = lambda *starts: [name for name in sorted(pool) if name.startswith(starts)]
    edges = of("derived/edge/")
    return {
        "drums": of("groove/", "band/trio_0") + edges,
        "groove": of("groove/") + edges,
        "melody": of("piano/", "band/trio_1", "derived/const") + edges,
        "chords": of("derived/chords/", "piano/even") + edges,
        "trio": of("band/trio", "derived/chords/trio", "piano/even") + edges,
        "multi": of("band/", "derived/chords/", "piano/even") + edges,
    }


def write_augmented(folder, pool):
    """NoteSequenceAugmenter with ranges of one value, so that nothing is drawn."""
    from magenta.models.music_vae import data

    names = ["derived/edge/chords_annotated", "band/trio_0.mid", "piano/odd.MID"]
    ranges = [
        ((4, 4), None),
        ((-7, -7), (1.25, 1.25)),
        (None, (0.5, 0.5)),
        ((60, 60), None),
    ]
    index, arrays = {}, {}
    for i, name in enumerate(names):
        for j, (transpose, stretch) in enumerate(ranges):
            augmenter = data.NoteSequenceAugmenter(transpose, stretch)
            augmented = augmenter.augment(sequence(pool, name))
            case = f"{i:02d}_{j}"
            index[case] = {
                "notesequence": name,
                "transpose_range": transpose,
                "stretch_range": stretch,
            }
            arrays[case] = np.frombuffer(augmented.SerializeToString(), np.uint8)
    np.savez_compressed(os.path.join(folder, "converters", "augmenter.npz"), **arrays)
    with open(os.path.join(folder, "converters", "augmenter.json"), "w") as f:
        json.dump(index, f, sort_keys=True)
