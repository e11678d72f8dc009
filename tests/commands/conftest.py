"""What tests of commands share: models that were trained a little."""

import functools

import pytest
from trained_drums import train


@pytest.fixture(scope="session")
def trained(groove_records, tmp_path_factory):
    """Function: the name of a config of drums -> where it was trained for two steps."""

    @functools.cache
    def run_dir(name):
        folder = tmp_path_factory.mktemp(name)
        assert train(name, folder, groove_records) == 0
        return folder

    return run_dir
