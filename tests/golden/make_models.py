"""What Magenta's models compute with seeded weights: one config at a time.

The models are narrow and their weights are random normals, so that nothing comes out
right by accident. Losses and logits are of a graph for training whose latent vectors
are fed; decodings are of Magenta's own TrainedModel.
"""

import copy
import json
import os
import shutil
import zlib

import numpy as np
import tensorflow.compat.v1 as tf
from magenta.models.music_vae import configs, lstm_models, lstm_utils
from magenta.models.music_vae.trained_model import TrainedModel
from make_converters import CONFIGS
from note_seq.protobuf import music_pb2

TRAINED = (
    'cat-mel_2bar_small',
    'groovae_4bar',
    'hierdec-trio_16bar',
    'nade-drums_2bar_reduced',
)
BATCH_SIZE = 4
# Rows of a kernel are as many as the depth: wide inputs get narrow layers.
WIDE = 150
WIDTHS = [8, 10, 12]
WIDTHS_OF_WIDE = [4, 5, 6]
WEIGHT_DEVIATION = 0.5
SMALLEST_MARGIN = 5e-5
NEARLY_ZERO = 1e-6  # a temperature at which sampling is an argmax
LOSS_STEPS = [0, 1, 10, 100000]
SCHEDULE_STEPS = [0, 1, 10, 1000, 10000, 100000]


def group_of(name):
    """The group of NoteSequences that a config's converter reads."""
    for start, group in (
        ('hier-multiperf', 'multi'),
        ('groovae', 'groove'),
        ('cat-mel_2bar_med_chords', 'chords'),
    ):
        if name.startswith(start):
            return group
    if 'trio' in name:
        return 'trio'
    return 'melody' if 'mel' in name else 'drums'


def narrow(name):
    """(config with its own hparams, narrow; the hparams that changed)."""
    config = configs.CONFIG_MAP[name]
    config = copy.deepcopy(config)  # Magenta's configs share models and hparams
    old, depth = config.hparams, config.data_converter.output_depth
    widths = WIDTHS_OF_WIDE if depth > WIDE else WIDTHS
    changes = {
        'batch_size': BATCH_SIZE,
        'z_size': 8,
        'enc_rnn_size': widths[-len(old.enc_rnn_size) :],
        'dec_rnn_size': widths[-len(old.dec_rnn_size) :],
        'dropout_keep_prob': 1.0,
        'sampling_schedule': 'constant',
        'sampling_rate': 0.0,
    }
    if old.free_bits:
        changes['free_bits'] = 2.0
    if 'nade_num_hidden' in old.values():
        changes['nade_num_hidden'] = 8
    for key, value in changes.items():
        setattr(config.hparams, key, value)
    return config, changes


def examples(config, names, pool):
    """Four examples of full length as arrays, from different music where possible."""
    converter, length = config.data_converter, config.hparams.max_seq_len
    converter.set_mode('eval')
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
    assert len(queue) >= BATCH_SIZE, 'too few examples of full length'
    inputs, outputs, controls, lengths = zip(*queue[:BATCH_SIZE])
    return {
        'input_sequence': np.stack(inputs),
        'output_sequence': np.stack(outputs),
        'control_sequence': np.stack(controls),
        'sequence_length': np.array(lengths, np.int32),
    }


def zip_longest(lists):
    longest = max(map(len, lists))
    return [[one[i] for one in lists if i < len(one)] for i in range(longest)]


def shortened(batch, length, is_hierarchical):
    """The same batch with other lengths, one of them 0, and zeros behind them."""
    batch = dict(batch)
    lengths = batch['sequence_length']
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
    for key in ('input_sequence', 'output_sequence', 'control_sequence'):
        batch[key] = np.where(mask, batch[key], np.zeros_like(batch[key]))
    batch['sequence_length'] = lengths.astype(np.int32)
    return batch


