"""Named configurations: YAML text to frozen dataclasses, read strictly.

A file has the sections `converter`, `model`, `objective`, `training` and `dataset`.
Where a section, or an argument of one, chooses between classes, `kind` says which and
the other keys are arguments of that class; `build.py` makes the objects. Numbers of
the model and its training are called as Magenta's hparams are.
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import math
import re
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import yaml

from music_vae_tf.checkpoint.names import current_key, current_value


class ConfigError(ValueError):
    """A config, or a change to one, that cannot be read; says what would be right."""

    for_the_user = True


# What a config is.


@dataclasses.dataclass(frozen=True)
class Kind:
    """A class by its short name, with the arguments to make an object of it."""

    kind: str
    arguments: Mapping[str, object]  # scalars, tuples, other Kinds


class Rule(NamedTuple):
    """What a value must fulfil beside its type: `Annotated[int, Rule(...)]`."""

    words: str
    holds: Callable[[object], bool]


Count = Annotated[int, Rule("of at least 1", lambda n: n >= 1)]
Sizes = Annotated[tuple[Count, ...], Rule("that is not empty", bool)]
NonNegative = Annotated[float, Rule("of at least 0", lambda x: x >= 0)]
Positive = Annotated[float, Rule("above 0", lambda x: x > 0)]
Rate = Annotated[float, Rule("from 0 to 1", lambda x: 0 <= x <= 1)]
PositiveRate = Annotated[float, Rule("above 0 and at most 1", lambda x: 0 < x <= 1)]


@dataclasses.dataclass(frozen=True)
class MusicVAEConfig:
    """An encoder, a latent vector, and a decoder (Magenta's MusicVAE)."""

    encoder: Kind
    decoder: Kind
    max_seq_len: Count  # steps; the product of all level lengths
    z_size: Annotated[int, Rule("of at least 0", lambda n: n >= 0)]  # 0: no encoder
    enc_rnn_size: Sizes  # units per layer and direction
    dec_rnn_size: Sizes  # units per layer
    dropout_keep_prob: PositiveRate = 1.0  # of the inputs of every cell
    residual_encoder: bool = False
    residual_decoder: bool = False
    control_preprocessing_rnn_size: Sizes = (256,)
    nade_num_hidden: Count | None = None
    conditional: bool = True  # part of Magenta's hparams, read by nothing
    use_cudnn: bool = False  # the same, since Magenta 2

    def __post_init__(self):
        for levels in _level_lengths((self.encoder, self.decoder)):
            if math.prod(levels) != self.max_seq_len:
                raise ConfigError(
                    f"level_lengths {list(levels)} multiply to {math.prod(levels)}; "
                    f"they must multiply to max_seq_len, which is {self.max_seq_len}"
                )


def _level_lengths(value: object) -> Iterator[tuple[int, ...]]:
    """All lists called `level_lengths` in a Kind, in the Kinds inside it, and so on."""
    if isinstance(value, Kind):
        levels = value.arguments.get("level_lengths", ())
        # Others than whole numbers are for the class of this kind to refuse.
        if isinstance(levels, tuple) and levels and all(type(n) is int for n in levels):
            yield levels
        value = tuple(value.arguments.values())
    if isinstance(value, tuple):
        for item in value:
            yield from _level_lengths(item)


@dataclasses.dataclass(frozen=True)
class MusicVAEObjectiveConfig:
    """What is minimised: reconstruction loss + beta * max(KL - free bits, 0)."""

    free_bits: NonNegative  # bits of KL that cost nothing, per example
    max_beta: NonNegative
    beta_rate: Rate  # beta = (1 - beta_rate ** step) * max_beta
    sampling_schedule: Literal["constant", "exponential", "inverse_sigmoid"]
    sampling_rate: float

    def __post_init__(self):
        interval, holds = {
            "constant": ("from 0 to 1", 0 <= self.sampling_rate <= 1),
            "exponential": ("between 0 and 1", 0 < self.sampling_rate < 1),
            "inverse_sigmoid": ("of at least 1", self.sampling_rate >= 1),
        }[self.sampling_schedule]
        if not holds:
            raise ConfigError(
                f"sampling_rate is {self.sampling_rate}; sampling_schedule "
                f"{self.sampling_schedule} needs a rate {interval}"
            )


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """One step of Adam: how many examples, how far, and how gradients are clipped."""

    batch_size: Count  # examples over all devices together
    learning_rate: NonNegative
    decay_rate: PositiveRate  # of what the learning rate has above its minimum
    min_learning_rate: NonNegative
    clip_mode: Literal["global_norm", "value"]
    grad_clip: Positive
    grad_norm_clip_to_zero: Positive  # gradients this long are dropped altogether


@dataclasses.dataclass(frozen=True)
class DatasetConfig:
    """Where examples come from by default, and how training varies them."""

    tfds_name: str | None = None  # of TensorFlow Datasets
    transpose_range: tuple[int, int] | None = None  # semitones, both included
    stretch_range: tuple[Positive, Positive] | None = None  # factors of duration

    def __post_init__(self):
        for name in ("transpose_range", "stretch_range"):
            low, high = getattr(self, name) or (0, 0)
            if low > high:
                raise ConfigError(f"{name} is [{low}, {high}]; the lower comes first")


@dataclasses.dataclass(frozen=True)
class ConvCvaeConfig:
    """A convolutional VAE of class rolls; the converter says how long they are."""

    z_size: Count
    filters: Sizes  # of each convolution of the encoder; the decoder goes the other way


@dataclasses.dataclass(frozen=True)
class ConvCvaeObjectiveConfig:
    """What is minimised: cross-entropy of the cells + beta * max(KL - free bits, 0)."""

    positive_weight: Positive  # of a sounding cell; a silent one weighs 1
    free_bits: NonNegative  # bits of KL that cost nothing, per example
    max_beta: NonNegative
    beta_rate: Rate  # beta = (1 - beta_rate ** step) * max_beta


@dataclasses.dataclass(frozen=True)
class ClstmDecoderConfig:
    """A decoder of what follows a class roll, from latents of a convolutional VAE."""

    z_size: Count  # of that VAE
    latent_windows: Count  # equal parts of the roll with a latent each; 1: all of it
    lstm_size: Count
    filters: Sizes  # as of the VAE's encoder; this goes the other way


@dataclasses.dataclass(frozen=True)
class ClstmDecoderObjectiveConfig:
    """What is minimised: cross-entropy of the cells that follow."""

    positive_weight: Positive  # of a sounding cell; a silent one weighs 1


@dataclasses.dataclass(frozen=True)
class ClefLSTMConfig:
    """Two networks, one for each staff of piano music."""

    lstm_sizes: Sizes  # units per layer, of either network
    dropout_keep_prob: PositiveRate  # between LSTMs
    outer_keep_prob: PositiveRate  # before the first and after the last
    dense_size: Count  # before the two heads
    note_input: Literal["multi_hot", "label", "scalar"]  # how a chord is read
    factored_logits: bool  # a chord's logit is its own plus those of its notes
    shared_clock: bool  # both read the time in the bar, and the bass the treble


@dataclasses.dataclass(frozen=True)
class ClefLSTMObjectiveConfig:
    """What is minimised: cross-entropy of the next notes and durations."""

    loss_on: Literal["all", "last"]  # all events of a window, or its last one


class Sections(NamedTuple):
    """What the sections of a config hold for one kind of model."""

    model: type
    objective: type


# By `kind` of the section `model`.
MODELS = {
    "music_vae": Sections(MusicVAEConfig, MusicVAEObjectiveConfig),
    "conv_cvae": Sections(ConvCvaeConfig, ConvCvaeObjectiveConfig),
    "clstm_decoder": Sections(ClstmDecoderConfig, ClstmDecoderObjectiveConfig),
    "clef_lstm": Sections(ClefLSTMConfig, ClefLSTMObjectiveConfig),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """A whole configuration."""

    name: str
    converter: Kind
    model: Any  # of one of the MODELS
    objective: Any  # of the same
    training: TrainingConfig
    dataset: DatasetConfig = DatasetConfig()

    @property
    def kind(self) -> str:
        """Of its model."""
        return next(k for k, s in MODELS.items() if type(self.model) is s.model)


HPARAMS_SECTIONS = ("model", "objective", "training")


# Files.


def configs_folder() -> Path:
    """The folder with the YAML files of the named configurations.

    An installed package holds it. In a checkout it lies beside the package.

    Raises:
        ConfigError: neither is there.
    """
    package = Path(__file__).parent
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / "groovae_4bar.yaml").is_file():
            return folder
    raise ConfigError(
        f"the named configurations are missing: expected them in {package / 'configs'} "
        "or beside the package; install music_vae_tf again"
    )


def names(*kinds: str) -> list[str]:
    """The named configurations of these kinds of model, by default all there are."""
    folder = configs_folder()
    every = sorted(entry.stem for entry in folder.glob("*.yaml"))
    return [name for name in every if not kinds or _kind_in(folder, name) in kinds]


def _kind_in(folder, name: str) -> str:
    """The kind of model in a config's file."""
    text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=_Loader)["model"]["kind"]


