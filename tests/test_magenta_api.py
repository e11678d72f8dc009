"""Magenta's Python names over the package, as notebooks use them."""

import ast
import copy
import dataclasses
from typing import NamedTuple

import note_seq
import numpy as np
import pytest
import tensorflow as tf
from magenta_configs import MAGENTA

from music_vae_tf import build
from music_vae_tf import config as own_config
from music_vae_tf.data.records import records_writer
from music_vae_tf.kinds.music_vae import music_vae
from music_vae_tf.magenta_api import (
    HParams,
    MusicVAE,
    configs,
    data,
    data_hierarchical,
    datasets,
    lstm_models,
    lstm_utils,
    merge_hparams,
    update_config,
)
from music_vae_tf.magenta_api.trained_model import (
    MultipleExtractedExamplesError,
    NoExtractedExamplesError,
    TrainedModel,
)
from music_vae_tf.models.autoregressive_decoder import AutoregressiveHierarchicalDecoder

TINY = "batch_size=4,z_size=3,enc_rnn_size=[2],dec_rnn_size=[2,2],max_seq_len=8"


def melody(*pitches):
    """A quarter each, at 120 BPM."""
    sequence = note_seq.NoteSequence(total_time=0.5 * len(pitches))
    for i, pitch in enumerate(pitches):
        sequence.notes.add(
            pitch=pitch, velocity=80, start_time=0.5 * i, end_time=0.5 * i + 0.5
        )
    return sequence


# Converters.


class Example(NamedTuple):
    """One example of ConverterTensors."""

    inputs: np.ndarray
    outputs: np.ndarray
    controls: np.ndarray
    length: int | np.ndarray


MODULES = {"data": data, "data_hierarchical": data_hierarchical}
VALUES = {
    "range": range,
    "note_seq.TriadChordOneHotEncoding": note_seq.TriadChordOneHotEncoding,
    "note_seq.MajorMinorChordOneHotEncoding": note_seq.MajorMinorChordOneHotEncoding,
}


def converter_of(constructor):
    """The converter of a golden variant: a config's, or one made by a call."""
    node = ast.parse(constructor.split(" (a ")[0], mode="eval").body
    if not isinstance(node, ast.Call):  # CONFIG_MAP['name'].data_converter
        name = node.value.slice.value
        return copy.deepcopy(configs.CONFIG_MAP[name].data_converter)
    kind = getattr(MODULES[node.func.value.id], node.func.attr)
    return kind(**{option.arg: value_of(option.value) for option in node.keywords})


def value_of(node):
    """The value of an option: a literal, or an object that a call makes."""
    if not isinstance(node, ast.Call):
        return ast.literal_eval(node)
    return VALUES[ast.unparse(node.func)](*map(ast.literal_eval, node.args))


def in_order(examples):
    """As examples are stored that come in the order of a Python set."""
    bits = lambda rows: rows.astype(np.uint8).tobytes()
    return sorted(
        examples, key=lambda e: (len(e.outputs), bits(e.outputs), bits(e.controls))
    )


def assert_is_magentas(golden, converter, variant, case):
    np.random.seed(case.info.get("numpy_seed"))
    sequence = note_seq.NoteSequence.FromString(golden.notesequences[case.notesequence])
    tensors = converter.to_tensors(sequence)
    examples = [Example(*columns) for columns in zip(*tensors)]
    if "arbitrary" in variant["order"]:
        examples = in_order(examples)
    assert len(examples) == len(case.examples)
    for ours, magentas in zip(examples, case.examples):
        np.testing.assert_array_equal(ours.length, magentas.length)
        np.testing.assert_allclose(ours.inputs, magentas.inputs, 0, 1e-6)
        np.testing.assert_allclose(ours.outputs, magentas.outputs, 0, 1e-6)
        np.testing.assert_array_equal(ours.controls, magentas.controls)
    heard = case.from_tensors or []
    controls = [e.controls for e in case.examples] if variant["control_depth"] else None
    decoded = converter.from_tensors([e.outputs for e in case.examples], controls)
    for ours, magentas in zip(decoded, heard):
        assert ours == note_seq.NoteSequence.FromString(magentas)


