"""Packaging. The package in the checkout is the package that is installed.

`configs/` lies at the top of the checkout and is installed as data inside the package;
`music_vae_tf.config.configs_folder` knows both places.
"""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = next(
    line.split('"')[1]
    for line in (HERE / "music_vae_tf" / "__init__.py").read_text().splitlines()
    if line.startswith("__version__")
)
COMMANDS = [
    "convert_dir_to_note_sequences",
    "music_vae_train",
    "music_vae_generate",
    "music_vae_preprocess_tfrecord",
    "music_vae_benchmark",
    "clef_lstm_prepare",
    "clef_lstm_train",
    "clef_lstm_generate",
    "clef_lstm_evaluate",
    "music_vae_prepare_groove",
    "music_vae_evaluate",
    "music_vae_explore",
    "music_vae_inspect",
    "music_vae_serve",
    "music_vae_export",
    "piano_roll_vae_prepare",
    "piano_roll_vae_train",
    "piano_roll_vae_generate",
    "piano_roll_vae_evaluate",
]
# --tfds_name: MIDI data sets of TensorFlow Datasets. Older ones look for each set in a
# bucket that is gone, and wait for it.
# On Python 3.10 pip finds no versions of what it needs that go together.
TFDS = ["tensorflow-datasets>=4.9.10; python_version >= '3.11'"]
# music_vae_preprocess_tfrecord, on one machine or many.
BEAM = ["apache-beam>=2.70"]
# Scores: read, and those that music21 brings; written, kept as tables, engraved, as
# PNG, as PDF. For Python 3.10 there is music21 9.9.
SCORE = [
    "music21>=9.9",
    "pandas>=2",
    "verovio>=4",
    "resvg-py>=0.2",
    "svglib>=1.6",
    "reportlab>=4",  # of svglib
]
# REMI tokens of drums: configs musicvae_groove_tokens and musicvae_groove_tokens_small.
TOKENS = ["miditok>=3.1", "symusic>=0.5"]
# A latent space in two dimensions: music_vae_explore.
UMAP = ["umap-learn>=0.5.9"]
# Classifiers of the two-sample test: music_vae_evaluate --task.
EVALUATE = ["scikit-learn>=1.4", "threadpoolctl>=3.1"]
# Models for ONNX Runtime: music_vae_export --format=onnx. Newer versions of onnxruntime
# have no wheels for Python 3.10; pip finds 1.23 for it.
ONNX = ["tf2onnx>=1.17", "onnx>=1.19", "onnxruntime>=1.20"]
# A page to play in: music_vae_serve.
SERVE = ["starlette>=1.7", "uvicorn>=0.34"]
# Models of the Hugging Face Hub: --checkpoint_file=hf://user/repo.
HUB = ["huggingface_hub>=0.30"]
# The documentation as a site: bin/docs.
DOCS = [
    *("mkdocs>=1.6,<2", "mkdocs-material>=9.5", "mkdocstrings[python]>=0.27"),
    # The last mkdocstrings for Python 3.10 does not fit newer ones.
    "pymdown-extensions<12; python_version < '3.11'",
]

setup(
    name="music_vae_tf",
    version=VERSION,
    description="MusicVAE and GrooVAE on today's TensorFlow and Keras 3",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    # TensorFlow has wheels for these.
    python_requires=">=3.10,<3.14",
    packages=[
        *find_packages(include=["music_vae_tf", "music_vae_tf.*"]),
        "music_vae_tf.configs",  # data alone: no Python file is in it
    ],
    package_dir={"music_vae_tf.configs": "configs"},
    package_data={
        "music_vae_tf": ["py.typed"],
        "music_vae_tf.configs": ["*.yaml"],
        "music_vae_tf.data": ["grooves.yaml"],
        "music_vae_tf.pretrained": ["*.safetensors", "*.md", "*.json"],
        "music_vae_tf.data.drum_maps": ["*.yaml"],
        "music_vae_tf.serve": ["static/*"],
    },
    install_requires=[
        # The tests pass with the newest of these versions, which the upper bounds name.
        "tensorflow>=2.18,<2.22",
        "keras>=3.8,<3.16",
        # The posterior is a tfp distribution; tfp needs tf_keras beside Keras 3.
        "tensorflow-probability>=0.25,<0.26",
        "tf_keras>=2.18,<2.22",
        # NoteSequences, and MIDI, MusicXML and ABC to and from them.
        "note_seq>=0.0.5",
        # Of note_seq. Older ones import pkg_resources, which setuptools no longer has.
        "pretty_midi>=0.2.11",
        # Of note_seq, too: its pydub needs audioop, which Python 3.13 no longer has.
        "audioop-lts; python_version >= '3.13'",
        # MIDI files are written with it; pretty_midi reads unusual ones with it.
        "mido>=1.3",
        "protobuf>=4.21.2,<8",
        "numpy>=1.26,<3",
        # Checksums of TFRecord files, which are read without TensorFlow.
        "google-crc32c>=1.5",
        # Flags, in the commands' spelling.
        "absl-py>=2",
        # Configs and grooves are YAML.
        "PyYAML>=6",
        # Training's summaries; TensorFlow 2.21 no longer brings it.
        "tensorboard>=2.18",
        # Piano-roll pictures.
        "matplotlib>=3.8",
        # Weights of the pretrained models.
        "safetensors>=0.4.3",
        # Sound: a synthesiser without system libraries.
        "midirenderer>=0.1.3",
        # Sound at other sample rates; note_seq brings it as well.
        "scipy>=1.10",
        # Progress bars; Keras brings it as well.
        "rich>=13",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.18,<2.22"],
        "tfds": TFDS,
        "beam": BEAM,
        "score": SCORE,
        "audio": [],  # sound needs no extra any more
        "tokens": TOKENS,
        "umap": UMAP,
        "evaluate": EVALUATE,
        "onnx": ONNX,
        "hub": HUB,
        "serve": SERVE,
        "docs": DOCS,
        "test": [
            *TFDS,
            *BEAM,
            *SCORE,
            *TOKENS,
            *UMAP,
            *EVALUATE,
            *ONNX,
            *HUB,
            *SERVE,
            "httpx2>=2",  # of starlette's TestClient
            "selenium>=4.20",  # the page in Chromium, where that is installed
            *DOCS,
            "nbclient>=0.10",
            "ipykernel>=6",
            "pytest>=8",
            "selenium>=4.20",  # a page of Magenta.js in Chromium
            "pytest-xdist>=3.6",
            "pytest-cov>=5",
            "pyright[nodejs]>=1.1.400",
            "hypothesis>=6.100",
            # What it accepts changes from one minor version to the next.
            "ruff>=0.17,<0.18",
            # The tests build wheels without a network.
            "setuptools>=77",
        ],
    },
    entry_points={
        "console_scripts": [
            f"{name}=music_vae_tf.commands.{name}:run" for name in COMMANDS
        ]
    },
    classifiers=[
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Operating System :: MacOS",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Sound/Audio :: MIDI",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
