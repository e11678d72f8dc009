"""The converters whose tensors are kept, and the music that each reads."""

import note_seq
from magenta.models.music_vae import data, data_hierarchical

TRIAD = note_seq.TriadChordOneHotEncoding
MAJOR_MINOR = note_seq.MajorMinorChordOneHotEncoding
DRUMS, GROOVE = data.DrumsConverter, data.GrooveConverter
MELODY, TRIO = data.OneHotMelodyConverter, data.TrioConverter
MULTI = data_hierarchical.MultiInstrumentPerformanceConverter
ALL = {"max_tensors_per_notesequence": None}
SMALL_SET = [
    [36],
    [38, 37, 40, 22, 26, 58],
    [42, 44, 46, 47, 45, 48, 50],
    [43, 49, 52, 55, 57, 51, 53, 59],
]
FOUR_BARS = dict(ALL, steps_per_quarter=4, gap_bars=1, slice_bars=4, max_bars=12)

# The converters of configs; those that are left out have the converter of another.
CONFIGS = {
    "cat-drums_2bar_small": "drums",
    "nade-drums_2bar_full": "drums",
    "nade-drums_2bar_reduced": "drums",
    "cat-mel_2bar_small": "melody",
    "cat-mel_2bar_med_chords": "chords",
    "hier-mel_16bar": "melody",
    "flat-trio_16bar": "trio",
    "hier-multiperf_vel_1bar_med": "multi",
    "hier-multiperf_vel_1bar_med_chords": "multi",
    "groovae_4bar": "groove",
    "groovae_2bar_humanize": "groove",
    "groovae_2bar_tap_fixed_velocity": "groove",
    "groovae_2bar_tap_fixed_velocity_note_dropout": "groove",
    "groovae_2bar_add_closed_hh": "groove",
    "groovae_2bar_hits_control_tfds": "groove",
}
# name: (class, options, group of NoteSequences)
VARIANTS = {
    "drums_end_token": (DRUMS, dict(ALL, max_bars=8, add_end_token=True), "drums"),
    "drums_end_token_roll_both": (
        DRUMS,
        dict(ALL, max_bars=8, add_end_token=True, roll_input=True, roll_output=True),
        "drums",
    ),
    "drums_end_token_roll_in": (
        DRUMS,
        dict(ALL, max_bars=8, add_end_token=True, roll_input=True),
        "drums",
    ),
    "drums_gap_pad_total": (
        DRUMS,
        dict(
            ALL,
            gap_bars=None,
            pad_to_total_time=True,
            roll_input=True,
            roll_output=True,
        ),
        "drums",
    ),
    "drums_onehot_both": (DRUMS, dict(ALL, slice_bars=1, steps_per_quarter=4), "drums"),
    "drums_roll_out_only": (
        DRUMS,
        dict(ALL, slice_bars=2, steps_per_quarter=4, roll_output=True),
        "drums",
    ),
    "groove_8_steps_per_quarter": (
        GROOVE,
        {"split_bars": 1, "steps_per_quarter": 8},
        "groove",
    ),
    "groove_add_kick_and_ride": (
        GROOVE,
        {"split_bars": 2, "add_instruments": [0, 8]},
        "groove",
    ),
    "groove_categorical": (
        GROOVE,
        {"split_bars": 1, "num_velocity_bins": 32, "num_offset_bins": 32},
        "groove",
    ),
    "groove_categorical_split_instruments": (
        GROOVE,
        {
            "split_bars": 1,
            "num_velocity_bins": 8,
            "num_offset_bins": 16,
            "split_instruments": True,
        },
        "groove",
    ),
    "groove_default": (GROOVE, {}, "groove"),
    "groove_hits_split_instruments": (
        GROOVE,
        {"split_bars": 1, "split_instruments": True, "hits_as_controls": True},
        "groove",
    ),
    "groove_hop_4": (GROOVE, {"split_bars": 1, "hop_size": 4}, "groove"),
    "groove_hop_4_split_instruments": (
        GROOVE,
        {"split_bars": 1, "hop_size": 4, "split_instruments": True},
        "groove",
    ),
    "groove_note_dropout_only": (
        GROOVE,
        {"split_bars": 2, "max_note_dropout_probability": 0.5},
        "groove",
    ),
    "groove_small_drum_set": (
        GROOVE,
        {"split_bars": 2, "pitch_classes": SMALL_SET},
        "groove",
    ),
    "groove_split_1bar": (GROOVE, {"split_bars": 1}, "groove"),
    "groove_tap": (GROOVE, {"split_bars": 2, "tapify": True}, "groove"),
    "melody_chords_and_key": (
        MELODY,
        dict(
            ALL,
            steps_per_quarter=4,
            slice_bars=2,
            max_bars=16,
            chord_encoding=TRIAD(),
            condition_on_key=True,
        ),
        "chords",
    ),
    "melody_chords_end_token": (
        MELODY,
        dict(
            ALL,
            steps_per_quarter=4,
            max_bars=8,
            add_end_token=True,
            chord_encoding=TRIAD(),
        ),
        "chords",
    ),
    "melody_end_token": (
        MELODY,
        dict(ALL, steps_per_quarter=4, max_bars=16, add_end_token=True),
        "melody",
    ),
    "melody_gap_pad_total": (
        MELODY,
        dict(
            ALL,
            steps_per_quarter=2,
            gap_bars=None,
            pad_to_total_time=True,
            presplit_on_time_changes=False,
        ),
        "melody",
    ),
    "melody_key": (
        MELODY,
        dict(
            ALL, steps_per_quarter=4, slice_bars=2, max_bars=16, condition_on_key=True
        ),
        "chords",
    ),
    "melody_majmin_chords": (
        MELODY,
        dict(
            ALL,
            steps_per_quarter=4,
            slice_bars=1,
            max_bars=16,
            chord_encoding=MAJOR_MINOR(),
        ),
        "chords",
    ),
    "melody_no_dedupe": (
        MELODY,
        dict(
            ALL,
            steps_per_quarter=4,
            slice_bars=2,
            max_bars=24,
            dedupe_event_lists=False,
        ),
        "melody",
    ),
    "melody_range_programs": (
        MELODY,
        dict(
            ALL,
            min_pitch=48,
            max_pitch=72,
            valid_programs=range(0, 32),
            steps_per_quarter=4,
            slice_bars=2,
            max_bars=24,
        ),
        "trio",
    ),
    "melody_skip_polyphony": (
        MELODY,
        dict(ALL, steps_per_quarter=4, slice_bars=1, skip_polyphony=True),
        "melody",
    ),
    "multi_2bar_one_chunk_no_velocity": (
        MULTI,
        {
            "hop_size_bars": 2,
            "chunk_size_bars": 2,
            "steps_per_quarter": 12,
            "max_events_per_instrument": 128,
            "min_num_instruments": 1,
        },
        "multi",
    ),
    "multi_2bar_two_chunks": (
        MULTI,
        {"num_velocity_bins": 8, "hop_size_bars": 2, "chunk_size_bars": 1},
        "multi",
    ),
    "multi_truncate": (
        MULTI,
        {
            "num_velocity_bins": 4,
            "max_events_per_instrument": 16,
            "drop_tracks_and_truncate": True,
        },
        "multi",
    ),
    "multi_two_chunks_chords": (
        MULTI,
        {
            "num_velocity_bins": 8,
            "hop_size_bars": 2,
            "chunk_size_bars": 1,
            "chord_encoding": TRIAD(),
        },
        "multi",
    ),
    "trio_4bar": (TRIO, FOUR_BARS, "trio"),
    "trio_chords_and_key": (
        TRIO,
        dict(FOUR_BARS, chord_encoding=TRIAD(), condition_on_key=True),
        "trio",
    ),
}