def leaves(decoder):
    """The decoders that have an output of their own, in order."""
    if hasattr(decoder, '_core_decoders'):
        return [leaf for core in decoder._core_decoders for leaf in leaves(core)]
    if hasattr(decoder, '_core_decoder'):
        return leaves(decoder._core_decoder)
    return [decoder]


class Recorder(object):
    """Keeps what flows through the losses of a decoder's leaves while a graph is built.

    `calls` holds, for each leaf, a (loss of each step, output of each step) per segment;
    steps are those of all examples one after the other, without their padding.
    """

    def __init__(self, decoder, by_argmax):
        self._leaves, self._by_argmax = leaves(decoder), by_argmax
        self.calls = [[] for _ in self._leaves]

    def __enter__(self):
        for leaf, calls in zip(self._leaves, self.calls):
            leaf._flat_reconstruction_loss = self._recorded(leaf, calls)
            if self._by_argmax and isinstance(leaf, lstm_models.CategoricalLstmDecoder):
                leaf._sample = lambda outputs: tf.one_hot(
                    tf.argmax(outputs, axis=-1), outputs.shape[-1].value
                )
        return self

    def __exit__(self, *_):
        for leaf in self._leaves:
            leaf.__dict__.pop('_flat_reconstruction_loss')
            leaf.__dict__.pop('_sample', None)

    @staticmethod
    def _recorded(leaf, calls):
        def loss(targets, outputs):
            result = type(leaf)._flat_reconstruction_loss(leaf, targets, outputs)
            calls.append((result[0], outputs))
            return result

        return loss


class Graph(object):
    """Magenta's graph for training a model, its latent vectors fed."""

    def __init__(self, config, sampling_rate=0.0):
        self.config = copy.deepcopy(config)  # building a model writes into it
        self.converter = self.config.data_converter
        hparams = self.config.hparams
        hparams.sampling_rate = sampling_rate
        length_shape = [BATCH_SIZE] + list(self.converter.length_shape)
        self.graph = tf.Graph()
        with self.graph.as_default():
            rows = lambda depth: tf.placeholder(tf.float32, [BATCH_SIZE, None, depth])
            self.feeds = {
                'input_sequence': rows(self.converter.input_depth),
                'output_sequence': rows(self.converter.output_depth),
                'sequence_length': tf.placeholder(tf.int32, length_shape),
                'control_sequence': None,
            }
            if self.converter.control_depth:
                self.feeds['control_sequence'] = rows(self.converter.control_depth)
            self._build(hparams, sampling_rate > 0)
            self.session = tf.Session()

    def _build(self, hparams, by_argmax):
        model = self.config.model
        model.build(hparams, self.converter.output_depth, is_training=True)
        self.eps = tf.placeholder_with_default(
            np.zeros([BATCH_SIZE, hparams.z_size], np.float32),
            [BATCH_SIZE, hparams.z_size],
        )
        encode, compute = model.encode, model._compute_model_loss

        def recorded_encode(*arguments):
            posterior = encode(*arguments)
            self.mu, self.sigma = posterior.loc, posterior.scale.diag
            self.z = self.mu + self.sigma * self.eps
            posterior.sample = lambda: self.z
            return posterior

        def recorded_compute(*arguments):
            self.metrics, self.scalars = compute(*arguments)
            return self.metrics, self.scalars

        model.encode, model._compute_model_loss = recorded_encode, recorded_compute
        try:
            with Recorder(model.decoder, by_argmax) as recorder:
                self.optimizer = model.train(**self.feeds)
        finally:
            del model.encode, model._compute_model_loss
        self.calls, self.loss, self.step = recorder.calls, model.loss, model.global_step
        self.variables = tf.trainable_variables()

    def feed(self, batch, z=None, eps=None):
        fed = {
            placeholder: batch[name]
            for name, placeholder in self.feeds.items()
            if placeholder is not None
        }
        if z is not None:
            fed[self.z] = z
        if eps is not None:
            fed[self.eps] = eps
        return fed

    def assign(self, weights, step):
        with self.graph.as_default():
            self.session.run(tf.global_variables_initializer())
            for variable in self.variables:
                variable.load(weights[variable.op.name], self.session)
        self.set_step(step)

    def set_step(self, step):
        with self.graph.as_default():
            self.step.load(step, self.session)

    def save(self, folder, step):
        """A checkpoint of all variables that there are, as Magenta's trainer's."""
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        prefix = os.path.join(folder, "model.ckpt")
        with self.graph.as_default():
            saver = tf.train.Saver(save_relative_paths=True)
            saver.save(self.session, prefix, step, write_meta_graph=False)

    def add_train_op(self):
        """The update of Magenta's music_vae_train, which is inside its main loop."""
        hparams = self.config.hparams
        with self.graph.as_default():
            gradients, variables = zip(*self.optimizer.compute_gradients(self.loss))
            self.global_norm = tf.global_norm(gradients)
            assert hparams.clip_mode == 'global_norm'
            clipped = tf.cond(
                self.global_norm < hparams.grad_norm_clip_to_zero,
                lambda: tf.clip_by_global_norm(
                    gradients, hparams.grad_clip, use_norm=self.global_norm
                )[0],
                lambda: [tf.zeros(tf.shape(gradient)) for gradient in gradients],
            )
            self.train_op = self.optimizer.apply_gradients(
                list(zip(clipped, variables)), global_step=self.step
            )

    def steps(self, fed, lengths, part):
        """What the leaves recorded, as [batch, time, depth]: part 0 losses, 1 outputs.

        Losses are summed over leaves, outputs are concatenated.
        """
        values = self.session.run([[c[part] for c in calls] for calls in self.calls], fed)
        total = self.config.hparams.max_seq_len
        of_leaves = [placed(segments, lengths, total) for segments in values]
        if part == 0:
            return np.sum(of_leaves, axis=0)[..., 0]
        return np.concatenate(of_leaves, axis=-1)


