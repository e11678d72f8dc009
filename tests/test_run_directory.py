"""A run directory remembers what is trained in it, and says what does not fit."""

import pytest

from music_vae_tf import checkpoint, config, run_directory
from music_vae_tf.run_directory import RunDirectory, RunDirectoryError

CONFIG = config.override(config.load("groovae_4bar"), "z_size=2,batch_size=8")


@pytest.fixture
def directory(tmp_path):
    """A run directory in which CONFIG is trained with seed 7."""
    directory = RunDirectory.at(str(tmp_path))
    directory.train_dir.mkdir()
    directory.write_record(CONFIG, 7)
    return directory


def asked(hparams):
    return config.override(CONFIG, hparams)


def test_what_is_recorded_is_read_back(directory):
    record = directory.record()
    assert (record.config, record.seed) == (CONFIG, 7)
    assert record.changes(CONFIG, 7) == []


def test_every_config_is_read_back(directory):
    for name in config.names():
        directory.write_record(config.load(name), 2**63 - 1)
        assert directory.record().config == config.load(name)


def test_a_directory_of_magentas_or_none_has_no_record(tmp_path):
    assert RunDirectory.at(str(tmp_path)).record() is None
    (tmp_path / "file").touch()
    for nothing in ("absent", "file"):
        directory = RunDirectory.at(str(tmp_path / nothing))
        assert directory.record() is None
        directory.check(CONFIG)


def test_the_home_directory_has_a_short_name(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert str(RunDirectory.at("~/run").path) == "/home/someone/run"


@pytest.mark.parametrize(
    ("hparams", "difference"),
    [
        ("z_size=3", "model > z_size: 2 before, 3 now"),
        ("enc_rnn_size=[4,4]", r"model > enc_rnn_size: \[512\] before, \[4, 4\] now"),
    ],
)
def test_another_model_is_refused(directory, hparams, difference):
    with pytest.raises(RunDirectoryError, match=difference):
        directory.check(asked(hparams))


def test_another_config_is_refused(directory):
    with pytest.raises(RunDirectoryError, match="humanize: not given before, true now"):
        directory.check(config.load("groovae_2bar_humanize"))


def test_other_numbers_of_training_are_reported_but_not_refused(directory, monkeypatch):
    now = asked("batch_size=4,learning_rate=0.01,free_bits=1,dropout_keep_prob=1")
    directory.check(now)
    monkeypatch.setattr(run_directory, "__version__", "99.0.0")
    record = directory.record()
    assert record.changes(now, seed=8) == [
        "model > dropout_keep_prob: 0.3 before, 1.0 now",
        "objective > free_bits: 48.0 before, 1.0 now",
        "training > batch_size: 8 before, 4 now",
        "training > learning_rate: 0.001 before, 0.01 now",
        "seed: 7 before, 8 now",
        f"music_vae_tf: {record.version} before, 99.0.0 now",
    ]


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: b"\xff\xfe",
        lambda whole: whole.split(b"\n", 1)[1],
        lambda whole: whole + b"more: 1\n",
        lambda whole: whole[:100],
        lambda whole: whole.replace(b"z_size: 2", b"z_size: two"),
    ],
)
def test_a_damaged_record_is_named(directory, damage):
    whole = directory.record_file.read_bytes()
    directory.record_file.write_bytes(damage(whole))
    with pytest.raises(RunDirectoryError, match="train/config.yaml cannot be read"):
        directory.record()


def write_checkpoint(directory, step):
    checkpoint.save(directory.train_dir, step, {"mu/bias": [0.0]})


def test_checkpoints_come_one_by_one_until_the_last_step(directory, monkeypatch):
    waits = []

    class Trainer:
        """While the others sleep, it trains."""

        def sleep(self, interval_s):
            waits.append(interval_s)
            write_checkpoint(directory, 10 * (len(waits) // 2))

    monkeypatch.setattr(run_directory, "time", Trainer())
    steps = [checkpoint.step_of(c) for c in directory.checkpoints(20, interval_s=60)]
    assert steps == [0, 10, 20]
    assert waits == [60] * 4


def test_without_a_last_step_one_waits_for_more(directory, monkeypatch):
    class Impatient(Exception):
        pass

    class Clock:
        def sleep(self, interval_s):
            raise Impatient

    monkeypatch.setattr(run_directory, "time", Clock())
    write_checkpoint(directory, 5)
    found = directory.checkpoints(0, interval_s=60)
    assert next(found) == directory.checkpoint()
    with pytest.raises(Impatient):
        next(found)