def load(name_or_path: str, *kinds: str) -> Config:
    """The configuration of this name, or in this YAML file of the user's own.

    Args:
        kinds: of model, of which it must be one; without them any.

    Raises:
        ConfigError: there is none; it does not say what a config must say; or it is for
            another kind of model.
        OSError: the file cannot be read.
    """
    config = _load(name_or_path, kinds)
    if kinds and config.kind not in kinds:
        raise ConfigError(
            f"config {name_or_path} is for a model of kind {config.kind}; expected "
            f"one for {' or '.join(kinds)}: {', '.join(names(*kinds))}"
        )
    return config


def _load(name_or_path, kinds):
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml"):
        try:
            return parse(path.read_text(encoding="utf-8"), path.stem)
        except (ConfigError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: {error}") from error
    if name_or_path not in names():
        known = names(*kinds)
        listed = "`music_vae_generate --list_configs` lists them all"
        if len(known) < 10:
            listed = f"there are {', '.join(known)}"
        raise ConfigError(
            f"no config is called {name_or_path!r}{_nearest(name_or_path, known)}; "
            f"{listed}, and a file of your own is given by its path, ending in .yaml"
        )
    file = configs_folder() / f"{name_or_path}.yaml"
    return parse(file.read_text(encoding="utf-8"), name_or_path)


def parse(text: str, name: str) -> Config:
    """The configuration in a YAML text, which `dump` writes.

    Raises:
        ConfigError: names the key, what came, and what was expected.
    """
    where = f"config {name}"
    try:
        document = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is not YAML: {error}") from error
    document = _with_current_names(document)
    fields = dataclasses.fields(Config)[1:]  # all but the name
    _check_keys(document, fields, where)
    model = _read_kind(document["model"], f"{where} > model")
    if model.kind not in MODELS:
        raise ConfigError(
            f"{where} > model > kind: {model.kind!r} is none of {', '.join(MODELS)}"
        )
    read = {
        section: construct(cls, document_section, f"{where} > {section}")
        for section, cls, document_section in (
            ("model", MODELS[model.kind].model, model.arguments),
            ("objective", MODELS[model.kind].objective, document["objective"]),
        )
    }
    return construct(Config, {**document, "name": name, **read}, where)


def _with_current_names(value):
    """A document with the names that its keys and values have now."""
    if isinstance(value, list):
        return [_with_current_names(item) for item in value]
    if not isinstance(value, dict):
        return value
    document = {}
    for key, item in value.items():
        name = current_key(key) if isinstance(key, str) else key
        # The old and the new name together are a key that comes twice.
        name = key if name in document or (name != key and name in value) else name
        document[name] = current_value(name, _with_current_names(item))
    return document


def dump(config: Config) -> str:
    """YAML text that `parse` reads back to an equal configuration."""
    document = _plain(config)
    del document["name"]
    document["model"] = {"kind": config.kind, **document["model"]}
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False)


