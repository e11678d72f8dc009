"""The names of Magenta's `data_hierarchical`."""

from music_vae_tf.magenta_api.converters import MultiInstrumentPerformanceConverter

__all__ = ["MultiInstrumentPerformanceConverter"]
