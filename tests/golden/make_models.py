"""What Magenta's models compute with seeded weights: one config at a time.

The models are narrow and their weights are random normals, so that nothing comes out
right by accident. Losses and logits are of a graph for training whose latent vectors
are fed; decodings are of Magenta's own TrainedModel.
"""

import copy
import json
import os
import zlib

import numpy as np
import tensorflow.compat.v1 as tf
from converter_variants import MULTI
from magenta.models.music_vae import configs, lstm_models, lstm_utils
from magenta.models.music_vae.trained_model import TrainedModel
from magenta_graph import BATCH_SIZE, Graph, leaves
from note_seq.protobuf import music_pb2

TRAINED = (
    "cat-mel_2bar_small",
    "groovae_4bar",
    "hierdec-trio_16bar",
    "nade-drums_2bar_reduced",
)
# Rows of a kernel are as many as the depth: wide inputs get narrow layers.
WIDE = 150
WIDTHS = [8, 10, 12]
WIDTHS_OF_WIDE = [3, 4, 4]
WEIGHT_DEVIATION = 0.5
SMALLEST_MARGIN = 5e-5
NEARLY_ZERO = 1e-6  # a temperature at which sampling is an argmax
LOSS_STEPS = [0, 1, 10, 100000]
SCHEDULE_STEPS = [0, 1, 10, 1000, 10000, 100000]


def group_of(name):
    """The group of NoteSequences that a config's converter reads."""
    for start, group in (
        ("hier-multiperf", "multi"),
        ("groovae", "groove"),
        ("cat-mel_2bar_med_chords", "chords"),
    ):
        if name.startswith(start):
            return group
    if "trio" in name:
        return "trio"
    return "melody" if "mel" in name else "drums"


def is_wide(config):
    return config.data_converter.output_depth > WIDE


def narrow(name):
    """(config with its own hparams, narrow; the hparams that changed)."""
    config = configs.CONFIG_MAP[name]
    config = copy.deepcopy(config)  # Magenta's configs share models and hparams
    old = config.hparams
    widths = WIDTHS_OF_WIDE if is_wide(config) else WIDTHS
    changes = {
        "batch_size": BATCH_SIZE,
        "z_size": 8,
        "enc_rnn_size": widths[-len(old.enc_rnn_size) :],
        "dec_rnn_size": widths[-len(old.dec_rnn_size) :],
        "dropout_keep_prob": 1.0,
        "sampling_schedule": "constant",
        "sampling_rate": 0.0,
    }
    if old.free_bits:
        changes["free_bits"] = 2.0
    if "nade_num_hidden" in old.values():
        changes["nade_num_hidden"] = 8
    for key, value in changes.items():
        setattr(config.hparams, key, value)
    return config, changes


def examples(config, names, pool):
    """Four examples of full length as arrays, from different music where possible."""
    converter, length = config.data_converter, config.hparams.max_seq_len
    converter.set_mode("eval")
    if not isinstance(converter, MULTI):  # which of too many are left is arbitrary
        converter.max_tensors_per_notesequence = None
    per_source = []
    for name in names:
        np.random.seed(1)  # of note dropout
        sequence = music_pb2.NoteSequence.FromString(pool[name])
        try:
            found = sorted(
                zip(*converter.to_tensors(sequence)), key=lambda e: e[1].tobytes()
            )
        except KeyError:  # a pitch in no class
            continue
        per_source.append([e for e in found if len(e[1]) == length])
    queue = [e for column in zip_longest(per_source) for e in column]
    assert len(queue) >= BATCH_SIZE, "too few examples of full length"
    inputs, outputs, controls, lengths = zip(*queue[:BATCH_SIZE])
    return {
        "input_sequence": np.stack(inputs),
        "output_sequence": np.stack(outputs),
        "control_sequence": np.stack(controls),
        "sequence_length": np.array(lengths, np.int32),
    }


