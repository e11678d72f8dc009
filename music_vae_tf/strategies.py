"""One training on many devices: its tf.distribute strategy, and each worker's share.

The config's batch is the global batch of a step. It is divided evenly among the
replicas, one for each device, in the order of workers and of devices on a worker. Each
worker makes its own rows only. Gradients are averaged over all replicas before they are
clipped, so a step equals that of one device on the global batch.
"""

from __future__ import annotations

import contextlib

import tensorflow as tf

from music_vae_tf import cluster
from music_vae_tf.cluster import StrategyError

NAMES = ("auto", "single", "mirrored", "multiworker")


class WorkerLost(StrategyError):
    """A worker that no longer answers the others."""


def named(name: str) -> tf.distribute.Strategy:
    """The strategy of one of `NAMES`; to be made before TensorFlow computes anything.

    `auto` is multiworker where TF_CONFIG names several workers, mirrored where the
    machine has several GPUs, and single otherwise.

    Raises:
        StrategyError: TF_CONFIG is missing, cannot be understood, or gives this
            process a task that does not train.
    """
    if name == "auto":
        name = _automatic()
    if name == "multiworker":
        if not cluster.workers():
            raise StrategyError(
                "--strategy=multiworker needs TF_CONFIG, in the environment of each "
                'worker: {"cluster": {"worker": ["host1:port", "host2:port"]}, '
                '"task": {"type": "worker", "index": 0}}, with its own index'
            )
        return _of_workers(cluster.peers())
    if name == "mirrored":
        return tf.distribute.MirroredStrategy(_devices())
    return tf.distribute.get_strategy()


def _of_workers(peers: list[str]) -> tf.distribute.Strategy:
    """Waits for the other workers."""
    try:
        with cluster.waiting_for_peers(peers):
            return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise StrategyError(
            f"the workers cannot meet; the others are {', '.join(peers) or 'none'}. Is "
            "each of them started, and is the port of this one free? "
            f"TensorFlow's message: {str(error).strip().splitlines()[0]}"
        ) from error


def _automatic():
    cluster.check_task()
    if len(cluster.workers()) > 1:
        return "multiworker"
    return "mirrored" if len(tf.config.list_physical_devices("GPU")) > 1 else "single"


def _devices():
    return [
        device.name
        for kind in ("GPU", "CPU")
        for device in tf.config.list_logical_devices(kind)
        if kind == "GPU" or not tf.config.list_logical_devices("GPU")
    ]


def is_chief(strategy) -> bool:
    """Whether this process is the one that writes checkpoints and summaries."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.cluster_spec().as_dict():
        return True
    if resolver.task_type == "chief":
        return True
    has_chief = "chief" in resolver.cluster_spec().jobs
    return not has_chief and resolver.task_type == "worker" and resolver.task_id == 0


def check_same_step(strategy, step: int) -> None:
    """Waits for all workers, and sees that all go on from the same step.

    Raises:
        StrategyError: they do not, as where each sees a run directory of its own.
    """
    if not is_multiworker(strategy):
        return

    @tf.function(autograph=False)
    def average():
        steps = strategy.run(lambda: tf.constant(step, tf.float64))
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, steps, axis=None)

    if float(average()) != step:
        raise StrategyError(
            f"this worker would go on from step {step}, others from another one: give "
            "all of them the same --run_dir, on storage that all of them see"
        )


def from_chief(strategy, value: float) -> float:
    """The value of the chief, on all workers; waits until each of them asks for it."""
    if not is_multiworker(strategy):
        return value

    @tf.function(autograph=False)
    def total():
        mine = value / _replicas_here(strategy) if is_chief(strategy) else 0.0
        parts = strategy.run(lambda: tf.constant(mine, tf.float64))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, parts, axis=None)

    return float(total())


def check_same_rule(strategy, rule: tuple[float, ...]) -> None:
    """Sees that all workers validate alike, so that they stop at the same step.

    Raises:
        StrategyError: they do not.
    """
    chiefs = tuple(from_chief(strategy, number) for number in rule)
    if chiefs != tuple(map(float, rule)):
        raise StrategyError(
            "workers validate differently: give all of them the same --holdout, "
            "--validation_path, --validation_interval, --patience and --early_stop"
        )


def share_of_worker(strategy) -> tuple[int, int]:
    """(index of this worker, number of all workers)."""
    if not is_multiworker(strategy):
        return 0, 1
    return _index_of_worker(strategy.cluster_resolver), len(cluster.workers())


def _replicas_here(strategy) -> int:
    return strategy.num_replicas_in_sync // len(cluster.workers())


def is_multiworker(strategy) -> bool:
    """Whether several processes train together."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def rows_of_worker(strategy, batch_size: int) -> slice:
    """Which rows of each batch this process has to make.

    Raises:
        StrategyError: the batch cannot be divided evenly.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        even = batch_size // replicas * replicas or replicas
        raise StrategyError(
            f"a batch of {batch_size} cannot be divided evenly among {replicas} "
            f"devices; take --hparams=batch_size={even}"
        )
    if not is_multiworker(strategy):
        return slice(0, batch_size)
    share = batch_size // len(cluster.workers())
    first = share * _index_of_worker(strategy.cluster_resolver)
    return slice(first, first + share)


def _index_of_worker(resolver):
    chiefs = len(resolver.cluster_spec().as_dict().get("chief", []))
    return resolver.task_id + (chiefs if resolver.task_type == "worker" else 0)


def part_of_replica(batch):
    """Of the rows that a process has made, those of the replica that asks."""
    context = tf.distribute.get_replica_context()
    here = context.num_replicas_in_sync
    if is_multiworker(context.strategy):
        here //= len(cluster.workers())
    if here == 1:
        return batch
    number = int(tf.get_static_value(context.replica_id_in_sync_group)) % here
    return tf.nest.map_structure(lambda tensor: tf.split(tensor, here)[number], batch)


@contextlib.contextmanager
def translate_worker_errors(strategy):
    """Context that reports the failure of another worker as a WorkerLost.

    Raises:
        WorkerLost: another worker is gone, or cannot be reached.
    """
    try:
        yield
    except tf.errors.OpError as error:
        if not is_multiworker(strategy):
            raise
        raise WorkerLost(
            "another worker of TF_CONFIG is gone, or cannot be reached, and training "
            "cannot go on without it. Start all workers again with the same commands: "
            "they go on from the last checkpoint. "
            f"TensorFlow's message: {str(error).strip().splitlines()[0]}"
        ) from error
