import dataclasses
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Annotated, Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from magenta_configs import MAGENTA, MAGENTA_COLUMNS

from music_vae_tf import config, kinds
from music_vae_tf.config import ConfigError, Kind, Rule
from music_vae_tf.errors import UserFacingError
from music_vae_tf.old_names import current_key

MAGENTA_ALL_ALIKE = {
    "grad_clip": 1,
    "clip_mode": "global_norm",
    "grad_norm_clip_to_zero": 10000,
    "learning_rate": 0.001,
    "decay_rate": 0.9999,
    "min_learning_rate": 0.00001,
    "conditional": True,
    "use_cudnn": False,
    "residual_encoder": False,
    "residual_decoder": False,
    "control_preprocessing_rnn_size": [256],
}
TRANSPOSED = {
    "cat-mel_2bar": (-5, 5),
    "cat-mel_2bar_med": (-3, 3),
    "hier-multi": (-3, 3),
}


def magenta_hparams(name):
    numbers = dict(zip(MAGENTA_COLUMNS, MAGENTA[name]))
    schedule = "inverse_sigmoid" if numbers["sampling_rate"] else "constant"
    nade = {"nade_num_hidden": 128} if name.startswith("nade") else {}
    return numbers | {"sampling_schedule": schedule} | nade | MAGENTA_ALL_ALIKE


def text_of(name):
    return (config.configs_folder() / f"{name}.yaml").read_text()


