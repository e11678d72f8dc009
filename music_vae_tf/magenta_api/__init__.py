"""Magenta's own Python names over this package, for notebooks written for Magenta.

What Magenta has in `magenta.models.music_vae`, `magenta.contrib` and `magenta.common`
is here, so that only import lines change:

    from magenta.models.music_vae import configs
    from magenta.models.music_vae.trained_model import TrainedModel

becomes

    from music_vae_tf.magenta_api import configs
    from music_vae_tf.magenta_api.trained_model import TrainedModel

The rest of the package does not depend on it. `plot` and `play` take the place of
`note_seq.plot_sequence` and `note_seq.play_sequence`.
"""

from music_vae_tf import quiet

quiet.import_quietly()

import music_vae_tf.data  # noqa: E402, F401  before any of note_seq, which warns

# isort: split

from music_vae_tf.magenta_api import (  # noqa: E402
    configs,
    data,
    data_hierarchical,
    lstm_models,
    lstm_utils,
    trained_model,
    training,
)
from music_vae_tf.magenta_api.base_model import MusicVAE  # noqa: E402
from music_vae_tf.magenta_api.configs import CONFIG_MAP, Config, update_config  # noqa: E402
from music_vae_tf.magenta_api.lstm_models import (  # noqa: E402
    BidirectionalLstmEncoder,
    CategoricalLstmDecoder,
    HierarchicalLstmDecoder,
    HierarchicalLstmEncoder,
    MultiOutCategoricalLstmDecoder,
    SplitMultiOutLstmDecoder,
)
from music_vae_tf.magenta_api.trained_model import (  # noqa: E402
    MultipleExtractedExamplesError,
    NoExtractedExamplesError,
    TrainedModel,
)
from music_vae_tf.magenta_api.training import HParams, merge_hparams  # noqa: E402
from music_vae_tf.notebook import play, plot  # noqa: E402

__all__ = [
    "CONFIG_MAP",
    "BidirectionalLstmEncoder",
    "CategoricalLstmDecoder",
    "Config",
    "HParams",
    "HierarchicalLstmDecoder",
    "HierarchicalLstmEncoder",
    "MultiOutCategoricalLstmDecoder",
    "MultipleExtractedExamplesError",
    "MusicVAE",
    "NoExtractedExamplesError",
    "SplitMultiOutLstmDecoder",
    "TrainedModel",
    "configs",
    "data",
    "data_hierarchical",
    "lstm_models",
    "lstm_utils",
    "merge_hparams",
    "play",
    "plot",
    "trained_model",
    "training",
    "update_config",
]
