"""What Magenta's converters make of the golden NoteSequences, and back."""

import copy
import json
import os
import zlib

import note_seq
import numpy as np
from magenta.models.music_vae import configs, data, data_hierarchical

DECODED = 3  # examples of a NoteSequence that are turned back
TRIAD = note_seq.TriadChordOneHotEncoding
MAJOR_MINOR = note_seq.MajorMinorChordOneHotEncoding
DRUMS, GROOVE = data.DrumsConverter, data.GrooveConverter
MELODY, TRIO = data.OneHotMelodyConverter, data.TrioConverter
MULTI = data_hierarchical.MultiInstrumentPerformanceConverter
ALL = {'max_tensors_per_notesequence': None}
SMALL_SET = [
    [36],
    [38, 37, 40, 22, 26, 58],
    [42, 44, 46, 47, 45, 48, 50],
    [43, 49, 52, 55, 57, 51, 53, 59],
]
FOUR_BARS = dict(ALL, steps_per_quarter=4, gap_bars=1, slice_bars=4, max_bars=12)

# The converters of configs; those that are left out have the converter of another.
CONFIGS = {
    'cat-drums_2bar_small': 'drums',
    'nade-drums_2bar_full': 'drums',
    'nade-drums_2bar_reduced': 'drums',
    'cat-mel_2bar_small': 'melody',
    'cat-mel_2bar_med_chords': 'chords',
    'hier-mel_16bar': 'melody',
    'flat-trio_16bar': 'trio',
    'hier-multiperf_vel_1bar_med': 'multi',
    'hier-multiperf_vel_1bar_med_chords': 'multi',
    'groovae_4bar': 'groove',
    'groovae_2bar_humanize': 'groove',
    'groovae_2bar_tap_fixed_velocity': 'groove',
    'groovae_2bar_tap_fixed_velocity_note_dropout': 'groove',
    'groovae_2bar_add_closed_hh': 'groove',
    'groovae_2bar_hits_control_tfds': 'groove',
}
# name: (class, options, group of NoteSequences)
VARIANTS = {
    'drums_end_token': (DRUMS, dict(ALL, max_bars=8, add_end_token=True), 'drums'),
    'drums_end_token_roll_both': (
        DRUMS,
        dict(ALL, max_bars=8, add_end_token=True, roll_input=True, roll_output=True),
        'drums',
    ),
    'drums_end_token_roll_in': (
        DRUMS,
        dict(ALL, max_bars=8, add_end_token=True, roll_input=True),
        'drums',
    ),
    'drums_gap_pad_total': (
        DRUMS,
        dict(
            ALL, gap_bars=None, pad_to_total_time=True, roll_input=True, roll_output=True
        ),
        'drums',
    ),
    'drums_onehot_both': (DRUMS, dict(ALL, slice_bars=1, steps_per_quarter=4), 'drums'),
    'drums_roll_out_only': (
        DRUMS,
        dict(ALL, slice_bars=2, steps_per_quarter=4, roll_output=True),
        'drums',
    ),
    'groove_8_steps_per_quarter': (
        GROOVE,
        dict(split_bars=1, steps_per_quarter=8),
        'groove',
    ),
    'groove_add_kick_and_ride': (
        GROOVE,
        dict(split_bars=2, add_instruments=[0, 8]),
        'groove',
    ),
    'groove_categorical': (
        GROOVE,
        dict(split_bars=1, num_velocity_bins=32, num_offset_bins=32),
        'groove',
    ),
    'groove_categorical_split_instruments': (
        GROOVE,
        dict(
            split_bars=1, num_velocity_bins=8, num_offset_bins=16, split_instruments=True
        ),
        'groove',
    ),
    'groove_default': (GROOVE, {}, 'groove'),
    'groove_hits_split_instruments': (
        GROOVE,
        dict(split_bars=1, split_instruments=True, hits_as_controls=True),
        'groove',
    ),
    'groove_hop_4': (GROOVE, dict(split_bars=1, hop_size=4), 'groove'),
    'groove_hop_4_split_instruments': (
        GROOVE,
        dict(split_bars=1, hop_size=4, split_instruments=True),
        'groove',
    ),
    'groove_note_dropout_only': (
        GROOVE,
        dict(split_bars=2, max_note_dropout_probability=0.5),
        'groove',
    ),
    'groove_small_drum_set': (
        GROOVE,
        dict(split_bars=2, pitch_classes=SMALL_SET),
        'groove',
    ),
    'groove_split_1bar': (GROOVE, dict(split_bars=1), 'groove'),
    'groove_tap': (GROOVE, dict(split_bars=2, tapify=True), 'groove'),
    'melody_chords_and_key': (
        MELODY,
        dict(
            ALL,
            steps_per_quarter=4,
            slice_bars=2,
            max_bars=16,
            chord_encoding=TRIAD(),
            condition_on_key=True,
        ),
        'chords',
    ),
    'melody_chords_end_token': (
        MELODY,
        dict(
            ALL,
            steps_per_quarter=4,
            max_bars=8,
            add_end_token=True,
            chord_encoding=TRIAD(),
        ),
        'chords',
    ),
    'melody_end_token': (
        MELODY,
        dict(ALL, steps_per_quarter=4, max_bars=16, add_end_token=True),
        'melody',
    ),
    'melody_gap_pad_total': (
        MELODY,
        dict(
            ALL,
            steps_per_quarter=2,
            gap_bars=None,
            pad_to_total_time=True,
            presplit_on_time_changes=False,
        ),
        'melody',
    ),
    'melody_key': (
        MELODY,
        dict(
            ALL, steps_per_quarter=4, slice_bars=2, max_bars=16, condition_on_key=True
        ),
        'chords',
    ),
    'melody_majmin_chords': (
        MELODY,
        dict(
            ALL,
            steps_per_quarter=4,
            slice_bars=1,
            max_bars=16,
            chord_encoding=MAJOR_MINOR(),
        ),
        'chords',
    ),
    'melody_no_dedupe': (
        MELODY,
        dict(
            ALL, steps_per_quarter=4, slice_bars=2, max_bars=24, dedupe_event_lists=False
        ),
        'melody',
    ),
    'melody_range_programs': (
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
        'trio',
    ),
    'melody_skip_polyphony': (
        MELODY,
        dict(ALL, steps_per_quarter=4, slice_bars=1, skip_polyphony=True),
        'melody',
    ),
    'multi_2bar_one_chunk_no_velocity': (
        MULTI,
        dict(
            hop_size_bars=2,
            chunk_size_bars=2,
            steps_per_quarter=12,
            max_events_per_instrument=128,
            min_num_instruments=1,
        ),
        'multi',
    ),
    'multi_2bar_two_chunks': (
        MULTI,
        dict(num_velocity_bins=8, hop_size_bars=2, chunk_size_bars=1),
        'multi',
    ),
    'multi_truncate': (
        MULTI,
        dict(
            num_velocity_bins=4,
            max_events_per_instrument=16,
            drop_tracks_and_truncate=True,
        ),
        'multi',
    ),
    'multi_two_chunks_chords': (
        MULTI,
        dict(
            num_velocity_bins=8,
            hop_size_bars=2,
            chunk_size_bars=1,
            chord_encoding=TRIAD(),
        ),
        'multi',
    ),
    'trio_4bar': (TRIO, FOUR_BARS, 'trio'),
    'trio_chords_and_key': (
        TRIO,
        dict(FOUR_BARS, chord_encoding=TRIAD(), condition_on_key=True),
        'trio',
    ),
}