def _plain(value):
    if isinstance(value, Kind):
        return {"kind": value.kind, **_plain(value.arguments)}
    if dataclasses.is_dataclass(value):
        return {
            field.name: _plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


# Magenta's flat hparams.


def hparams(config: Config) -> dict[str, object]:
    """All numbers of model, objective and training under Magenta's names.

    As Magenta's `hparams.values()`: lists for tuples, and `nade_num_hidden` only where
    there is one.
    """
    fields = {
        name: value
        for section in HPARAMS_SECTIONS
        for name, value in vars(getattr(config, section)).items()
    }
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in fields.items()
        if value is not None and not isinstance(value, Kind)
    }


def override(config: Config, assignments: str) -> Config:
    """The same configuration with some hparams changed.

    Args:
        assignments: as Magenta's `--hparams`, `batch_size=64,enc_rnn_size=[512]`;
            `dec_rnn_size[1]=128` changes one item (Magenta reads it, then refuses).

    Raises:
        ConfigError: an unknown name, a value of the wrong type, a name given twice.
    """
    changes = read_assignments(assignments, hparams(config))
    sections = {
        section: _replace(getattr(config, section), changes)
        for section in HPARAMS_SECTIONS
    }
    return dataclasses.replace(config, **sections)


def with_arguments(config: Config, kind: str, **arguments) -> Config:
    """The same configuration, with these arguments for each `kind` in its model.

    Raises:
        ConfigError: there is none in it.
    """
    found = []

    def changed(value):
        if isinstance(value, tuple):
            return tuple(map(changed, value))
        if not isinstance(value, Kind):
            return value
        inside = {key: changed(item) for key, item in value.arguments.items()}
        if value.kind != kind:
            return Kind(value.kind, inside)
        found.append(value)
        return Kind(kind, inside | arguments)

    parts = {name: changed(value) for name, value in vars(config.model).items()}
    if not found:
        raise ConfigError(f"config {config.name} has no {kind} in its model")
    return dataclasses.replace(config, model=type(config.model)(**parts))