@pytest.mark.parametrize("mode", ["eval", "infer"])
@pytest.mark.parametrize(
    "family", ["config", "drums", "groove", "melody", "multi", "trio"]
)
def test_converters_are_magentas(golden, family, mode):
    variants = {
        name: variant
        for name, variant in golden.converter_variants().items()
        if name.startswith(family)
        # Inferring makes a difference to drums played on one kit and heard on another.
        and (mode == "eval" or name.startswith("config_groovae"))
    }
    for name, variant in variants.items():
        converter = converter_of(variant["constructor"])
        for told in (
            *("input_depth", "output_depth", "control_depth"),
            *("end_token", "max_tensors_per_notesequence"),
        ):
            assert getattr(converter, told) == variant[told], (name, told)
        assert list(converter.length_shape) == variant["length_shape"]
        for told in ("input_dtype", "output_dtype", "control_dtype"):
            assert np.dtype(getattr(converter, told)) == variant[told]
        converter.max_tensors_per_notesequence = None
        converter.set_mode(mode)
        for case in golden.converter_cases(name, mode):
            if case.examples is not None:  # Magenta stopped
                assert_is_magentas(golden, converter, variant, case)


def test_one_hot_rows_are_bool_and_grooves_real():
    drums = note_seq.NoteSequence(total_time=2.0)
    drums.notes.add(pitch=36, velocity=127, end_time=0.1, is_drum=True)
    for converter, sequence, dtype in (
        (data.OneHotMelodyConverter(), melody(60), np.bool_),
        (data.DrumsConverter(roll_input=True), drums, np.bool_),
        (data.GrooveConverter(), drums, np.float64),
    ):
        tensors = converter.to_tensors(sequence)
        assert [len(column) for column in tensors] == [1, 1, 1, 1]
        assert tensors.inputs[0].dtype == tensors.outputs[0].dtype == dtype
        assert tensors.controls[0].shape == (len(tensors.inputs[0]), 0)
        assert tensors.lengths == [16]


def test_grooves_come_back_exactly():
    drums = note_seq.NoteSequence(total_time=2.0)
    drums.notes.add(pitch=36, velocity=99, start_time=0.26125, is_drum=True)
    converter = data.GrooveConverter()
    (back,) = converter.from_tensors(converter.to_tensors(drums).outputs)
    assert (back.notes[0].start_time, back.notes[0].velocity) == (0.26125, 99)


def test_options_may_be_given_in_magentas_order():
    by_place = data.DrumsConverter(8, 2, None, [[36], [38]], True)
    by_name = data.DrumsConverter(
        max_bars=8,
        slice_bars=2,
        gap_bars=None,
        pitch_classes=[[36], [38]],
        add_end_token=True,
    )
    assert by_place.converter == by_name.converter
    assert data.GrooveConverter(2, 8).converter.steps_per_quarter == 8
    assert data.DrumsConverter(pitch_classes=None).output_depth == 512
    chords = note_seq.TriadChordOneHotEncoding()
    assert data.OneHotMelodyConverter(chord_encoding=chords).control_depth == 49


def test_the_mode_says_which_kit_is_played():
    converter = data.GrooveConverter(
        pitch_classes=[[36, 35], [38]], inference_pitch_classes=[[35], [36, 38]]
    )
    kick = note_seq.NoteSequence(total_time=2.0)
    kick.notes.add(pitch=36, velocity=127, end_time=0.1, is_drum=True)
    hits = lambda: converter.to_tensors(kick).outputs[0][0, :2].tolist()
    assert hits() == [1, 0]
    converter.set_mode("train")
    assert converter.is_training and not converter.is_inferring
    assert hits() == [1, 0]
    converter.set_mode("infer")
    assert converter.is_inferring and not converter.is_training
    assert hits() == [0, 1]
    assert converter.pitch_classes == ((35,), (36, 38))
    with pytest.raises(ValueError, match="practice"):
        converter.set_mode("practice")


