"""What Magenta's preprocess_tfrecord writes for the golden NoteSequences."""

import glob
import hashlib
import json
import os
import tempfile

import apache_beam as beam
import note_seq
import tensorflow.compat.v1 as tf
from magenta.models.music_vae import configs, preprocess_tfrecord

# Of the configs, those whose examples come back the same by any interpreter.
CONFIGS = ("cat-mel_2bar_med_chords", "groovae_4bar", "nade-drums_2bar_full")
FILTERS = {
    "max_total_time": 1800,
    "max_num_notes": 10000,
    "min_velocities": 1,
    "min_metric_positions": 1,
    "is_drum": None,
    "drums_only": False,
}


def write_twice(path, pool):
    """Every second NoteSequence as two takes, so that each example has two sources."""
    with tf.python_io.TFRecordWriter(path) as writer:
        for take in (1, 2):
            for name in sorted(pool)[::2]:
                sequence = note_seq.NoteSequence.FromString(pool[name])
                sequence.id = f"{name}-take{take}"
                writer.write(sequence.SerializeToString())


def preprocessed(source, name, folder):
    """The records that a config gives, in the order of their bytes."""
    # Which of too many examples survive depends on the interpreter.
    configs.CONFIG_MAP[name].data_converter.max_tensors_per_notesequence = None
    output = os.path.join(folder, name)
    options = beam.options.pipeline_options.PipelineOptions(["--runner=DirectRunner"])
    preprocess_tfrecord.run_pipeline(source, output, 1, name, FILTERS, options)
    paths = glob.glob(output + "*")
    return sorted(r for path in paths for r in tf.python_io.tf_record_iterator(path))


def write(folder, pool):
    """Writes `preprocessed.json`: the number of examples and their digest."""
    with tempfile.TemporaryDirectory() as scratch:
        pairs = os.path.join(scratch, "pairs.tfrecord")
        write_twice(pairs, pool)
        found = {}
        for name in CONFIGS:
            source = pairs
            if name.startswith("groovae"):
                source = os.path.join(folder, "conversion", "groove.tfrecord")
            records = preprocessed(source, name, scratch)
            digest = hashlib.sha256(b"".join(records)).hexdigest()
            found[name] = {"examples": len(records), "sha256": digest}
    with open(os.path.join(folder, "preprocessed.json"), "w") as f:
        json.dump(found, f, indent=1, sort_keys=True)
