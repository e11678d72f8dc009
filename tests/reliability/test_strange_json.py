"""JSON files of strangers, or damaged ones: each is refused in words."""

import json
import os

import pytest

from music_vae_tf import checkpoint, config
from music_vae_tf import json_files as files
from music_vae_tf.checkpoint import CheckpointError
from music_vae_tf.commands import demo
from music_vae_tf.data.clefs import STAVES, labels, prepared
from music_vae_tf.data.converters.base import TokenVocabulary
from music_vae_tf.errors import UserFacingError
from music_vae_tf.export import magentajs, weights_manifest
from music_vae_tf.export.errors import ExportError
from music_vae_tf.generation import attributes, collection
from music_vae_tf.json_files import BadJson, read_json
from music_vae_tf.run_directory import RunDirectory, RunDirectoryError
from music_vae_tf.training import validation

DEEP = "[" * 100_000
DEEP_OBJECTS = '{"a":' * 100_000
# No JSON, or JSON of another type than an object or a list.
STRANGE = {
    "empty": b"",
    "half": b'{"a": [1, 2',
    "deep": DEEP.encode(),
    "deep objects": DEEP_OBJECTS.encode(),
    "digits": b"1" * 5000,
    "digits inside": b'{"a": [' + b"1" * 5000 + b"]}",
    "digits in a list": b"[" + b"1" * 5000 + b"]",
    "a text": b'"x"',
    "a number": b"5",
    "nothing": b"null",
    "true": b"true",
    "bytes": b"\xff\xfe{\0",
    "UTF-16": '{"a": 1}'.encode("utf-16-be")[:-1],
    "zeros": bytes(100),
}
LIST, OBJECT = b"[1, [2], null]", b'{"a": 1}'


def strange(**more):
    """Marks a test to run with all that is strange, and more by name."""
    cases = {**STRANGE, **more}
    return pytest.mark.parametrize("data", cases.values(), ids=cases.keys())


@pytest.fixture
def written(tmp_path):
    """Writes a file into a folder that is made where needed; gives its path."""

    def write(name, data):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
        return path

    return write


@strange(list=LIST)
def test_what_is_not_an_object_is_refused_by_name(written, data):
    path = written("a.json", data)
    with pytest.raises(BadJson, match=str(path)):
        read_json(path)