def test_training_draws_from_numpys_generator_and_evaluation_takes_the_first():
    sequence = melody(*range(40, 80))
    converter = data.OneHotMelodyConverter(slice_bars=1, max_tensors_per_notesequence=2)

    def first_classes():
        return [np.argmax(rows[0]) for rows in converter.to_tensors(sequence).inputs]

    converter.set_mode("eval")
    assert first_classes() == [40 - 21 + 2, 44 - 21 + 2]
    converter.set_mode("train")
    np.random.seed(1)
    drawn = first_classes()
    np.random.seed(1)
    assert first_classes() == drawn
    converter._max_tensors_per_input = None  # as notebooks do
    assert len(first_classes()) == 10


def test_examples_are_combined_and_counted():
    tensors = data.ConverterTensors([np.zeros([3, 2]), np.zeros([4, 2])])
    assert tensors.lengths == [3, 4]
    assert [rows.shape for rows in tensors.controls] == [(3, 0), (4, 0)]
    assert data.ConverterTensors() == ([], [], [], [])
    both = data.combine_converter_tensors([tensors._replace(outputs=[1, 2])] * 2, 3)
    assert len(both.inputs) == len(both.lengths) == 3
    assert data.combine_converter_tensors([]) == data.ConverterTensors()
    assert data.maybe_sample_items("abc", 2, randomize=False) == "ab"
    assert set(data.maybe_sample_items("abc", 2, randomize=True)) < set("abc")
    np.testing.assert_array_equal(
        data.np_onehot([2, 0], 3, np.int32), [[0, 0, 1], [1, 0, 0]]
    )
    assert data.np_onehot([], 3).shape == (0, 3)


def test_constants_are_magentas():
    assert len(data.FULL_DRUM_PITCH_CLASSES) == 61
    assert data.REDUCED_DRUM_PITCH_CLASSES[0] == [36, 35]
    assert data.ROLAND_DRUM_PITCH_CLASSES[8] == [51, 53, 59]
    assert data.MAX_INSTRUMENT_NUMBER == data.MAX_MIDI_PITCH == 127
    assert list(data.BASS_PROGRAMS) == list(range(32, 40))


# Data sets.


@pytest.fixture
def tfrecord(tmp_path):
    path = tmp_path / "notesequences.tfrecord"
    with records_writer(path) as write:
        for low in (50, 60, 70):
            write(melody(*range(low, low + 8)).SerializeToString())
    return str(path)


def test_data_sets_have_magentas_batches(tfrecord):
    config = update_config(
        copy.deepcopy(configs.CONFIG_MAP["cat-mel_2bar_small"]),
        {"eval_examples_path": tfrecord, "train_examples_path": tfrecord},
    )
    config.hparams.batch_size = 2
    (batch,) = data.get_dataset(config)
    inputs, outputs, controls, lengths = (tensor.numpy() for tensor in batch)
    assert inputs.shape == (2, 32, 90) and inputs.dtype == bool
    np.testing.assert_array_equal(inputs, outputs)
    assert controls.shape == (2, 32, 0)
    assert lengths.tolist() == [32, 32]
    assert inputs[:, 0].argmax(axis=1).tolist() == [50 - 21 + 2, 60 - 21 + 2]

    endless = data.get_dataset(config, is_training=True)
    first_pitches = {
        int(p) for batch in endless.take(6) for p in np.argmax(batch[0][:, 0], axis=-1)
    }
    assert len(first_pitches) == 3  # one cache, so three sequences transposed once
    assert config.data_converter.is_training
    assert data.count_examples(tfrecord, None, config.data_converter) == 3


def test_tensorflow_datasets_are_a_source_too(monkeypatch):
    asked = []

    def read(name, split):
        asked.append((name, split))
        return [melody(*range(60, 68)), melody(*range(61, 69))]

    monkeypatch.setattr(datasets.tfds, "read_note_sequences", read)
    config = update_config(
        copy.deepcopy(configs.CONFIG_MAP["cat-mel_2bar_small"]), {"tfds_name": "mine"}
    )
    config.hparams.batch_size = 2
    ((inputs, *_),) = data.get_dataset(config)
    assert inputs[:, 0].numpy().argmax(axis=1).tolist() == [41, 42]
    assert next(iter(data.get_dataset(config, is_training=True)))[0].shape[0] == 2
    assert data.count_examples(None, "mine", config.data_converter) == 2
    splits = ["validation", "train", "validation"]
    assert asked == [("mine", split) for split in splits]


