"""Scores for training without files: found in music21, arranged in seven ways."""

import sys

import numpy as np
import pytest
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.data import midi, score_corpus
from music_vae_tf.data.converters.piano_roll import BASS, GUITAR, PIANO, PROGRAMS
from music_vae_tf.generation import piano_roll


def quartet():
    """Four parts in no order, each of two notes."""
    sequence = NoteSequence(total_time=2)
    for part, pitch in ((7, 48), (2, 72), (5, 36), (1, 60)):
        for start in (0, 1):
            sequence.notes.add(
                pitch=pitch + start,
                velocity=90,
                start_time=start,
                end_time=start + 1,
                part=part,
                program=40,
            )
    return sequence


def players(sequence):
    """{pitch: class that plays it}."""
    classes = {programs[0]: number for number, programs in PROGRAMS.items()}
    return {note.pitch: classes[note.program] for note in sequence.notes}


def test_parts_are_played_by_their_height():
    arranged = score_corpus.arrangements(quartet())["piano+guitar+bass"]
    played = players(arranged)
    assert played[72] == played[60] == PIANO
    assert (played[48], played[36]) == (GUITAR, BASS)


def test_bass_alone_is_the_lowest_part():
    assert players(score_corpus.arrangements(quartet())["bass"]) == {36: BASS, 37: BASS}


def test_arrangements_are_all_conditions_that_sound():
    arranged = score_corpus.arrangements(quartet())
    assert len(arranged) == 7
    for name, sequence in arranged.items():
        classes = set(players(sequence).values())
        has = np.array([number in classes for number in range(4)])
        assert piano_roll.condition_name(has) == name


def test_times_are_stretched_and_the_score_is_left_as_it_was():
    sequence = quartet()
    arranged = score_corpus.arrangements(sequence, 1.5)["piano"]
    assert [note.end_time for note in arranged.notes] == [1.5, 3.0] * 4
    assert arranged.total_time == 3.0
    assert sequence == quartet()


def test_a_score_of_two_parts_has_no_arrangements():
    sequence = quartet()
    del sequence.notes[4:]
    assert score_corpus.arrangements(sequence) == {}


def test_without_music21_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "music21", None)
    with pytest.raises(score_corpus.NoCorpus, match=r"'music_vae_tf\[score"):
        score_corpus.scores()


def test_the_corpus_has_chorales_and_quartets_that_can_be_read():
    scores = score_corpus.scores()
    chorales = [score for score in scores if score.name.startswith("bach/")]
    assert len(chorales) > 300
    assert len(scores) - len(chorales) > 40
    some = chorales[100]
    (record,), problems, *_ = midi.convert(str(some.root), some.name)
    assert not problems
    sequence = NoteSequence.FromString(record)
    arranged = score_corpus.arrangements(sequence, some.stretch)
    assert set(players(arranged["guitar+bass"]).values()) == {GUITAR, BASS}
