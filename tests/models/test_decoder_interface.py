"""Encoders and decoders have one interface each, found by reflection."""

import inspect

import pytest

from music_vae_tf.models import (
    autoregressive_decoder,
    decoders,
    encoders,
    hierarchical,
    lstm_decoder,
    parallel_decoder,
)
from music_vae_tf.models.decoder import Decoder
from music_vae_tf.models.encoders import Encoder

MODULES = (
    autoregressive_decoder,
    decoders,
    encoders,
    lstm_decoder,
    parallel_decoder,
)
FINAL = {
    base: [
        cls
        for module in MODULES
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, base) and not inspect.isabstract(cls)
    ]
    for base in (Encoder, Decoder)
}
CASES = [(base, cls) for base, classes in FINAL.items() for cls in classes]


def test_all_encoders_and_decoders_are_found():
    assert {cls.__name__ for _, cls in CASES} == {
        "LstmEncoder",
        "BidirectionalLstmEncoder",
        "HierarchicalEncoder",
        "LstmDecoder",
        "ControlPreprocessingDecoder",
        "SplitDecoder",
        "ParallelHierarchicalDecoder",
        "AutoregressiveHierarchicalDecoder",
    }


@pytest.mark.parametrize(("base", "cls"), CASES, ids=lambda cls: cls.__name__)
def test_a_final_class_has_the_signatures_of_its_interface(base, cls):
    for name in base.__abstractmethods__:
        expected = inspect.signature(getattr(base, name))
        assert inspect.signature(getattr(cls, name)) == expected, name


@pytest.mark.parametrize(("base", "cls"), CASES, ids=lambda cls: cls.__name__)
def test_a_final_class_has_no_subclass(base, cls):
    assert not cls.__subclasses__()


@pytest.mark.parametrize("base", [Encoder, Decoder, hierarchical.HierarchicalDecoder])
def test_an_interface_is_abstract(base):
    assert inspect.isabstract(base)