def test_a_data_set_needs_a_source():
    config = configs.CONFIG_MAP["cat-mel_2bar_small"]
    with pytest.raises(ValueError, match="examples path"):
        data.get_dataset(config)
    with pytest.raises(ValueError, match="nowhere"):
        data.get_dataset(update_config(config, {"eval_examples_path": "nowhere"}))


def test_segments_of_a_data_set_keep_their_padding():
    both = melody(*range(60, 68))
    both.notes.extend(melody(*range(40, 48)).notes)
    for i, note in enumerate(both.notes):
        note.instrument = note.program = i // 8
    converter = data_hierarchical.MultiInstrumentPerformanceConverter()
    *rows, lengths = data.convert_to_tensors_op(
        tf.constant(both.SerializeToString()), converter
    )
    assert [tuple(tensor.shape) for tensor in rows] == [
        (2, 512, 482),
        (2, 512, 482),
        (2, 512, 0),
    ]
    assert lengths.shape == (2, 8)
    assert lengths[0].numpy().tolist() == [14, 14, 1, 1, 1, 1, 1, 1]


def test_an_augmenter_transposes_within_its_range():
    augmenter = data.NoteSequenceAugmenter(transpose_range=(2, 3))
    np.random.seed(0)
    pitches = {augmenter.augment(melody(60)).notes[0].pitch for _ in range(20)}
    assert pitches == {62, 63}
    serialized = augmenter.tf_augment(tf.constant(melody(60).SerializeToString()))
    assert note_seq.NoteSequence.FromString(serialized.numpy()).notes[0].pitch in (
        62,
        63,
    )


# Hparams and configs.


def test_hparams_are_attributes_that_a_text_can_change():
    hparams = HParams(z_size=4, enc_rnn_size=[8], rate=0.5, name="a", on=False)
    same = hparams.parse("z_size=8,enc_rnn_size=[12,13],rate=1,name=b,on=true")
    assert same is hparams
    assert hparams.values() == {
        "z_size": 8,
        "enc_rnn_size": [12, 13],
        "rate": 1.0,
        "name": "b",
        "on": True,
    }
    assert isinstance(hparams.rate, float)
    hparams.z_size = 16
    assert hparams.get("z_size") == hparams.values()["z_size"] == 16
    assert "z_size" in hparams and "x_size" not in hparams
    assert hparams.get("x_size", 1) == 1
    assert HParams(z_size=1).parse_json(HParams(z_size=2).to_json()).z_size == 2
    assert repr(HParams(b=1, a=[2])) == "HParams([('a', [2]), ('b', 1)])"
    hparams.add_hparam("more", 1)
    hparams.del_hparam("z_size")
    assert not hasattr(hparams, "z_size") and hparams.more == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("z_size=8.5", "z_size: expected a whole number; got 8.5"),
        ("enc_rnn_size=8", "enc_rnn_size: expected a list"),
        ("z_sizes=8", "did you mean z_size"),
        ("z_size=1,z_size=2", "more than once"),
    ],
)
def test_hparams_keep_their_types(text, told):
    hparams = HParams(z_size=4, enc_rnn_size=[8])
    with pytest.raises(ValueError, match=told):
        hparams.parse(text)
    assert hparams.values() == {"z_size": 4, "enc_rnn_size": [8]}


def test_hparams_are_merged_and_names_are_not_methods():
    merged = merge_hparams(HParams(a=1, b=2), HParams(b=3, c=4))
    assert merged.values() == {"a": 1, "b": 3, "c": 4}
    with pytest.raises(ValueError, match="reserved: values"):
        HParams(values=1)


def test_the_config_map_has_all_configs_with_magentas_hparams(golden):
    assert set(golden.models()) <= set(configs.CONFIG_MAP)
    for name in golden.models():
        config = configs.CONFIG_MAP[name]
        manifest, _ = golden.model(name)
        hparams = copy.deepcopy(config.hparams)
        changed = manifest["hparams_changed_from_config"]
        hparams.parse(",".join(f"{key}={value}" for key, value in changed.items()))
        assert hparams.values() == manifest["hparams"]