class _Assignment(NamedTuple):
    name: str
    index: int | None
    text: str

    def clashes(self, other: _Assignment) -> bool:
        same_item = self.index == other.index or None in (self.index, other.index)
        return self.name == other.name and same_item


_ASSIGNMENT = re.compile(
    r"(?P<name>[a-zA-Z][\w.]*) (\[\s*(?P<index>\d+)\s*\])? \s*=\s*"
    r"(?P<text>[^,\[]* | \[[^\]]*\]) \s*(?:,\s*|$)",
    re.VERBOSE,
)


def _assignments(text: str) -> list[_Assignment]:
    """`a=1,b[0]=2` -> ('a', None, '1'), ('b', 0, '2')."""
    found, position = [], 0
    while position < len(text):
        match = _ASSIGNMENT.match(text, position)
        if not match:
            raise ConfigError(
                f"hparams: cannot read {text[position:]!r}; write name=value pairs "
                "with commas between, as in batch_size=64,enc_rnn_size=[512,512]"
            )
        index = None if match["index"] is None else int(match["index"])
        found.append(_Assignment(match["name"], index, match["text"].strip()))
        position = match.end()
    return found


def read_assignments(text: str, current: Mapping[str, object]) -> dict[str, object]:
    """The new value of every hparam that a text assigns to, its type not yet checked.

    Args:
        text: `batch_size=64,enc_rnn_size=[512]`.
        current: the hparams that there are, with their values.

    Raises:
        ConfigError: an unknown name, or one given twice.
    """
    assignments = _assignments(text)
    for one, other in itertools.combinations(assignments, 2):
        if one.clashes(other):
            raise ConfigError(f"hparams > {one.name}: given more than once")
    changes = {}
    for name, index, text in assignments:
        name = name if name in current else current_key(name)
        if name not in current:
            raise ConfigError(f"no hparam is called {name!r}{_nearest(name, current)}")
        value = current_value(name, _from_flag(text, current[name]))
        if index is not None:
            value = _with_item(name, changes.get(name, current[name]), index, value)
        changes[name] = value
    return changes