@strange(object=OBJECT)
def test_what_is_not_a_list_is_refused_by_name(written, data):
    path = written("a.json", data)
    with pytest.raises(BadJson, match=str(path)):
        read_json(path, list)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "a.json"
    path.touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(BadJson, match="too large"):
        read_json(path)
    with pytest.raises(BadJson, match="too large"):
        files.read_text(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(OSError) as error:
            read_json(path)
        assert os.fspath(error.value.filename) == os.fspath(path)


@strange(list=LIST, state=b'{"state": [1]}', steps=b'{"num_steps": "x"}')
def test_strange_files_of_a_run_directory_are_refused(written, data):
    path = written("run/train/flags.json", data)
    directory = RunDirectory.at(str(path.parent.parent))
    if b"state" not in data:
        with pytest.raises(RunDirectoryError, match=str(path)):
            directory.flags()
    path = written("run/train/state.json", data)
    if data in (*STRANGE.values(), LIST):
        with pytest.raises(RunDirectoryError, match=str(path)):
            directory.state()
    else:
        assert directory.state() is None


@pytest.mark.parametrize(
    "flags", [{"holdout_seed": [1]}, {"in_memory": 5}, {"num_steps": {}}]
)
def test_flags_of_another_type_are_refused(written, flags):
    path = written("run/train/flags.json", flags)
    with pytest.raises(RunDirectoryError, match=next(iter(flags))):
        RunDirectory.at(str(path.parent.parent)).flags()


@pytest.mark.parametrize("digits", [5000, 400, 20, 19])
def test_a_seed_beyond_numbers_is_refused(written, digits):
    head = f"# Trained by music_vae_tf 1: config groovae_4bar, seed {'9' * digits}\n"
    path = written("run/train/config.yaml", head.encode())
    with pytest.raises(RunDirectoryError, match=str(path)):
        RunDirectory.at(str(path.parent.parent)).record()


@strange(
    **{"object": OBJECT, "numbers": b"[1, 2]", "texts": b'[[1, "x"]]'},
    **{"steps": b"[[1.5, 2]]", "three": b"[[1, 2, 3]]", "not a number": b"[[1, NaN]]"},
)
def test_strange_validation_losses_are_refused(written, data):
    path = written("train/validation.json", data)
    with pytest.raises(BadJson, match=str(path)):
        validation.read_losses(path.parent)


def test_an_infinite_validation_loss_is_read(written):
    path = written("train/validation.json", b"[[5, Infinity], [10, 2]]")
    assert validation.read_losses(path.parent) == [[5, float("inf")], [10, 2]]


FACTS = prepared.Facts("digest", bars=(0, 96), end=192, metres=("4/4",))


def facts(**changes):
    return json.dumps({**vars(FACTS), **changes}).encode()


@strange(
    list=LIST,
    object=OBJECT,
    bars=facts(bars=5),
    texts=facts(bars=["a"]),
    falling=facts(bars=[96, 0]),
    equal=facts(bars=[0, 0, 96]),
    end=facts(end=10**12),
    infinite=facts(end=float("inf")),
    metres=facts(metres=[[1]]),
    refused=facts(refused=["x"]),
    mode=facts(mode={}),
)
def test_a_strange_piece_is_prepared_again_and_not_trained_on(written, data):
    path = written("out/pieces/a.mid/piece.json", data)
    assert prepared._read_facts(path.parent) is None
    prepared.write_split(
        path.parents[2], {"train": ["a.mid"], "validation": [], "test": []}
    )
    with pytest.raises(prepared.BadPreparation, match="a.mid is damaged"):
        list(prepared.Prepared(path.parents[2]).pieces("train", "merged"))


def test_facts_that_were_written_are_read(written):
    path = written("piece.json", facts())
    assert prepared._read_facts(path.parent) == FACTS


@pytest.mark.parametrize(
    "csv",
    [
        b"",
        b"a,b\n1,2\n",
        b"part,offset,element,duration,type,tied\nx,0,E4,1,quarter,\n",
        b"part,offset,element,duration,type,tied\n0,1/0,E4,1,quarter,\n",
        b"part,offset,element,duration,type,tied\n0,0,H4,1,quarter,\n",
        b"part,offset,element,duration,type,tied\n0,0,,1,quarter,-\n",
        b"part,offset,element,duration,type,tied\n0,0,E4,1e300,quarter,\n",
        b"part,offset,element,duration,type,tied\n0,-1,E4,1,quarter,\n",
        b"\xff\xfe\0",
    ],
)
@pytest.mark.parametrize("voices", ["merged", "flattened"])
def test_a_strange_table_of_notes_is_refused(written, csv, voices):
    path = written("out/pieces/a.mid/piece.json", facts())
    for staff in STAVES:
        written(f"out/pieces/a.mid/{staff}.csv", csv)
    folder = path.parents[2]
    prepared.write_split(folder, {"train": ["a.mid"], "validation": [], "test": []})
    with pytest.raises(prepared.BadPreparation, match="a.mid is damaged"):
        list(prepared.Prepared(folder).pieces("train", voices))


def split_of(train):
    return json.dumps({"train": train, "validation": [], "test": []}).encode()


@strange(
    list=LIST,
    object=OBJECT,
    numbers=split_of([1]),
    lists=split_of([["a.mid"]]),
    text=split_of("a.mid"),
    names=split_of({"a.mid": 1}),
    above=split_of(["../../x"]),
    absolute=split_of(["/etc"]),
    zero=split_of(["a\0b"]),
)
def test_a_strange_split_is_refused(written, data):
    path = written("out/split.json", data)
    with pytest.raises(prepared.BadPreparation, match=str(path)):
        _ = prepared.Prepared(path.parent).split


def labels_of(**encoding):
    encoding = {"words": ["a"], "counts": [2, 0], **encoding}
    both = {"notes": encoding, "durations": encoding}
    return json.dumps(dict.fromkeys(STAVES, both)).encode()


@strange(
    list=LIST,
    object=OBJECT,
    staves=json.dumps(dict.fromkeys(STAVES, [1])).encode(),
    fields=json.dumps(dict.fromkeys(STAVES, {"x" * 1000: {}})).encode(),
    number=labels_of(words=5),
    lists=labels_of(words=[["q"]]),
    texts=labels_of(counts=["x", "y"]),
    negative=labels_of(counts=[-1, 0]),
    fewer=labels_of(counts=[]),
    twice=labels_of(words=["a", "a"], counts=[1, 1, 1]),
)
def test_strange_labels_are_refused(data):
    with pytest.raises(labels.BadLabels) as refusal:
        labels.from_json(data.decode("latin-1"))
    assert len(str(refusal.value)) < 500


def test_labels_that_were_written_are_read():
    one = labels.Labels(labels.Encoding(("a",), (2, 0)), labels.Encoding((), (1,)))
    both = dict.fromkeys(STAVES, one)
    assert labels.from_json(labels.to_json(both)) == both


REMI = TokenVocabulary("REMI", "miditok 3.1.0", ("PAD_None", "BOS_None"))


def vocabulary(tokens, **more):
    return json.dumps({**REMI._asdict(), "tokens": tokens, **more}).encode()


@strange(
    list=LIST,
    object=OBJECT,
    number=vocabulary(5),
    lists=vocabulary([["q"]]),
    names=vocabulary({"x": 1}),
    name=vocabulary([], name=[1]),
    maker=vocabulary([], made_by={}),
)
def test_a_strange_vocabulary_is_refused(tmp_path, written, data):
    checkpoint.save(tmp_path, 1, {})
    path = written("vocabulary.json", data)
    for check in (
        lambda: checkpoint.keep_vocabulary(tmp_path, REMI),
        lambda: checkpoint.check_vocabulary(tmp_path, REMI),
    ):
        with pytest.raises(CheckpointError, match=str(path)):
            check()


@strange(list=LIST)
def test_a_strange_demo_is_not_continued(written, data):
    path = written("run-1/demo.json", data)
    assert demo._remembered(path.parent) is None


@strange(
    list=LIST,
    object=OBJECT,
    config=b'{"config": [1], "vector": [1]}',
    vector=b'{"config": "groovae_4bar", "vector": 5}',
    deep=b'{"config": "groovae_4bar", "vector": ' + b"[" * 900 + b"]" * 900 + b"}",
)
def test_strange_attributes_are_refused(written, data):
    path = written("attribute.json", data)
    with pytest.raises(collection.BadAttribute, match=str(path)):
        collection.read_attribute(path, config.load("groovae_4bar"))
    with pytest.raises(UserFacingError, match=str(path)):
        attributes._read(path)


@strange(
    object=OBJECT,
    paths=b'[{"paths": 5, "weights": []}]',
    weights=b'[{"paths": [], "weights": [5]}]',
)
def test_a_strange_model_of_magentajs_is_refused(written, data):
    path = written("model/weights_manifest.json", data)
    with pytest.raises(ExportError, match="weights_manifest.json is not a manifest"):
        weights_manifest.read(path.parent)
    path = written("model/config.json", data)
    with pytest.raises(ExportError, match=str(path)):
        magentajs.read(path.parent)