def placed(segments, lengths, total):
    """Steps without padding, per segment, as [batch, total, depth]."""
    count = len(segments)
    if lengths.ndim == 1:
        lengths = np.tile(lengths[:, np.newaxis] // count, [1, count])
    size = total // count
    steps = [array.reshape([len(array), -1]) for array in segments]
    out = np.zeros([BATCH_SIZE, total, steps[0].shape[-1]], np.float32)
    for number, rows in enumerate(steps):
        start = 0
        for i, length in enumerate(lengths[:, number]):
            end = start + length
            first = number * size
            out[i, first : first + length] = rows[start:end]
            start = end
    return out


def weights_of(graph, seed):
    """Random weights in the order of their names."""
    rng = np.random.RandomState(seed)
    return {
        v.op.name: rng.normal(0, WEIGHT_DEVIATION, v.shape.as_list()).astype('f')
        for v in sorted(graph.variables, key=lambda v: v.op.name)
    }


def numbers_of_batch(graph, batch, z, stride):
    """{name: array} and {metric: value} of a batch, the decoder given `z`."""
    fed = graph.feed(batch, z)
    run = lambda tensor: graph.session.run(tensor, fed)
    lengths = batch['sequence_length']
    arrays = {'mu': run(graph.mu), 'sigma': run(graph.sigma)}
    arrays['r_loss'] = run(graph.scalars['losses/r_loss'])
    arrays['kl_div'] = run(graph.scalars['losses/kl_bits'] * np.float32(np.log(2)))
    arrays['kl_cost'] = run(graph.scalars['losses/kl_loss'])
    arrays['step_loss'] = graph.steps(fed, lengths, 0)
    arrays['logits'] = graph.steps(fed, lengths, 1)[:, ::stride]
    with graph.graph.as_default():
        graph.session.run(tf.local_variables_initializer())
        names = sorted(graph.metrics)
        graph.session.run([graph.metrics[name][1] for name in names], fed)
        values = run([graph.metrics[name][0] for name in names])
    return arrays, {name: float(value) for name, value in zip(names, values)}


def losses_at_steps(graph, batch, z, steps):
    """Loss, beta and learning rate at global steps."""
    found = []
    for step in steps:
        graph.set_step(step)
        tensors = [graph.loss, graph.scalars['losses/kl_beta'], graph.optimizer._lr]
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
    arrays = {'decode/samples': model.decode_to_tensors(*arguments)}
    for number, sequence in enumerate(model.decode(*arguments)):
        data = np.frombuffer(sequence.SerializeToString(), np.uint8)
        arrays['decode/notesequence_%d' % number] = data
    return arrays


def smallest_margin(graph, samples, z, controls):
    """How near a decision of a decoding was to another one."""
    batch = {'input_sequence': np.zeros([BATCH_SIZE, samples.shape[1], 1])}
    shape = list(samples.shape[:2]) + [graph.converter.input_depth]
    batch['input_sequence'] = np.zeros(shape)
    batch['output_sequence'] = samples
    if controls is not None:
        batch['control_sequence'] = np.tile(controls, [BATCH_SIZE, 1, 1])
    shape = [BATCH_SIZE] + list(graph.converter.length_shape)
    segments = np.prod(graph.converter.length_shape, dtype=int)
    lengths = np.full(shape, samples.shape[1] // segments, np.int32)
    batch['sequence_length'] = lengths
    outputs = graph.steps(graph.feed(batch, z), lengths, 1)
    return margins(graph, outputs).min()


def margins(graph, outputs):
    """[batch, time] of outputs: the gap of the best two, or the size of a logit."""
    decoder = leaves(graph.config.model.decoder)
    if isinstance(decoder[0], lstm_models.MultiLabelRnnNadeDecoder):
        return np.full(outputs.shape[:2], np.inf)
    if isinstance(decoder[0], lstm_models.GrooveLstmDecoder):
        return np.abs(outputs[..., : outputs.shape[-1] // 3]).min(axis=-1)
    depths = getattr(decoder[0], '_output_depths', None)
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
        'train/eps': eps,
        'train/loss': loss,
        'train/global_norm': norm,
        'train/learning_rate': rate,
    }


def listed(prefix):
    reader = tf.train.load_checkpoint(prefix)
    shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    return [
        {'name': name, 'shape': list(shapes[name]), 'dtype': types[name].name}
        for name in sorted(shapes)
    ]


def compact(array):
    """One-hot rows and hits as bytes."""
    if array.dtype == bool or np.array_equal(array, array.astype(np.uint8)):
        return array.astype(np.uint8) if array.ndim == 3 else array
    return array


def attempt_at(seed, folder, config, graph, arrays, step):
    """Draws weights, saves them, decodes; False where a decision was too close."""
    weights = weights_of(graph, seed)
    graph.assign(weights, step)
    graph.save(os.path.join(folder, 'ckpt'), step)
    prefix = os.path.join(folder, 'ckpt', 'model.ckpt-%d' % step)
    controls = arrays.get('decode/c_input')
    arrays.update(decodings(config, prefix, arrays['decode/z'], controls))
    margin = smallest_margin(
        graph, arrays['decode/samples'], arrays['decode/z'], controls
    )
    return margin > SMALLEST_MARGIN, weights


def scheduled(config, weights, batches, z):
    """Step losses where every input is the argmax of the output before it."""
    graph, arrays = Graph(config, sampling_rate=1.0), {}
    graph.assign(weights, 0)
    for name, batch in batches.items():
        fed = graph.feed(batch, z)
        lengths = batch['sequence_length']
        arrays[name + '/sampled_step_loss'] = graph.steps(fed, lengths, 0)
        arrays[name + '/sampled_r_loss'] = graph.session.run(
            graph.scalars['losses/r_loss'], fed
        )
        close = margins(graph, graph.steps(fed, lengths, 1))
        inside = np.arange(close.shape[1]) < lengths[:, np.newaxis]
        assert close[inside].min() > SMALLEST_MARGIN, 'a decision was too close'
    return arrays


def write(root, name, pool, groups):
    """Writes `models/<name>/`."""
    folder = os.path.join(root, 'models', name)
    config, changes = narrow(name)
    seed = zlib.crc32(name.encode()) % 2**31
    rng = np.random.RandomState(seed)
    batches = {'full': examples(config, groups[group_of(name)], pool)}
    length = config.hparams.max_seq_len
    is_hierarchical = 'Hierarchical' in type(config.model.decoder).__name__
    batches['short'] = shortened(batches['full'], length, is_hierarchical)
    z = rng.normal(size=[BATCH_SIZE, config.hparams.z_size]).astype('f')
    arrays = {'z': z, 'decode/z': rng.normal(size=z.shape).astype('f')}
    if config.data_converter.control_depth:
        arrays['decode/c_input'] = batches['full']['control_sequence'][0].astype('f')

    graph = Graph(config)
    step = 0 if name in TRAINED else 1000
    if name in TRAINED:
        graph.add_train_op()
    for number in range(20):
        is_clear, weights = attempt_at(seed + number, folder, config, graph, arrays, step)
        if is_clear:
            break
    else:
        raise RuntimeError('no weights with clear decisions')

    stride = max(1, length // 8)
    metrics = {}
    for batch_name, batch in batches.items():
        found, metrics[batch_name] = numbers_of_batch(graph, batch, z, stride)
        arrays.update({'%s/%s' % (batch_name, k): v for k, v in batch.items()})
        arrays.update({'%s/%s' % (batch_name, k): v for k, v in found.items()})
    loss, beta, _ = losses_at_steps(graph, batches['full'], z, LOSS_STEPS)
    arrays.update({'full/loss': loss, 'full/kl_beta': beta})
    arrays['loss_global_steps'] = np.array(LOSS_STEPS)
    _, beta, rate = losses_at_steps(graph, batches['full'], z, SCHEDULE_STEPS)
    arrays.update({'schedule/kl_beta': beta, 'schedule/learning_rate': rate})
    arrays['schedule/sampling_probability'] = sampling_probabilities(name)
    arrays['schedule/global_steps'] = np.array(SCHEDULE_STEPS)
    if configs.CONFIG_MAP[name].hparams.sampling_rate:
        arrays.update(scheduled(config, weights, batches, z))
    manifest = {
        'config': name,
        'hparams': config.hparams.values(),
        'hparams_changed_from_config': changes,
        'batches': sorted(batches),
        'logits_time_stride': stride,
        'metrics': metrics,
        'checkpoint_prefix': 'ckpt/model.ckpt-%d' % step,
        'checkpoint': listed(os.path.join(folder, 'ckpt', 'model.ckpt-%d' % step)),
    }
    if name in TRAINED:
        graph.assign(weights, 0)
        eps = rng.normal(size=[3] + list(z.shape)).astype('f')
        arrays.update(train_three_steps(graph, batches['full'], eps))
        graph.save(os.path.join(folder, 'train_ckpt'), 3)
        after = os.path.join(folder, 'train_ckpt', 'model.ckpt-3')
        manifest['train_checkpoint'] = listed(after)
    empty = [key for key, array in arrays.items() if array.size == 0]
    for key in empty:
        del arrays[key]
    path = os.path.join(folder, 'arrays.npz')
    np.savez_compressed(path, **{key: compact(a) for key, a in arrays.items()})
    with open(os.path.join(folder, 'manifest.json'), 'w') as f:
        json.dump(manifest, f, sort_keys=True)
    print(name, 'after %d attempts' % (number + 1), flush=True)
