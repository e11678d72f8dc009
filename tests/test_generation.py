"""TrainedModel under Magenta's signatures, equal to Magenta on its own checkpoints."""

import dataclasses
import tarfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from magenta_configs import MAGENTA
from note_seq.protobuf import music_pb2

from music_vae_tf import checkpoint, config
from music_vae_tf.data import grooves
from music_vae_tf.generation import (
    MultipleExtractedExamplesError,
    NoExtractedExamplesError,
    TrainedModel,
    slerp,
)

NEARLY_ZERO = 1e-6  # a temperature at which decoding is an argmax


class Reference:
    """One config's trained model as the golden data have it."""

    def __init__(self, golden, name):
        manifest, self.arrays = golden.model(name)
        changed = manifest["hparams_changed_from_config"]
        text = ",".join(f"{name}={value}" for name, value in changed.items())
        self.config = config.override(config.load(name), text)
        self.prefix = golden.path("models", name, manifest["checkpoint_prefix"])

    def trained_model(self, batch_size=4, **options):
        return TrainedModel(self.config, batch_size, self.prefix, **options)

    @property
    def controls(self):
        return self.arrays.get("decode/c_input")

    def notesequence(self, number):
        data = self.arrays[f"decode/notesequence_{number}"].tobytes()
        return music_pb2.NoteSequence.FromString(data)


@pytest.fixture(scope="module")
def reference(golden, request):
    return Reference(golden, request.param)


@pytest.fixture(scope="module")
def groovae(golden):
    return Reference(golden, "groovae_4bar")


@pytest.fixture(scope="module")
def model(groovae):
    """Three at a time, so that the last batch of most calls has to be filled up."""
    return groovae.trained_model(batch_size=3, seed=1)


@pytest.mark.parametrize("reference", MAGENTA, indirect=True)
def test_decoding_and_encoding_equal_magentas(reference):
    arrays, length = reference.arrays, reference.config.model.max_seq_len
    model = reference.trained_model(batch_size=3)  # for four: one batch is filled up
    given = (arrays["decode/z"], length, NEARLY_ZERO, reference.controls)
    tensors = model.decode_to_tensors(*given)
    np.testing.assert_allclose(tensors, arrays["decode/samples"], 1e-4, 1e-5)
    for number, sequence in enumerate(model.decode(*given)):
        assert_same_notes(sequence, reference.notesequence(number))

    controls = arrays.get("full/control_sequence")
    z, mu, sigma = model.encode_tensors(
        list(arrays["full/input_sequence"]),
        arrays["full/sequence_length"],
        None if controls is None else list(controls),
    )
    np.testing.assert_allclose(mu, arrays["full/mu"], 1e-4, 1e-5)
    np.testing.assert_allclose(sigma, arrays["full/sigma"], 1e-4, 1e-5)
    assert z.shape == mu.shape
    assert not np.array_equal(z, mu)


def assert_same_notes(one, other):
    """All fields equal, times as nearly as float32 offsets allow."""
    np.testing.assert_allclose(times_of(one), times_of(other), rtol=0, atol=1e-5)
    assert without_times(one) == without_times(other)


def times_of(sequence):
    notes = [t for note in sequence.notes for t in (note.start_time, note.end_time)]
    return [sequence.total_time, *notes]


def without_times(sequence):
    timeless = music_pb2.NoteSequence.FromString(sequence.SerializeToString())
    timeless.ClearField("total_time")
    for note in timeless.notes:
        note.ClearField("start_time")
        note.ClearField("end_time")
    return timeless


# Checkpoints, in every form that people try.


@pytest.fixture
def run_dir(groovae, tmp_path):
    """A run_dir with the checkpoint of groovae_4bar after seven steps."""
    model = groovae.trained_model().model
    checkpoint.save(tmp_path / "run" / "train", 7, model.named_variables)
    return tmp_path / "run"