def _from_flag(text: str, current: object):
    """The value in one assignment, in the words of flags: a list may lack its commas,
    a boolean may be 0 or 1, and text needs no quotes."""
    if text.startswith("["):
        return [
            _from_flag(item, current) for item in re.findall(r"[^\s,]+", text[1:-1])
        ]
    if isinstance(current, str):
        return text
    try:
        value = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError:
        return text
    return bool(value) if isinstance(current, bool) and type(value) is int else value


def _with_item(name: str, items: object, index: int, value: object) -> list:
    if not isinstance(items, list):
        raise ConfigError(
            f"hparams > {name}: {items!r} is no list; leave out [{index}]"
        )
    if index >= len(items):
        raise ConfigError(
            f"hparams > {name}[{index}]: the list is {items}; its items are numbered "
            f"from 0 to {len(items) - 1}"
        )
    return [*items[:index], value, *items[index + 1 :]]


def _replace(section, changes: Mapping[str, object]):
    fields = vars(section)
    mine = {name: value for name, value in changes.items() if name in fields}
    return construct(type(section), {**fields, **mine}, "hparams")


# The strict reader.


def construct(cls: type, mapping: Mapping[str, object], where: str):
    """A frozen dataclass from its fields' values as YAML gives them, all checked.

    Lists become the tuples that the class declares, whole numbers become floats where
    it says so. A ValueError of the class's own checks is told with its place.

    Args:
        cls: a dataclass; its annotations say what each field takes.
        mapping: field name -> value.
        where: what is being read, `config groovae_4bar > converter`.

    Raises:
        ConfigError: names the place, what came, and what was expected.
    """
    _check_keys(mapping, _arguments(cls), where)
    hints = typing.get_type_hints(cls, include_extras=True)
    values = {
        key: _read(value, hints[key], f"{where} > {key}")
        for key, value in mapping.items()
    }
    try:
        return cls(**values)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def _arguments(cls: type) -> list[dataclasses.Field]:
    return [field for field in dataclasses.fields(cls) if field.init]


def _check_keys(mapping, fields: Iterable[dataclasses.Field], where: str):
    known = {field.name: field for field in fields}
    if not isinstance(mapping, Mapping):
        raise ConfigError(
            f"{where}: expected the keys {', '.join(known)}; got {_shown(mapping)}"
        )
    for key in mapping:
        if key not in known:
            raise ConfigError(f"{where}: no key {key!r} here{_nearest(key, known)}")
    missing = [
        name
        for name, field in known.items()
        if name not in mapping
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{where}: missing {', '.join(missing)}")


def _read(value, hint, where: str):
    """`value` as an object of the annotated type `hint`."""
    if typing.get_origin(hint) is Annotated:
        read = _read(value, hint.__origin__, where)
        if all(rule.holds(read) for rule in hint.__metadata__):
            return read
    elif hint is Any:
        return value
    elif hint is Kind:
        return _read_kind(value, where)
    elif _is_union(hint):
        return _read_union(value, typing.get_args(hint), where)
    elif members := _item_hints(hint):
        if isinstance(value, list | tuple):
            return _read_items(value, members, where)
    elif typing.get_origin(hint) is Literal:
        if value in typing.get_args(hint):
            return value
    elif dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return construct(hint, value, where)
    elif hint is float and type(value) is int:
        return float(value)
    elif isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise ConfigError(
        f"{where}: expected {_described(hint)}; got {_shown(value)}"
        f"{_advice(value, hint)}"
    )


def _read_kind(value, where: str) -> Kind:
    if isinstance(value, Kind):
        return value
    if not isinstance(value, Mapping) or not isinstance(value.get("kind"), str):
        raise ConfigError(
            f"{where}: expected a mapping with `kind: ...` in it; got {_shown(value)}"
        )
    arguments = {
        key: _read_argument(item, f"{where} > {key}")
        for key, item in value.items()
        if key != "kind"
    }
    return Kind(value["kind"], arguments)


def _read_argument(value, where: str):
    if isinstance(value, Mapping):
        return _read_kind(value, where)
    if isinstance(value, list):
        return tuple(_read_argument(item, where) for item in value)
    return value


def _read_union(value, members, where: str):
    errors = []
    for member in members:
        try:
            return _read(value, member, where)
        except ConfigError as error:
            errors.append(error)
    raise ConfigError(
        f"{where}: expected {' or '.join(map(_described, members))}; "
        f"got {_shown(value)}{_advice(value, members[0])}"
    ) from errors[0]


def _item_hints(hint) -> tuple:
    """What a list consists of: (int, ...) of `tuple[int, ...]` or `Sequence[int]`."""
    origin, members = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Collection, Sequence):
        return (*members, ...)
    return members if origin is tuple else ()