@pytest.mark.parametrize("name", MAGENTA)
def test_a_config_there_and_back_is_the_same(name):
    loaded, back = own_config.load(name), configs.to_ours(configs.CONFIG_MAP[name])
    converter = build.converter(back)
    if hasattr(converter, "double_precision"):
        assert converter.double_precision
        converter = dataclasses.replace(converter, double_precision=False)
    assert converter == build.converter(loaded)
    same = {"name": name, "converter": loaded.converter}
    assert dataclasses.replace(back, **same) == loaded


def test_a_copy_of_a_config_is_independent():
    config = configs.CONFIG_MAP["groovae_4bar"]
    twin = copy.deepcopy(config)
    twin.hparams.parse("enc_rnn_size=[3]")
    twin.hparams.dec_rnn_size[0] = 5
    twin.data_converter.set_mode("infer")
    twin.data_converter.max_tensors_per_notesequence = 1
    assert config.hparams.enc_rnn_size == [512]
    assert config.hparams.dec_rnn_size == [256, 256]
    assert not config.data_converter.is_inferring
    assert config.data_converter.max_tensors_per_notesequence == 20
    assert update_config(config, {"tfds_name": "mine"}).values() == {
        **config.values(),
        "tfds_name": "mine",
    }


def test_parts_of_models_have_magentas_names():
    core = lstm_models.CategoricalLstmDecoder
    own = {
        "hierdec-trio_16bar": MusicVAE(
            lstm_models.BidirectionalLstmEncoder(),
            lstm_models.HierarchicalLstmDecoder(
                lstm_models.SplitMultiOutLstmDecoder(
                    core_decoders=[core(), core(), core()],
                    output_depths=[90, 90, 512],
                ),
                level_lengths=[16, 16],
                disable_autoregression=True,
            ),
        ),
        "flat-trio_16bar": MusicVAE(
            lstm_models.BidirectionalLstmEncoder(),
            lstm_models.MultiOutCategoricalLstmDecoder(output_depths=[90, 90, 512]),
        ),
        "hier-mel_16bar": MusicVAE(
            lstm_models.HierarchicalLstmEncoder(
                lstm_models.BidirectionalLstmEncoder, [16, 16]
            ),
            lstm_models.HierarchicalLstmDecoder(core(), [16, 16], True),
        ),
        "groovae_4bar": MusicVAE(
            lstm_models.BidirectionalLstmEncoder(), lstm_models.GrooveLstmDecoder()
        ),
        "nade-drums_2bar_full": MusicVAE(
            lstm_models.BidirectionalLstmEncoder(),
            lstm_models.MultiLabelRnnNadeDecoder(),
        ),
    }
    for name, model in own.items():
        assert model == configs.CONFIG_MAP[name].model


def test_models_that_no_config_has_can_be_described_too():
    encoder = lstm_models.HierarchicalLstmEncoder(lstm_models.LstmEncoder, [4, 2])
    core = lstm_models.BidirectionalLstmControlPreprocessingDecoder(
        lstm_models.BooleanLstmDecoder()
    )
    config = configs.Config(
        model=MusicVAE(
            encoder,
            lstm_models.HierarchicalLstmDecoder(
                core, [2, 4], disable_autoregression=[1], hierarchical_encoder=encoder
            ),
        ),
        hparams=lstm_models.get_default_hparams().parse(
            f"{TINY},control_preprocessing_rnn_size=[2]"
        ),
        data_converter=data.DrumsConverter(roll_output=True),
    )
    section = configs.to_ours(config).model
    model = music_vae(section, input_depth=1, output_depth=2, control_depth=1)
    assert isinstance(model.decoder, AutoregressiveHierarchicalDecoder)
    assert model.decoder.reencode
    assert model.decoder.core.core.depth == 2
    config.hparams.max_seq_len = 9
    with pytest.raises(ValueError, match="multiply to 8"):
        configs.to_ours(config)


# Trained models.