def archived(run_dir, suffix):
    path = run_dir.parent / f"model{suffix}"
    mode = "w:gz" if suffix.endswith("gz") else "w"
    with tarfile.open(path, mode) as tar:
        for file in (run_dir / "train").glob("model.ckpt-7.*"):
            tar.add(file, f"somewhere/{file.name}")
    return path


@pytest.mark.parametrize(
    "form",
    [
        lambda run_dir: run_dir,
        lambda run_dir: str(run_dir / "train"),
        lambda run_dir: run_dir / "train" / "checkpoint",
        lambda run_dir: str(run_dir / "train" / "model.ckpt-7"),
        lambda run_dir: run_dir / "train" / "model.ckpt-7.index",
        lambda run_dir: run_dir / "train" / "model.ckpt-7.data-00000-of-00001",
        lambda run_dir: archived(run_dir, ".tar"),
        lambda run_dir: archived(run_dir, ".tar.gz"),
    ],
)
def test_every_form_of_a_checkpoint_is_taken(model, groovae, run_dir, form):
    loaded = TrainedModel(groovae.config, 1, form(run_dir)).model
    for name, variable in model.model.named_variables.items():
        np.testing.assert_array_equal(loaded.named_variables[name], variable)


def test_names_of_an_older_checkpoint_are_translated(model, groovae, tmp_path):
    older = {
        name.replace("lstm_cell", "basic_lstm_cell"): value
        for name, value in checkpoint.read(groovae.prefix).items()
    }
    checkpoint.write(tmp_path / "older", older)
    with pytest.raises(checkpoint.CheckpointError, match="basic_lstm_cell"):
        TrainedModel(groovae.config, 1, tmp_path / "older")
    loaded = TrainedModel(
        groovae.config, 1, tmp_path / "older", [(r"/lstm_cell/", "/basic_lstm_cell/")]
    )
    for name, variable in model.model.named_variables.items():
        np.testing.assert_array_equal(loaded.model.named_variables[name], variable)


def test_a_config_may_be_given_by_name_or_file(groovae, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(config.dump(groovae.config))
    loaded = TrainedModel(str(file), 1, groovae.prefix)
    assert (loaded.config.name, loaded.z_size) == ("mine", 8)
    with pytest.raises(checkpoint.CheckpointError, match="shape mismatch"):
        TrainedModel("groovae_4bar", 1, groovae.prefix)


# Sampling.


def test_samples_are_as_many_and_as_long_as_asked(model):
    sequences = model.sample(n=4, length=32)
    assert len(sequences) == 4
    last = max(note.start_time for one in sequences for note in one.notes)
    assert 3 < last < 4.1  # 32 sixteenths at 120 BPM are 4 seconds
    assert len(model.sample(length=32)) == model.batch_size


def test_a_seed_repeats_samples_in_the_order_of_the_calls(groovae):
    one, twin, other = (groovae.trained_model(2, seed=seed) for seed in (5, 5, 6))
    for _ in range(2):
        samples = one.sample(n=3, length=16)
        assert samples == twin.sample(n=3, length=16)
        assert samples != other.sample(n=3, length=16)
    assert one.sample(n=3, length=16) != samples


def test_decoding_is_compiled_once_for_all_batches_and_lengths(groovae):
    model = groovae.trained_model(batch_size=3)
    model.sample(7, length=4)
    model.sample(1, length=9, temperature=0.2)
    assert model._decode_batch.experimental_get_tracing_count() == 1


def test_samples_of_one_z_are_alike(model):
    alike = model.sample(n=2, length=16, temperature=NEARLY_ZERO, same_z=True)
    assert alike[0] == alike[1]
    differ = model.sample(n=2, length=16, temperature=NEARLY_ZERO)
    assert differ[0] != differ[1]


def test_without_a_length_sequences_must_end_by_themselves(model, golden):
    with pytest.raises(ValueError, match="length must be specified"):
        model.sample(n=1)
    with pytest.raises(ValueError, match="length must be specified"):
        model.decode(np.zeros([1, 8]))
    multitrack = Reference(golden, "hier-multiperf_vel_1bar_med").trained_model(2)
    assert len(multitrack.sample()) == 2


def test_an_end_token_ends_the_decoding_only_where_it_is_asked_for(golden):
    reference = Reference(golden, "cat-mel_2bar_small")
    z = reference.arrays["decode/z"]
    (whole,) = reference.trained_model().decode_to_tensors(z[:1], 32, NEARLY_ZERO)
    assert len(whole) == 32
    end_token = int(whole[5].argmax())
    first = int((whole.argmax(axis=-1) == end_token).argmax())
    model = reference.trained_model(batch_size=1, end_token=end_token)
    (sample,) = model.decode_to_tensors(
        z[:1], 32, NEARLY_ZERO, return_full_results=True
    )
    assert sample.lengths == len(sample.rows) == first + 1
    np.testing.assert_array_equal(sample.rows, whole[: first + 1])


def test_full_results_are_of_each_sequence(model, groovae):
    z = groovae.arrays["decode/z"]
    samples = model.decode_to_tensors(z, 8, return_full_results=True)
    assert [sample.rows.shape for sample in samples] == [(8, 27)] * 4
    assert [sample.lengths for sample in samples] == [8] * 4
    assert [state.h.shape for state in samples[0].states] == [(10,), (12,)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"z": np.zeros(8)}, r"z should be of shape \[N, 8\]; got \[8\]"),
        ({"z": np.zeros([2, 9])}, r"z should be of shape \[N, 8\]; got \[2, 9\]"),
        ({"temperature": 0.0}, "temperature is 0.0; expected one above 0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"c_input": np.zeros([8, 9])}, "not conditioned: leave out c_input"),
    ],
)
def test_arguments_that_make_no_sense_are_explained(model, arguments, words):
    with pytest.raises(ValueError, match=words):
        model.decode_to_tensors(**{"z": np.zeros([2, 8]), "length": 8, **arguments})