def described(kind, options):
    """The call that constructs a converter, as Python that can be parsed."""
    module = 'data_hierarchical' if kind is MULTI else 'data'

    def value(option):
        if isinstance(option, (TRIAD, MAJOR_MINOR)):
            return 'note_seq.%s()' % type(option).__name__
        return repr(option)

    arguments = ', '.join(
        '%s=%s' % (name, value(option)) for name, option in sorted(options.items())
    )
    return '%s.%s(%s)' % (module, kind.__name__, arguments)


def converters():
    """Yields (name of the variant, converter, its description, group)."""
    for name, group in sorted(CONFIGS.items()):
        converter = copy.deepcopy(configs.CONFIG_MAP[name].data_converter)
        words = "CONFIG_MAP['%s'].data_converter (a %s)"
        words %= (name, type(converter).__name__)
        yield 'config_' + name, converter, words, group
    for name, (kind, options, group) in sorted(VARIANTS.items()):
        yield name, kind(**options), described(kind, options), group


def is_in_arbitrary_order(converter):
    """Magenta puts these through a Python set."""
    return isinstance(converter, DRUMS) or (
        isinstance(converter, MELODY) and converter._dedupe_event_lists
    )


def examples_of(converter, serialized, seed):
    """[(inputs, outputs, controls, length)] in an order that can be repeated."""
    if seed is not None:
        np.random.seed(seed)
    sequence = note_seq.NoteSequence.FromString(serialized)
    examples = list(zip(*converter.to_tensors(sequence)))
    if is_in_arbitrary_order(converter):
        bits = lambda rows: rows.astype(np.uint8).tobytes()
        examples.sort(key=lambda e: (len(e[1]), bits(e[1]), bits(e[2])))
    return examples


