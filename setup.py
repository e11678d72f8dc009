"""Packaging: `configs/` and `bin/` at the top ship inside the package.

They are installed as `music_vae_tf.configs` and `music_vae_tf.bin`; console scripts
point at the latter.
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
]

setup(
    name="music_vae_tf",
    version=VERSION,
    description="MusicVAE and GrooVAE on today's TensorFlow and Keras 3",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=[
        *find_packages(include=["music_vae_tf", "music_vae_tf.*"]),
        "music_vae_tf.configs",
        "music_vae_tf.bin",
    ],
    package_dir={"music_vae_tf.configs": "configs", "music_vae_tf.bin": "bin"},
    package_data={"music_vae_tf.configs": ["*.yaml"]},
    install_requires=[
        "tensorflow>=2.18",
        "keras>=3.8",
        # The posterior is a tfp distribution; tfp needs tf_keras beside Keras 3.
        "tensorflow-probability>=0.25",
        "tf_keras>=2.18",
        "note_seq>=0.0.5",
        # Older releases import pkg_resources, which setuptools no longer has.
        "pretty_midi>=0.2.11",
        "numpy",
        "absl-py",
        "PyYAML",
        # TensorFlow 2.21 no longer brings it, and summaries fail without it.
        "tensorboard",
        # Piano-roll pictures, and the progress bars (Keras brings rich as well).
        "matplotlib",
        "rich",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]"],
        "test": ["pytest", "pytest-xdist", "hypothesis", "ruff"],
    },
    entry_points={
        "console_scripts": [f"{name}=music_vae_tf.bin.{name}:run" for name in COMMANDS]
    },
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3",
        "Topic :: Multimedia :: Sound/Audio :: MIDI",
    ],
)