def _read_items(value, members, where: str) -> tuple:
    if members[-1] is Ellipsis:
        members = members[:1] * len(value)
    if len(members) != len(value):
        raise ConfigError(
            f"{where}: expected {_described(tuple[members])}; got {len(value)} of them"
        )
    return tuple(
        _read(item, member, f"{where}[{i}]")
        for i, (item, member) in enumerate(zip(value, members))
    )


# The words of errors.

_NOUNS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    type(None): "null",
    Kind: "a mapping with `kind: ...` in it",
}


def _is_union(hint) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _described(hint) -> str:
    if typing.get_origin(hint) is Annotated:
        rules = [rule.words for rule in hint.__metadata__]
        return " ".join([_described(hint.__origin__), *rules])
    if _is_union(hint):
        return " or ".join(map(_described, typing.get_args(hint)))
    if typing.get_origin(hint) is Literal:
        return f"one of {', '.join(typing.get_args(hint))}"
    if members := _item_hints(hint):
        if members[-1] is Ellipsis:
            return f"a list (items: {_described(members[0])})"
        return f"a list of {len(members)} ({', '.join(map(_described, members))})"
    return _NOUNS.get(hint, f"a {getattr(hint, '__name__', hint)}")


def _shown(value) -> str:
    """The value as YAML writes it, as far as Python differs."""
    if value is None:
        return "null"
    return repr(value).lower() if isinstance(value, bool) else repr(value)


def _advice(value, hint) -> str:
    """What a slip of the pen that we recognise should have been."""
    if isinstance(value, str) and value.lower() in ("on", "off", "yes", "no"):
        return ", which is a word here"
    if isinstance(value, str) and value.lower() == "none":
        return "; nothing is written null"
    if _item_hints(hint) and not isinstance(value, list | tuple):
        return f"; one item is written [{value}]"
    return ""


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name), list(known), n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(near)}?)" if near else ""


# YAML as version 1.2 has it.


class _Loader(yaml.SafeLoader):
    """Reads 1e-3 as a number and off as a word, and takes no key twice."""

    yaml_implicit_resolvers: typing.ClassVar = {}

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} comes twice", key.start_mark
                )
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Writes what `_Loader` reads, lists on one line."""

    yaml_implicit_resolvers: typing.ClassVar = {}

    def ignore_aliases(self, data):
        return True

    def represent_list(self, data):
        return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)


_Dumper.add_representer(list, _Dumper.represent_list)

_SCALARS = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?(0|[1-9][0-9]*)",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan",
}
for _class in (_Loader, _Dumper):
    for _tag, _pattern in _SCALARS.items():
        _class.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), None
        )