def zip_longest(lists):
    longest = max(map(len, lists))
    return [[one[i] for one in lists if i < len(one)] for i in range(longest)]


def batches(config, names, pool):
    """`full` holds examples of full length, `short` the same of other lengths."""
    full, length = examples(config, names, pool), config.hparams.max_seq_len
    is_hierarchical = "Hierarchical" in type(config.model.decoder).__name__
    return {"full": full, "short": shortened(full, length, is_hierarchical)}


def stride(config):
    """Every which step of the logits is kept: few, of several positions in a bar."""
    return config.hparams.max_seq_len // (4 if is_wide(config) else 8) + 1


def shortened(batch, length, is_hierarchical):
    """The same batch with other lengths, one of them 0, and zeros behind them."""
    batch = dict(batch)
    lengths = batch["sequence_length"]
    if lengths.ndim == 2:
        lengths = np.minimum(lengths, [[9], [64], [3], [17]])
        lengths[1, ::2] = 0
        segment = length // lengths.shape[1]
    elif is_hierarchical:  # which has 0 or all
        lengths, segment = np.array([length, 0, length, 0]), length
    else:
        lengths = np.array([length, length // 2, length // 4 + 1, 0])
        segment = length
    ends = lengths.reshape([BATCH_SIZE, -1, 1])
    mask = (np.arange(segment) < ends).reshape([BATCH_SIZE, length, 1])
    for key in ("input_sequence", "output_sequence", "control_sequence"):
        batch[key] = np.where(mask, batch[key], np.zeros_like(batch[key]))
    batch["sequence_length"] = lengths.astype(np.int32)
    return batch


def weights_of(graph, seed):
    """Random weights in the order of their names."""
    rng = np.random.RandomState(seed)
    return {
        v.op.name: rng.normal(0, WEIGHT_DEVIATION, v.shape.as_list()).astype("f")
        for v in sorted(graph.variables, key=lambda v: v.op.name)
    }


def losses_at_steps(graph, batch, z, steps):
    """Loss, beta and learning rate at global steps."""
    found = []
    for step in steps:
        graph.set_step(step)
        tensors = [graph.loss, graph.scalars["losses/kl_beta"], graph.optimizer._lr]
        found.append(graph.session.run(tensors, graph.feed(batch, z)))
    return [np.array(column, np.float32) for column in zip(*found)]


def sampling_probabilities(name):
    """Of scheduled sampling, with the config's own hparams."""
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.train.get_or_create_global_step()
        hparams = copy.deepcopy(configs.CONFIG_MAP[name].hparams)
        probability = lstm_utils.get_sampling_probability(hparams, is_training=True)
        values = []
        for number in SCHEDULE_STEPS:
            step.load(number, session)
            values.append(session.run(probability))
    return np.array(values, np.float32)


def decodings(config, prefix, z, controls):
    """{name: array} of Magenta's TrainedModel at a temperature of nearly 0."""
    model = TrainedModel(config, BATCH_SIZE, prefix)
    arguments = (z, config.hparams.max_seq_len, NEARLY_ZERO, controls)
    arrays = {"decode/samples": np.stack(model.decode_to_tensors(*arguments))}
    for number, sequence in enumerate(model.decode(*arguments)):
        data = np.frombuffer(sequence.SerializeToString(), np.uint8)
        arrays[f"decode/notesequence_{number}"] = data
    return arrays


def smallest_margin(graph, samples, z, controls):
    """How near a decision of a decoding was to another one."""
    shape = list(samples.shape[:2]) + [graph.converter.input_depth]
    batch = {"input_sequence": np.zeros(shape), "output_sequence": samples}
    if controls is not None:
        batch["control_sequence"] = np.tile(controls, [BATCH_SIZE, 1, 1])
    shape = [BATCH_SIZE] + list(graph.converter.length_shape)
    segments = np.prod(graph.converter.length_shape, dtype=int)
    lengths = np.full(shape, samples.shape[1] // segments, np.int32)
    batch["sequence_length"] = lengths
    return margins(graph, graph.numbers(batch, z)["logits"]).min()


def margins(graph, outputs):
    """[batch, time] of outputs: the gap of the best two, or the size of a logit."""
    decoder = leaves(graph.config.model.decoder)
    if isinstance(decoder[0], lstm_models.MultiLabelRnnNadeDecoder):
        return np.full(outputs.shape[:2], np.inf)
    if isinstance(decoder[0], lstm_models.GrooveLstmDecoder):
        return np.abs(outputs[..., : outputs.shape[-1] // 3]).min(axis=-1)
    depths = getattr(decoder[0], "_output_depths", None)
    depths = depths or [leaf._output_depth for leaf in decoder]
    gaps = []
    for part in np.split(outputs, np.cumsum(depths)[:-1], axis=-1):
        best = np.sort(part, axis=-1)
        gaps.append(best[..., -1] - best[..., -2])
    return np.where(np.any(outputs, axis=-1), np.min(gaps, axis=0), np.inf)


def train_three_steps(graph, batch, eps):
    rows = []
    for noise in eps:
        tensors = [graph.loss, graph.global_norm, graph.optimizer._lr, graph.train_op]
        rows.append(graph.session.run(tensors, graph.feed(batch, eps=noise))[:3])
    loss, norm, rate = (np.array(column, np.float32) for column in zip(*rows))
    return {
        "train/eps": eps,
        "train/loss": loss,
        "train/global_norm": norm,
        "train/learning_rate": rate,
    }


def listed(prefix):
    reader = tf.train.load_checkpoint(prefix)
    shapes, types = (
        reader.get_variable_to_shape_map(),
        reader.get_variable_to_dtype_map(),
    )
    return [
        {"name": name, "shape": list(shapes[name]), "dtype": types[name].name}
        for name in sorted(shapes)
    ]


def compact(array):
    """One-hot rows and hits as bytes."""
    if array.dtype == bool or np.array_equal(array, array.astype(np.uint8)):
        return array.astype(np.uint8) if array.ndim == 3 else array
    return array


def scheduled(graph, weights, batches, z):
    """Losses where each input is the argmax of the last output; and the margin."""
    arrays, nearest = {}, np.inf
    graph.assign(weights, 0)
    for name, batch in batches.items():
        found = graph.numbers(batch, z)
        arrays[name + "/sampled_step_loss"] = found["step_loss"]
        arrays[name + "/sampled_r_loss"] = found["r_loss"]
        gaps = margins(graph, found["logits"])
        inside = np.arange(gaps.shape[1]) < batch["sequence_length"][:, np.newaxis]
        nearest = min(nearest, gaps[inside].min())
    return arrays, nearest


class Subject:
    """A config's narrow model, its inputs, and what has been computed so far."""

    def __init__(self, root, name, names, pool):
        self.name, self.folder = name, os.path.join(root, "models", name)
        self.config, self.changes = narrow(name)
        self.seed = zlib.crc32(name.encode()) % 2**31
        self.step = 0 if name in TRAINED else 1000
        self.stride = stride(self.config)
        self.batches = batches(self.config, names, pool)
        self.rng = np.random.RandomState(self.seed)
        size = [BATCH_SIZE, self.config.hparams.z_size]
        self.arrays = {"z": self.drawn(size), "decode/z": self.drawn(size)}
        if self.config.data_converter.control_depth:
            controls = self.batches["full"]["control_sequence"][0]
            self.arrays["decode/c_input"] = controls.astype("f")
        self.graph = Graph(self.config)
        if name in TRAINED:  # before the graph runs, which fixes what its branches keep
            self.graph.add_train_op()
        is_sampled = configs.CONFIG_MAP[name].hparams.sampling_rate > 0
        self.sampling = Graph(self.config, sampling_rate=1.0) if is_sampled else None

    def drawn(self, size):
        return self.rng.normal(size=size).astype("f")

    def checkpoint(self, kind, step):
        return os.path.join(self.folder, kind, f"model.ckpt-{step}")

    def weigh(self):
        """Draws weights until no decision of a decoding is close to another one."""
        for number in range(30):
            self.weights = weights_of(self.graph, self.seed + number)
            if self.margin() > SMALLEST_MARGIN:
                return
        raise RuntimeError("no weights with clear decisions")

    def margin(self):
        """Saves the weights and decodes with them."""
        self.graph.assign(self.weights, self.step)
        self.graph.save(os.path.join(self.folder, "ckpt"), self.step)
        prefix = self.checkpoint("ckpt", self.step)
        z, controls = self.arrays["decode/z"], self.arrays.get("decode/c_input")
        self.arrays.update(decodings(self.config, prefix, z, controls))
        samples = self.arrays["decode/samples"]
        nearest = smallest_margin(self.graph, samples, z, controls)
        if self.sampling is None or nearest <= SMALLEST_MARGIN:
            return nearest
        z = self.arrays["z"]
        found, margin = scheduled(self.sampling, self.weights, self.batches, z)
        self.arrays.update(found)
        return min(nearest, margin)

    def measure(self):
        """Computes the numbers of both batches; returns the metrics of each."""
        metrics, z = {}, self.arrays["z"]
        for name, batch in self.batches.items():
            found = dict(self.graph.numbers(batch, z), **batch)
            found["logits"] = found["logits"][:, :: self.stride]
            metrics[name] = self.graph.measured()
            self.arrays.update({f"{name}/{key}": a for key, a in found.items()})
        return metrics

    def follow_schedules(self):
        full, z, arrays = self.batches["full"], self.arrays["z"], self.arrays
        arrays["loss_global_steps"] = np.array(LOSS_STEPS)
        arrays["full/loss"], arrays["full/kl_beta"], _ = losses_at_steps(
            self.graph, full, z, LOSS_STEPS
        )
        arrays["schedule/global_steps"] = np.array(SCHEDULE_STEPS)
        _, arrays["schedule/kl_beta"], arrays["schedule/learning_rate"] = (
            losses_at_steps(self.graph, full, z, SCHEDULE_STEPS)
        )
        arrays["schedule/sampling_probability"] = sampling_probabilities(self.name)

    def train(self):
        """Three steps; the tensors of the checkpoint afterwards."""
        self.graph.assign(self.weights, 0)
        eps = self.drawn([3] + list(self.arrays["z"].shape))
        self.arrays.update(train_three_steps(self.graph, self.batches["full"], eps))
        self.graph.save(os.path.join(self.folder, "train_ckpt"), 3, is_training=True)
        return listed(self.checkpoint("train_ckpt", 3))

    def manifest(self, metrics):
        return {
            "config": self.name,
            "hparams": self.config.hparams.values(),
            "hparams_changed_from_config": self.changes,
            "batches": sorted(self.batches),
            "logits_time_stride": self.stride,
            "metrics": metrics,
            "checkpoint_prefix": f"ckpt/model.ckpt-{self.step}",
            "checkpoint": listed(self.checkpoint("ckpt", self.step)),
        }


def write(root, name, pool, groups):
    """Writes `models/<name>/`."""
    subject = Subject(root, name, groups[group_of(name)], pool)
    subject.weigh()
    metrics = subject.measure()
    subject.follow_schedules()
    manifest = subject.manifest(metrics)
    if name in TRAINED:
        manifest["train_checkpoint"] = subject.train()
    arrays = {key: compact(a) for key, a in subject.arrays.items() if a.size}
    np.savez_compressed(os.path.join(subject.folder, "arrays.npz"), **arrays)
    with open(os.path.join(subject.folder, "manifest.json"), "w") as f:
        json.dump(manifest, f, sort_keys=True)
    print(name, flush=True)
