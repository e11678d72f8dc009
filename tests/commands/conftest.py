"""What tests of commands share: models that were trained a little."""

import functools

import pytest
from between_workers import made_once
from trained_drums import train


@pytest.fixture(scope="session")
def trained(groove_records, tmp_path_factory):
    """Function: the name of a config of drums -> where it was trained for two steps.

    All processes share it, since compiling the training is what takes time.
    """

    @functools.cache
    def run_dir(name):
        def make(folder):
            assert train(name, folder, groove_records) == 0

        return made_once(tmp_path_factory, name, make)

    return run_dir