def leaves(value, path=()):
    """{path: scalar} of nested mappings and lists."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        found = {}
        for key, item in items:
            found |= leaves(item, (*path, key))
        return found
    return {".".join(map(str, path)): value}


def differences(one, other):
    """What the files of two configs disagree on: {path: (value, value)}."""
    one, other = (leaves(yaml.safe_load(text_of(name))) for name in (one, other))
    return {
        path: (one.get(path), other.get(path))
        for path in one.keys() | other.keys()
        if one.get(path) != other.get(path)
    }


# The 23 configs.


def test_there_are_magentas_configs():
    assert set(MAGENTA) <= set(config.names("music_vae"))


def test_configs_are_found_by_the_kind_of_their_model():
    by_kind = {kind: config.names(kind) for kind in kinds.names()}
    assert sorted(n for names in by_kind.values() for n in names) == config.names()
    for kind, names in by_kind.items():
        assert {config.load(name).kind for name in names} == {kind}


def test_a_config_for_another_kind_of_model_is_refused():
    with pytest.raises(ConfigError) as refusal:
        config.load("groovae_4bar", "clef_lstm")
    assert "for a model of kind music_vae; expected one for clef_lstm" in str(
        refusal.value
    )


@pytest.mark.parametrize("name", MAGENTA)
def test_hparams_equal_magentas(name):
    assert config.hparams(config.load(name)) == magenta_hparams(name)


@pytest.mark.parametrize("name", MAGENTA)
def test_hparams_equal_those_of_the_golden_models(name, golden):
    manifest, _ = golden.model(name)
    ours = config.hparams(config.load(name))
    assert ours | manifest["hparams_changed_from_config"] == manifest["hparams"]


@pytest.mark.parametrize("name", config.names())
def test_a_dumped_config_is_read_back_equal(name):
    loaded = config.load(name)
    assert config.parse(config.dump(loaded), name) == loaded


@pytest.mark.parametrize("name", config.names())
def test_the_head_of_a_file_says_what_a_newcomer_asks(name):
    head, _, _ = text_of(name).partition("\n\n")
    assert head.startswith(f"# {name}\n")
    command = kinds.find(config.load(name).kind).command
    assert re.search(rf"\b{command} --config={name}\b", head)
    if command == "music_vae_train":
        assert "arXiv:" in head
    for label in ("Paper", "Learns", "Train", "Size", "Expect"):
        assert f"\n# {label} " in head


@pytest.mark.parametrize("name", config.names())
def test_a_file_is_complete_in_itself(name):
    loaded = config.load(name)
    document = yaml.safe_load(text_of(name))
    never_varied = {
        *("residual_encoder", "residual_decoder", "control_preprocessing_rnn_size"),
        *("nade_num_hidden", "conditional", "use_cudnn"),
    }
    for section in ("model", "objective", "training", "dataset"):
        if getattr(loaded, section) is None:
            continue
        fields = {field.name for field in dataclasses.fields(getattr(loaded, section))}
        assert fields - never_varied <= document[section].keys() <= fields | {"kind"}


@pytest.mark.parametrize("name", MAGENTA)
def test_data_are_augmented_and_found_as_magenta_does(name):
    dataset = config.load(name).dataset
    prefix = max((p for p in TRANSPOSED if name.startswith(p)), key=len, default=None)
    bars = 4 if name == "groovae_4bar" else 2
    groovae = name.startswith("groovae")
    assert dataset.transpose_range == TRANSPOSED.get(prefix)
    assert dataset.stretch_range is None
    assert dataset.tfds_name == (f"groove/{bars}bar-midionly" if groovae else None)


def test_siblings_differ_only_where_they_should():
    humanize = "groovae_2bar_humanize"
    tap = "groovae_2bar_tap_fixed_velocity"
    tapify = {
        "converter.tapify": (None, True),
        "converter.fixed_velocities": (None, True),
        "converter.humanize": (True, None),
    }
    assert differences(humanize, tap) == tapify
    assert differences(tap, f"{tap}_note_dropout") == {
        "converter.max_note_dropout_probability": (None, 0.8)
    }
    assert differences(humanize, "groovae_2bar_add_closed_hh") == {
        "converter.humanize": (True, None),
        "converter.add_instruments.0": (None, 2),
    }
    assert differences(humanize, "groovae_2bar_hits_control_tfds") == {
        "converter.humanize": (True, None),
        "converter.hits_as_controls": (None, True),
    }
    assert differences("nade-drums_2bar_reduced", "nade-drums_2bar_full") == {
        "converter.pitch_classes": ("reduced", "full")
    }
    assert differences("cat-drums_2bar_small", "cat-drums_2bar_big").keys() == {
        *("model.z_size", "model.enc_rnn_size.0"),
        *(f"model.dec_rnn_size.{layer}" for layer in range(3)),
    }
    for size in ("med", "big"):
        multitrack = f"hier-multiperf_vel_1bar_{size}"
        assert differences(multitrack, f"{multitrack}_chords") == {
            "converter.chord_encoding": (None, "triad")
        }
    for part in ("mel", "trio"):
        changed = differences(f"hierdec-{part}_16bar", f"hier-{part}_16bar")
        assert {path.rsplit(".", 1)[0] for path in changed} == {
            *("model.encoder", "model.encoder.level_lengths", "model.enc_rnn_size")
        }


def test_small_drum_configs_differ_in_size_and_schedule_alone():
    sizes = {
        *("model.z_size", "model.enc_rnn_size.0", "model.enc_rnn_size.1"),
        *("model.dec_rnn_size.0", "model.dec_rnn_size.1"),
        *("training.batch_size", "objective.beta_rate"),
    }
    hierdec, tokens = "hierdec-groove_4bar", "musicvae_groove_tokens"
    assert differences(hierdec, f"{hierdec}_small").keys() == sizes
    assert differences(tokens, f"{tokens}_small").keys() == {
        *sizes,
        *("model.decoder.learned_input_size", "model.decoder.embedding_size"),
    }
    assert {
        path
        for path in differences("groovae_4bar", f"{hierdec}_small")
        if not path.startswith("model.decoder.")
    } == {"training.batch_size", "model.dropout_keep_prob"}


def test_arguments_are_given_to_each_kind_of_a_name():
    loaded = config.load("hierdec-trio_16bar")
    changed = config.with_arguments(loaded, "categorical", mood="blue").model
    assert [
        core.arguments["output"].arguments
        for core in changed.decoder.arguments["core"].arguments["cores"]
    ] == [{"mood": "blue"}] * 3
    assert changed.encoder == loaded.model.encoder
    with pytest.raises(ConfigError, match="hierdec-trio_16bar has no groove in its mo"):
        config.with_arguments(loaded, "groove", reconstruction_loss="bce")


def test_a_decoder_is_nested_kinds():
    decoder = config.load("hierdec-trio_16bar").model.decoder
    core = Kind("lstm", {"output": Kind("categorical", {})})
    split = Kind("split", {"depths": (90, 90, 512), "cores": (core, core, core)})
    assert decoder == Kind(
        "hierarchical",
        {"level_lengths": (16, 16), "disable_autoregression": True, "core": split},
    )


# A file of the user's own.


def test_a_path_to_yaml_is_a_config_too(tmp_path):
    path = tmp_path / "my_grooves.yaml"
    path.write_text(text_of("groovae_4bar").replace("z_size: 256", "z_size: 8"))
    loaded = config.load(str(path))
    assert (loaded.name, loaded.model.z_size) == ("my_grooves", 8)


def test_an_error_in_a_file_of_the_users_names_its_path(tmp_path):
    path = tmp_path / "my_grooves.yaml"
    path.write_text(text_of("groovae_4bar").replace("z_size: 256", "z_size: big"))
    with pytest.raises(
        ConfigError, match="my_grooves.yaml: .* > model > z_size: .*'big'"
    ):
        config.load(str(path))
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="my_grooves.yaml"):
        config.load(str(path))
    with pytest.raises(FileNotFoundError):
        config.load(str(tmp_path / "none.yaml"))


def test_an_unknown_name_is_answered_with_the_nearest_and_the_way_to_all():
    with pytest.raises(
        ConfigError, match="groovae_4bar.*--list_configs.*yaml"
    ) as error:
        config.load("groovae4bar")
    assert isinstance(error.value, UserFacingError)


@pytest.mark.parametrize(
    ("was", "is_now", "message"),
    [
        ("z_size:", "zsize:", "> model: no key 'zsize' here .*mean z_size"),
        ("training:", "trainig:", "no key 'trainig' here .*mean training"),
        ("  z_size: 256\n", "", "> model: missing z_size"),
        ("z_size: 256", "z_size: 256.0", "> z_size: expected a whole number.*256.0"),
        ("z_size: 256", "z_size: true", "> z_size: expected a whole number.*got true"),
        ("z_size: 256", "z_size: -1", "> z_size: .*of at least 0; got -1"),
        ("z_size: 256", "z_size: 256\n  z_size: 8", "duplicate key 'z_size'"),
        ("keep_prob: 0.3", "keep_prob: 0", "above 0 and at most 1; got 0"),
        (
            "keep_prob: 0.3",
            "keep_prob: off",
            "expected a number.*'off'.*read as a string here",
        ),
        ("[512]", "512", r"enc_rnn_size: expected a list.*got 512; .*written \[512\]"),
        ("[512]", "[]", "enc_rnn_size: expected a list.*not empty"),
        ("[256, 256]", "[256, x]", r"> dec_rnn_size\[1\]: expected a whole number"),
        ("size: 512", "size: 0", "> batch_size: .*at least 1; got 0"),
        ("global_norm", "norm", "> clip_mode: .*one of global_norm, value; got 'norm'"),
        ("constant", "linear", "one of constant, exponential, inverse_sigmoid"),
        ("constant", "exponential", "sampling_rate is 0.0; .* between 0 and 1"),
        ("constant", "inverse_sigmoid", "sampling_rate is 0.0; .*at least 1"),
        ("sampling_rate: 0", "sampling_rate: 1.5", "is 1.5; .* from 0 to 1"),
        ("range: null", "range: None", "got 'None'; nothing is written null"),
        ("pose_range: null", "pose_range: [5, -5]", "5, -5.*the lower comes first"),
        ("pose_range: null", "pose_range: [5]", "list of 2"),
        (
            "music_vae\n",
            "music_vea\n",
            "'music_vea' is none of clef_lstm, clstm_decoder, conv_cvae, music_vae",
        ),
        ("encoder: {kind", "encoder: {kin", "> encoder: expected .*`kind: ...`"),
        ("kind: groove\n", "knd: groove\n", "> converter: expected .*`kind: ...`"),
        ("{kind: bidirectional_lstm}", "{kind: x, level_lengths: [4, 4]}", "16.*64"),
        ("{kind: groove}", "{kind: x, a: [{kind: y, level_lengths: [3]}]}", "3.*64"),
        ("model:", "model", "is not YAML"),
    ],
)
def test_the_reader_is_strict_and_says_what_it_wants(was, is_now, message):
    text = text_of("groovae_4bar")
    assert was in text
    with pytest.raises(ConfigError, match=f"(?s)config groovae_4bar.*{message}"):
        config.parse(text.replace(was, is_now, 1), "groovae_4bar")


def test_arguments_of_kinds_are_left_to_their_classes():
    text = text_of("groovae_4bar").replace(
        "{kind: bidirectional_lstm}", "{kind: x, level_lengths: 64, size: [big]}"
    )
    encoder = config.parse(text, "mine").model.encoder
    assert encoder == Kind("x", {"level_lengths": 64, "size": ("big",)})


@pytest.mark.parametrize("text", ["", "- a list", "groovae_4bar"])
def test_a_file_without_sections_names_them(text):
    with pytest.raises(ConfigError, match="expected the keys converter, model, "):
        config.parse(text, "mine")


SCALARS = st.one_of(
    st.text(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.sampled_from(["off", "1e-3", "null", "~", "010", "1:30", "=", "<<", ".inf"]),
)
# `kind` is no argument, and a key that was renamed is read as its new name.
KEYS = st.text().filter(lambda key: key != "kind" and current_key(key) == key)


@settings(deadline=None)
@given(st.dictionaries(KEYS, SCALARS))
def test_whatever_a_kind_is_given_survives_a_dump(arguments):
    loaded = dataclasses.replace(
        config.load("groovae_4bar"), converter=Kind("any", arguments)
    )
    assert config.parse(config.dump(loaded), loaded.name) == loaded


# Magenta's hparams.


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        ("", {}),
        ("batch_size=64", {"batch_size": 64}),
        ("batch_size = 64 , z_size= 8,", {"batch_size": 64, "z_size": 8}),
        ("enc_rnn_size=[12]", {"enc_rnn_size": [12]}),
        ("dec_rnn_size=[1, 2,3 4]", {"dec_rnn_size": [1, 2, 3, 4]}),
        ("dec_rnn_size[1]=7", {"dec_rnn_size": [256, 7]}),
        ("dec_rnn_size[1]=7,dec_rnn_size[0]=9", {"dec_rnn_size": [9, 7]}),
        ("learning_rate=1e-3,free_bits=.5", {"learning_rate": 0.001, "free_bits": 0.5}),
        (
            "residual_encoder=true,use_cudnn=1",
            {"residual_encoder": True} | {"use_cudnn": True},
        ),
        (
            "conditional=False,clip_mode=value",
            {"conditional": False, "clip_mode": "value"},
        ),
        (
            "sampling_schedule=exponential,sampling_rate=0.5",
            {"sampling_schedule": "exponential", "sampling_rate": 0.5},
        ),
    ],
)
def test_override_understands_magentas_grammar(assignments, expected):
    loaded = config.load("groovae_4bar")
    changed = config.override(loaded, assignments)
    assert config.hparams(changed) == config.hparams(loaded) | expected
    assert (changed.converter, changed.dataset) == (loaded.converter, loaded.dataset)


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        ("batchsize=64", "no hparam is called 'batchsize' .*mean batch_size"),
        ("nade_num_hidden=8", "no hparam is called 'nade_num_hidden'"),
        ("encoder=lstm", "no hparam is called 'encoder'"),
        ("batch_size=many", "> batch_size: expected a whole number; got 'many'"),
        ("batch_size={", "> batch_size: expected a whole number; got '{'"),
        ("batch_size=", "> batch_size: expected a whole number; got null"),
        ("batch_size=0", "> batch_size: .*at least 1; got 0"),
        ("batch_size=[64]", "> batch_size: .*whole number; got .64."),
        ("batch_size[0]=64", "512 is not a list"),
        ("dec_rnn_size=5", r"> dec_rnn_size: expected a list.*written \[5\]"),
        ("dec_rnn_size[2]=5", r"> dec_rnn_size\[2\].*\[256, 256\].*0 to 1"),
        ("z_size=1,z_size=2", "> z_size: given more than once"),
        ("dec_rnn_size[0]=1,dec_rnn_size=[2]", "> dec_rnn_size: given more than once"),
        ("dec_rnn_size[0]=1,dec_rnn_size[0]=1", "> dec_rnn_size: given more than once"),
        (
            "residual_encoder=off",
            "> residual_encoder: expected true or false; got 'off'",
        ),
        ("sampling_rate=1.5", "sampling_rate is 1.5"),
        ("batch_size", "cannot read 'batch_size'"),
        ("z_size=8 batch_size=64", "> z_size: expected a whole number"),
        ("z_size=8,,batch_size=64", "cannot read ',batch_size=64'"),
    ],
)
def test_override_says_what_is_wrong_with_an_assignment(assignments, message):
    with pytest.raises(ConfigError, match=message):
        config.override(config.load("groovae_4bar"), assignments)


def test_a_length_that_levels_do_not_make_up_is_refused():
    with pytest.raises(ConfigError, match=r"\[16, 16\] multiply to 256; .* 32"):
        config.override(config.load("hier-mel_16bar"), "max_seq_len=32")


# construct, for the classes of others.


@dataclasses.dataclass(frozen=True)
class Kit:
    size: int


@dataclasses.dataclass(frozen=True)
class Machine:
    bars: int
    swing: float = 0.0
    loud: bool = False
    name: str | None = None
    pitches: tuple[tuple[int, ...], ...] = ()
    span: tuple[int, float] | None = None
    feel: Literal["straight", "shuffled"] = "straight"
    share: Annotated[float, Rule("below 1", lambda x: x < 1)] = 0.5
    kit: Kit | None = None
    programs: int | tuple[int, ...] = 0
    kits: str | Sequence[Sequence[int]] = "roland"

    def __post_init__(self):
        if self.bars == 13:
            raise ValueError("no drummer plays 13 bars")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"bars": 2}, Machine(2)),
        ({"bars": 2, "swing": 1}, Machine(2, swing=1.0)),
        ({"bars": 2, "loud": True, "name": "x"}, Machine(2, loud=True, name="x")),
        (
            {"bars": 2, "pitches": [[36], [38, 40]]},
            Machine(2, pitches=((36,), (38, 40))),
        ),
        ({"bars": 2, "span": [1, 2]}, Machine(2, span=(1, 2.0))),
        ({"bars": 2, "name": None, "span": None}, Machine(2)),
        ({"bars": 2, "feel": "shuffled"}, Machine(2, feel="shuffled")),
        ({"bars": 2, "kit": {"size": 9}}, Machine(2, kit=Kit(9))),
        ({"bars": 2, "kit": Kit(9)}, Machine(2, kit=Kit(9))),
        ({"bars": 2, "programs": [1, 2]}, Machine(2, programs=(1, 2))),
        ({"bars": 2, "programs": 7}, Machine(2, programs=7)),
        ({"bars": 2, "kits": [[36], [38]]}, Machine(2, kits=((36,), (38,)))),
    ],
)
def test_construct_reads_what_annotations_say(given, expected):
    built = config.construct(Machine, given, "here")
    assert built == expected
    assert type(built.swing) is float


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "here: missing bars"),
        ({"bars": 2, "swng": 1}, "here: no key 'swng' here .*swing"),
        ({"bars": "2"}, "here > bars: expected a whole number; got '2'"),
        ({"bars": True}, "here > bars: expected a whole number; got true"),
        ({"bars": 2, "loud": 1}, "here > loud: expected true or false; got 1"),
        ({"bars": 2, "swing": "fast"}, "here > swing: expected a number; got 'fast'"),
        ({"bars": 2, "name": 3}, "here > name: expected a text or null; got 3"),
        ({"bars": 2, "pitches": [36]}, r"here > pitches\[0\]: expected a list .*36"),
        (
            {"bars": 2, "span": [1, 2, 3]},
            "here > span: expected a list of 2 .* or null",
        ),
        ({"bars": 2, "share": 1}, "here > share: expected a number below 1; got 1"),
        ({"bars": 2, "kit": {"size": "big"}}, "here > kit"),
        ({"bars": 13}, "here: no drummer plays 13 bars"),
        ("bars", "here: expected the keys bars, swing, .*; got 'bars'"),
    ],
)
def test_construct_names_the_place_of_what_it_refuses(given, message):
    with pytest.raises(ConfigError, match=message):
        config.construct(Machine, given, "here")


def test_reading_configs_does_not_wait_for_tensorflow():
    program = "import sys, music_vae_tf.config; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    "layout",
    [
        "model:  # a comment\n  kind: music_vae",
        "model:\n\n  # a comment\n  kind: music_vae  # another",
        "model:\n    kind:   'music_vae'",
        '"model":\n  "kind": "music_vae"',
    ],
)
def test_the_kind_is_read_however_the_yaml_is_laid_out(tmp_path, monkeypatch, layout):
    text = (config.configs_folder() / "groovae_4bar.yaml").read_text(encoding="utf-8")
    assert "model:\n  kind: music_vae" in text
    changed = text.replace("model:\n  kind: music_vae", layout)
    if "    kind" in layout:  # YAML wants all keys of a mapping in one column
        head, body = changed.split(layout)
        section, rest = body.split("\n\n", 1)
        changed = head + layout + section.replace("\n  ", "\n    ") + "\n\n" + rest
    (tmp_path / "groovae_4bar.yaml").write_text(changed, encoding="utf-8")
    assert config.parse(changed, "groovae_4bar") == config.load("groovae_4bar")
    monkeypatch.setattr(config.files, "configs_folder", lambda: tmp_path)
    assert config.names("music_vae") == ["groovae_4bar"]
