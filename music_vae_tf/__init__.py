"""MusicVAE and GrooVAE: a latent space of music to sample, interpolate, perform in."""

__version__ = "0.1.0"