def stored(rows):
    rows = np.concatenate(rows)
    return rows.astype(np.uint8) if rows.dtype == bool else rows


def tensors_of(examples):
    inputs, outputs, controls, lengths = zip(*examples)
    arrays = {
        'outputs': stored(outputs),
        'outputs_rows': np.array([len(rows) for rows in outputs]),
        'lengths': np.array(lengths),
    }
    if any(not np.array_equal(i, o) for i, o in zip(inputs, outputs)):
        arrays['inputs'] = stored(inputs)
        arrays['inputs_rows'] = np.array([len(rows) for rows in inputs])
    if controls[0].shape[-1]:
        arrays['controls'] = stored(controls)
        arrays['controls_rows'] = np.array([len(rows) for rows in controls])
    return arrays


def decoded(converter, examples):
    """{array: value} of the NoteSequences of the first examples."""
    examples = examples[:DECODED]
    controls = [e[2] for e in examples] if converter.control_depth else None
    sequences = converter.from_tensors([e[1] for e in examples], controls)
    data = [np.frombuffer(s.SerializeToString(), np.uint8) for s in sequences]
    return {
        'from_tensors': np.concatenate(data) if data else np.zeros([0], np.uint8),
        'from_tensors_rows': np.array([len(array) for array in data]),
    }


def same(one, other):
    return one.keys() == other.keys() and all(
        np.array_equal(one[key], other[key]) for key in one
    )


def one_case(converter, serialized, seed):
    """(what is noted in the index, {array: value})."""
    info = {} if seed is None else {'numpy_seed': seed}
    try:
        examples = examples_of(converter, serialized, seed)
    except Exception as error:
        return dict(info, raises=type(error).__name__), {}
    info['count'] = len(examples)
    if not examples:
        return info, {}
    arrays = tensors_of(examples)
    try:
        arrays.update(decoded(converter, examples))
    except Exception as error:
        info['from_tensors_raises'] = type(error).__name__
    return info, arrays


def all_modes(converter, serialized, seed, prefix):
    modes, arrays, first = {}, {}, None
    for mode in ('eval', 'infer', 'train'):
        converter.set_mode(mode)
        info, found = one_case(converter, serialized, seed)
        if first is not None and found and same(found, first):
            info.update(tensors_same_as='eval', from_tensors_same_as='eval')
        else:
            arrays.update({prefix % (mode, key): a for key, a in found.items()})
        first = found if first is None else first
        modes[mode] = info
    return modes, arrays


def of_variant(name, converter, group, names, pool):
    """(entry of the index, {array: value})."""
    entry = {
        name: getattr(converter, name)
        for name in (
            'input_depth',
            'output_depth',
            'control_depth',
            'end_token',
            'max_tensors_per_notesequence',
        )
    }
    for kind in ('input_dtype', 'output_dtype', 'control_dtype'):
        entry[kind] = np.dtype(getattr(converter, kind)).name
    entry['length_shape'] = [int(n) for n in converter.length_shape]
    entry['inputs'] = group
    is_arbitrary = is_in_arbitrary_order(converter)
    entry['order'] = 'arbitrary, so sorted' if is_arbitrary else 'as returned'
    if not isinstance(converter, MULTI):
        converter.max_tensors_per_notesequence = None
    entry['files'], arrays = {}, {}
    for number, source in enumerate(names):
        seed = None
        if 'dropout' in name:
            seed = zlib.crc32((name + source).encode()) % 100000
        prefix = '%02d/%%s/%%s' % number
        modes, found = all_modes(converter, pool[source], seed, prefix)
        entry['files']['%02d' % number] = {'notesequence': source, 'modes': modes}
        arrays.update(found)
    return entry, arrays


def write(folder, pool, groups):
    """Writes `converters/`."""
    variants = {}
    for name, converter, words, group in converters():
        entry, arrays = of_variant(name, converter, group, groups[group], pool)
        variants[name] = dict(entry, constructor=words)
        path = os.path.join(folder, 'converters', name + '.npz')
        np.savez_compressed(path, **arrays)
    with open(os.path.join(folder, 'converters', 'index.json'), 'w') as f:
        json.dump({'variants': variants}, f, sort_keys=True)