def test_controls_must_be_given_where_the_config_has_them(golden):
    conditioned = Reference(golden, "cat-mel_2bar_med_chords").trained_model()
    with pytest.raises(ValueError, match=r"c_input \[T, 49\] is missing"):
        conditioned.sample(n=1, length=8)
    with pytest.raises(ValueError, match=r"\[N, 49\]; got \[8, 48\]"):
        conditioned.sample(n=1, length=8, c_input=np.zeros([8, 48]))
    chords = np.eye(49)[[1] * 8]
    assert len(conditioned.sample(n=2, length=8, c_input=chords)) == 2


# Encoding.


@pytest.fixture(scope="module")
def two_grooves():
    return [sequence for _, sequence in grooves.performances(2)]


def test_what_is_encoded_and_decoded_is_of_the_same_length(model, two_grooves):
    z, mu, sigma = model.encode(two_grooves)
    assert z.shape == mu.shape == sigma.shape == (2, 8)
    assert (sigma > 0).all()
    assert not np.allclose(mu[0], mu[1])
    again = model.encode(two_grooves)
    np.testing.assert_array_equal(again[1], mu)
    assert not np.allclose(again[0], z)


def test_own_samples_can_be_encoded(model):
    samples = model.sample(n=4, length=64)
    assert model.encode(samples, assert_same_length=True)[1].shape == (4, 8)


def test_a_sequence_without_an_example_is_refused_with_the_reason(model, two_grooves):
    waltz = music_pb2.NoteSequence.FromString(two_grooves[0].SerializeToString())
    waltz.time_signatures[0].numerator = 3
    waltz.filename = "waltz.mid"
    with pytest.raises(NoExtractedExamplesError, match="waltz.mid: time signature 3/4"):
        model.encode([two_grooves[0], waltz])


def test_a_sequence_of_several_examples_is_refused_with_each_of_them(
    model, two_grooves
):
    longer = music_pb2.NoteSequence.FromString(two_grooves[0].SerializeToString())
    bars = 4 * 4 * 60 / longer.tempos[0].qpm
    for note in two_grooves[0].notes:
        later = longer.notes.add()
        later.CopyFrom(note)
        later.start_time += bars
        later.end_time += bars
    longer.total_time += bars
    with pytest.raises(MultipleExtractedExamplesError, match="NoteSequence 0") as error:
        model.encode([longer])
    one_each = error.value.sequences
    assert len(one_each) == 2
    model.encode(one_each)


