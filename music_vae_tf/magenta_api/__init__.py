"""Magenta's own Python names over this house, for notebooks written for Magenta.

What Magenta has in `magenta.models.music_vae`, `magenta.contrib` and `magenta.common`
is here, so that only import lines change:

    from magenta.models.music_vae import configs
    from magenta.models.music_vae.trained_model import TrainedModel

becomes

    from music_vae_tf.magenta_api import configs
    from music_vae_tf.magenta_api.trained_model import TrainedModel

Nothing of it is built on by the rest of the house.
"""

from music_vae_tf.magenta_api import (
    configs,
    data,
    data_hierarchical,
    lstm_models,
    lstm_utils,
    trained_model,
    training,
)
from music_vae_tf.magenta_api.base_model import MusicVAE
from music_vae_tf.magenta_api.configs import CONFIG_MAP, Config, update_config
from music_vae_tf.magenta_api.lstm_models import (
    BidirectionalLstmEncoder,
    CategoricalLstmDecoder,
    HierarchicalLstmDecoder,
    HierarchicalLstmEncoder,
    MultiOutCategoricalLstmDecoder,
    SplitMultiOutLstmDecoder,
)
from music_vae_tf.magenta_api.trained_model import (
    MultipleExtractedExamplesError,
    NoExtractedExamplesError,
    TrainedModel,
)
from music_vae_tf.magenta_api.training import HParams, merge_hparams

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
    "trained_model",
    "training",
    "update_config",
]