def restored(golden, name, batch_size=4, **options):
    """A TrainedModel of golden weights, made as a notebook makes it; and the numbers
    Magenta computed with them."""
    manifest, arrays = golden.model(name)
    config = copy.deepcopy(configs.CONFIG_MAP[name])
    changed = manifest["hparams_changed_from_config"]
    config.hparams.parse(",".join(f"{key}={value}" for key, value in changed.items()))
    checkpoint = f"{golden.path('models', name)}/{manifest['checkpoint_prefix']}"
    model = TrainedModel(
        config, batch_size, checkpoint_dir_or_path=checkpoint, **options
    )
    return config, model, arrays


def extractable(golden, variant, count):
    """A NoteSequence of which a converter makes so many examples, and these."""
    return next(
        (
            note_seq.NoteSequence.FromString(golden.notesequences[case.notesequence]),
            case.examples,
        )
        for case in golden.converter_cases(variant, "infer")
        if case.examples is not None and min(len(case.examples), 2) == count
    )


def test_a_notebook_of_grooves(golden):
    config, model, arrays = restored(golden, "groovae_4bar")
    length = config.hparams.max_seq_len

    samples = model.sample(n=5, length=length, temperature=0.5)
    assert len(samples) == 5
    assert all(note.is_drum for sample in samples for note in sample.notes)

    groove, (example,) = extractable(golden, "config_groovae_4bar", 1)
    z, mu, sigma = model.encode([groove])
    assert z.shape == mu.shape == sigma.shape == (1, config.hparams.z_size)
    same = model.encode_tensors([example.inputs], [example.length])
    np.testing.assert_allclose(same[1], mu, rtol=1e-5, atol=1e-6)

    tensors = model.decode_to_tensors(arrays["decode/z"], length, temperature=1e-6)
    np.testing.assert_allclose(tensors, arrays["decode/samples"], 1e-4, 1e-5)
    np.random.seed(1)
    path = model.interpolate(groove, groove, num_steps=3, length=length)
    assert len(path) == 3
    assert len(model.decode(z, length=length)) == 1


def test_a_notebook_of_melodies(golden):
    config, model, arrays = restored(golden, "cat-mel_2bar_small", batch_size=3)
    length = config.hparams.max_seq_len
    decoded = model.decode(arrays["decode/z"], length=length, temperature=1e-6)
    for i, sequence in enumerate(decoded):
        serialized = arrays[f"decode/notesequence_{i}"].tobytes()
        assert sequence == note_seq.NoteSequence.FromString(serialized)

    piece, examples = extractable(golden, "config_cat-mel_2bar_small", 2)
    with pytest.raises(MultipleExtractedExamplesError, match="Multiple"):
        model.encode([piece])
    model._config.data_converter._max_tensors_per_input = 1
    _, mu, _ = model.encode([piece], assert_same_length=True)
    assert any(
        np.allclose(model.encode_tensors([e.inputs], [e.length])[1], mu, atol=1e-6)
        for e in examples
    )
    with pytest.raises(NoExtractedExamplesError, match="No examples"):
        model.encode([note_seq.NoteSequence()])
    with pytest.raises(ValueError, match="length must be specified"):
        model.sample(n=1)


def test_a_notebook_of_bars_over_chords(golden):
    name = "hier-multiperf_vel_1bar_med_chords"
    _, model, arrays = restored(golden, name, batch_size=2)
    chords = arrays["decode/c_input"]
    decoded = model.decode_to_tensors(
        arrays["decode/z"], length=512, temperature=1e-6, c_input=chords
    )
    np.testing.assert_array_equal(decoded, arrays["decode/samples"])
    (bar,) = model.sample(n=1, length=512, same_z=True, c_input=chords)
    assert bar.text_annotations[0].annotation_type == data.CHORD_SYMBOL


def test_numpys_seed_repeats_samples(golden):
    def sampled(seed):
        np.random.seed(seed)
        _, model, _ = restored(golden, "groovae_2bar_humanize", batch_size=1)
        return model.sample(length=32)

    assert sampled(1) == sampled(1) != sampled(2)


def test_a_model_keeps_the_config_it_was_made_with(golden):
    config, model, _ = restored(golden, "groovae_2bar_humanize", batch_size=2)
    assert model._config.hparams.batch_size == 2
    assert config.hparams.batch_size == 4
    assert model._config.data_converter.is_inferring
    assert not config.data_converter.is_inferring