def test_sequences_of_different_lengths_are_refused_on_request():
    melodies = config.override(
        config.load("cat-mel_2bar_small"), "z_size=2,enc_rnn_size=[2],dec_rnn_size=[2]"
    )
    unsliced = {**melodies.converter.arguments, "slice_bars": None}
    melodies = dataclasses.replace(melodies, converter=config.Kind("melody", unsliced))
    model = TrainedModel(melodies, 2)
    bars = [melody(bars=2), melody(bars=1)]
    assert model.encode(bars)[1].shape == (2, 2)
    with pytest.raises(AssertionError, match="different lengths: 32 vs 16"):
        model.encode(bars, assert_same_length=True)


def melody(bars):
    """Quarters up a scale in 4/4 at 120 a minute."""
    sequence = music_pb2.NoteSequence(ticks_per_quarter=220, total_time=2 * bars)
    sequence.tempos.add(qpm=120)
    for i in range(4 * bars):
        sequence.notes.add(
            pitch=60 + i, velocity=80, start_time=i / 2, end_time=(i + 1) / 2
        )
    return sequence


def test_a_decoder_alone_has_nothing_to_encode():
    alone = config.override(
        config.load("cat-mel_2bar_small"), "z_size=0,dec_rnn_size=[2]"
    )
    model = TrainedModel(alone, 2)
    assert len(model.sample(n=3, length=8)) == 3
    for call in (
        lambda: model.encode([]),
        lambda: model.encode_tensors([], []),
        lambda: model.decode(np.zeros([1, 0]), 8),
        lambda: model.decode_to_tensors(np.zeros([1, 0]), 8),
    ):
        with pytest.raises(RuntimeError, match="with a non-conditional model"):
            call()


# Between two sequences.


def test_an_interpolation_begins_and_ends_with_the_reconstructions(model, two_grooves):
    _, mu, _ = model.encode(two_grooves)
    ends = model.decode(mu, 64, NEARLY_ZERO)
    way = model.interpolate(*two_grooves, 5, 64, NEARLY_ZERO)
    assert len(way) == 5
    assert_same_notes(way[0], ends[0])
    assert_same_notes(way[-1], ends[1])


def test_between_a_sequence_and_itself_there_is_nothing_else(model, two_grooves):
    start, middle, end = model.interpolate(*two_grooves[:1] * 2, 3, 64, NEARLY_ZERO)
    assert_same_notes(start, middle)
    assert_same_notes(middle, end)


vectors = arrays_of.arrays(
    np.float32, 4, elements=st.floats(-100, 100, width=32, allow_subnormal=False)
)
fractions = st.floats(0, 1)


@given(vectors, vectors, fractions)
def test_slerp_always_gives_numbers(p0, p1, t):
    assert np.isfinite(slerp(p0, p1, t)).all()


@given(vectors, vectors)
def test_slerp_goes_from_one_end_to_the_other(p0, p1):
    np.testing.assert_allclose(slerp(p0, p1, 0.0), p0, atol=1e-6)
    np.testing.assert_allclose(slerp(p0, p1, 1.0), p1, atol=1e-6)


@given(vectors, st.floats(-3, 3).filter(lambda x: abs(x) > 1e-9), fractions)
def test_slerp_between_parallel_vectors_is_their_line(p, factor, t):
    line = (1 - t) * p + t * factor * p.astype(float)
    np.testing.assert_allclose(slerp(p, factor * p.astype(float), t), line, atol=1e-4)


def test_slerp_goes_along_the_arc():
    halfway = slerp([2.0, 0.0], [0.0, 2.0], 0.5)
    np.testing.assert_allclose(halfway, [2**0.5, 2**0.5])
    np.testing.assert_allclose(slerp([1.0, 0.0], [0.0, 1.0], 1 / 3), [3**0.5 / 2, 0.5])
