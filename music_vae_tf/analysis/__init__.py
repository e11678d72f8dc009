"""Measures of music and of models, and their plots: arrays in, numbers out."""