def steps_until_all(held):
    """Steps until each row of `held` [N, T] has been true; None if one never is."""
    return int(held.argmax(axis=1).max()) + 1 if held.any(axis=1).all() else None


@pytest.mark.parametrize("count", [1, 3])
def test_decoding_ends_at_a_class_that_all_have_emitted(golden, count):
    name = "cat-mel_2bar_small"
    classes = golden.model(name)[1]["decode/samples"][:count].argmax(axis=-1)
    steps = {k: steps_until_all(classes == k) for k in np.unique(classes)}
    end, steps = max(
        ((k, n) for k, n in steps.items() if n and n < 32), key=lambda pair: pair[1]
    )
    assert_decoding_ends(golden, name, int(end), count, steps)


def test_decoding_ends_when_a_function_of_rows_has_held_for_all(golden):
    name = "groovae_2bar_humanize"
    hits = golden.model(name)[1]["decode/samples"][..., :9] > 0.5
    steps = [steps_until_all(hits[..., drum]) or 32 for drum in range(9)]
    drum = int(np.argmax([n if n < 32 else 0 for n in steps]))
    end_fn = lambda rows: rows[:, drum] > 0.5
    assert_decoding_ends(golden, name, end_fn, 4, steps[drum])


def assert_decoding_ends(golden, name, end_fn, count, steps):
    assert 1 < steps < 32
    _, model, arrays = restored(golden, name, batch_size=count, end_fn=end_fn)
    z, magentas = arrays["decode/z"][:count], arrays["decode/samples"][:count]
    tensors = model.decode_to_tensors(z, 32, temperature=1e-6)
    np.testing.assert_allclose(tensors, magentas[:, :steps], atol=1e-4)
    full = model.decode_to_tensors(z, 32, temperature=1e-6, return_full_results=True)
    assert [one.rows.shape for one in full] == [tensors[0].shape] * count


# lstm_utils.


def test_final_items_are_read_and_written():
    sequences = np.arange(24, dtype=np.float32).reshape(3, 4, 2)
    lengths, values = np.array([0, 2, 4]), -np.ones([3, 2], np.float32)
    last = sequences[[0, 1, 2], [0, 1, 3]]
    expected = sequences.copy()
    for row, length in zip(expected, lengths):
        row[max(0, length - 1)] = -1
        row[max(1, length) :] = 0
    for time_major in (False, True):
        swapped = sequences.swapaxes(0, 1) if time_major else sequences
        np.testing.assert_array_equal(
            lstm_utils.get_final(swapped, lengths, time_major), last
        )
        written = lstm_utils.set_final(swapped, lengths, values, time_major).numpy()
        written = written.swapaxes(0, 1) if time_major else written
        np.testing.assert_array_equal(written, expected)


def test_lengths_are_split():
    split = lstm_utils.maybe_split_sequence_lengths
    np.testing.assert_array_equal(split(tf.constant([8, 0]), 2, 8), [[4, 4], [0, 0]])
    np.testing.assert_array_equal(split(tf.constant([[3, 4]]), 2, 8), [[3, 4]])
    with pytest.raises(tf.errors.InvalidArgumentError, match="0 or the full length"):
        split(tf.constant([7]), 2, 8)
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 4 steps"):
        split(tf.constant([[3, 5]]), 2, 8)
    with pytest.raises(ValueError, match="multiple"):
        split(tf.constant([8]), 3, 8)
    with pytest.raises(ValueError, match="shape"):
        split(tf.constant(8), 2, 8)


def test_states_come_from_an_embedding():
    cells = lstm_utils.rnn_cell([2, 3], dropout_keep_prob=0.5, residual=False)
    states = lstm_utils.initial_cell_state_from_embedding(cells, tf.ones([4, 5]))
    assert [tuple(part.shape) for state in states for part in state] == [
        (4, 2),
        (4, 2),
        (4, 3),
        (4, 3),
    ]
    evaluating = lstm_utils.rnn_cell([2], 0.5, residual=False, is_training=False)
    assert (cells.keep_probability, evaluating.keep_probability) == (0.5, 1.0)
