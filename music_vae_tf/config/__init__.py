"""Named configurations: YAML text to frozen dataclasses, read strictly.

A file has the sections `converter`, `model`, `objective`, `training` and `dataset`.
Where a section, or an argument of one, chooses between classes, `kind` says which and
the other keys are arguments of that class. The modules of `kinds` have the sections
`model` and `objective` of each kind of model; `build.py` makes the objects. Numbers of
the model and its training are called as Magenta's hparams are.
"""

from music_vae_tf.config.files import (
    configs_folder,
    dump,
    load,
    names,
    parse,
)
from music_vae_tf.config.hyperparameters import (
    hparams,
    override,
    read_assignments,
    with_arguments,
)
from music_vae_tf.config.reader import (
    construct,
)
from music_vae_tf.config.schema import (
    HPARAMS_SECTIONS,
    Config,
    ConfigError,
    Count,
    DatasetConfig,
    Kind,
    NonNegative,
    Positive,
    PositiveRate,
    Rate,
    Rule,
    Sizes,
    TrainingConfig,
)

__all__ = [
    "Config",
    "ConfigError",
    "Count",
    "DatasetConfig",
    "HPARAMS_SECTIONS",
    "Kind",
    "NonNegative",
    "Positive",
    "PositiveRate",
    "Rate",
    "Rule",
    "Sizes",
    "TrainingConfig",
    "configs_folder",
    "construct",
    "dump",
    "hparams",
    "load",
    "names",
    "override",
    "parse",
    "read_assignments",
    "with_arguments",
]
