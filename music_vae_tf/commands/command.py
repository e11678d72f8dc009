"""The base of all commands: their flags, their help, and readable errors.

A command is a module such as this. It imports nothing heavy before `main` runs:

    command = Command("music_vae_train", __doc__)
    command.string("config", None, "Name of a config, or a YAML file.", required=True)

    def main(flags):
        from music_vae_tf import training
        ...

    run = command.entry(main)

    if __name__ == "__main__":
        sys.exit(run())
"""

from __future__ import annotations

import contextlib
import copy
import difflib
import logging
import math
import os
import re
import sys
import textwrap
from pathlib import Path

from absl import flags as absl_flags

from music_vae_tf import folders
from music_vae_tf.commands import streams
from music_vae_tf.errors import UserFacingError
from music_vae_tf.training.devices import sigterm_interrupts
from music_vae_tf.training.options import LARGEST_SEED as LARGEST_SEED

LOG_LEVELS = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
    "FATAL": logging.CRITICAL,
}
DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
HELP_WIDTH = 88
# How the names of flags end whose values are paths.
PATH = re.compile(
    r"(?:^|_)(?:dir|path|file|files|csv|midi(?:_\d)?|tfrecord|checkpoint|soundfont|"
    r"config|vector|z|input|output|json|weights|magenta|magentajs|drum_map)$"
)


class UserError(UserFacingError, ValueError):
    """A mistake of the user. Its message alone is shown: what came, what was expected,
    and what to do."""


class Misuse(UserError):
    """A command line that cannot be understood."""

    is_misuse = True


def writable_directory(flag: str, directory) -> Path:
    """Makes a directory that a flag names, and sees at once if files can be written.

    Raises:
        UserError: they cannot; the message has the reason.
    """
    directory = Path(os.path.expanduser(directory))
    try:
        folders.make_writable(directory)
    except OSError as error:
        raise UserError(
            f"--{flag}: {directory} cannot be written to: {error.strerror}"
        ) from error
    return directory


class Command:
    """One console command: flags of its own, and how a call of it begins and ends.

    Flags are absl's: `--name=value`, `--name value`, `-name value`, `--switch` and
    `--noswitch`. They are kept apart from those of every other command, so that two
    commands can live in one process.
    """

    def __init__(self, name: str, doc: str):
        """`doc` is what `--help` shows above the flags: the docstring of the
        command's module, with an example command line."""
        self.name = name
        self._doc = doc
        self._required = []
        self._renamed = {}  # {old name of a flag: its name}
        self._flags = absl_flags.FlagValues()
        self._flags.set_gnu_getopt(True)
        self.enum("log", "INFO", LOG_LEVELS, "Which messages are shown.")

    def string(self, name, default, help, *, required=False):
        self._define(absl_flags.DEFINE_string, name, default, help, required)

    def integer(
        self, name, default, help, *, at_least=None, at_most=None, required=False
    ):
        limits = {"lower_bound": at_least, "upper_bound": at_most}
        self._define(absl_flags.DEFINE_integer, name, default, help, required, **limits)

    def float(
        self, name, default, help, *, at_least=None, at_most=None, required=False
    ):
        """A finite number."""

        def define(name, default, help, flag_values):
            parser = _FiniteParser(at_least, at_most)
            serializer = absl_flags.ArgumentSerializer()
            flag = absl_flags.Flag(parser, serializer, name, default, help)
            absl_flags.DEFINE_flag(flag, flag_values)

        self._define(define, name, default, help, required)

    def boolean(self, name, default, help):
        absl_flags.DEFINE_boolean(name, default, help, flag_values=self._flags)

    def lists_configs(self):
        """Adds --list_configs, which prints the table of configs and ends: all as a
        switch, or with a value those that it fits."""
        parser = absl_flags.ArgumentParser()
        flag = absl_flags.Flag(
            parser,
            absl_flags.ArgumentSerializer(),
            "list_configs",
            None,
            "List all configs, and stop; --list_configs=groovae lists some.",
            boolean=True,
        )
        absl_flags.DEFINE_flag(flag, self._flags)

    def enum(self, name, default, choices, help):
        absl_flags.DEFINE_enum(
            name,
            default,
            list(choices),
            help,
            flag_values=self._flags,
            case_sensitive=False,
        )

    def renamed(self, old: str, name: str):
        """Accepts the old name of a flag, without showing it in the help."""
        self._renamed[old] = name

    def _current(self, argument: str) -> str:
        """`--old=value` -> `--name=value`."""
        match = re.fullmatch(r"(--?(?:no)?)(\w+)(=.*)?", argument, re.DOTALL)
        if match is None or match[2] not in self._renamed:
            return argument
        return f"{match[1]}{self._renamed[match[2]]}{match[3] or ''}"

    def _define(self, kind, name, default, help, required, **limits):
        kind(name, default, help, flag_values=self._flags, **limits)
        if required:
            self._required.append(name)

    def entry(self, main):
        """The console entry point `run(argv=None) -> exit status` around
        `main(flags)`.

        `argv` is what follows the command's name. `main` reads values as
        `flags.input_dir` (and `flags["input_dir"].present` says whether it was given)
        and may return an exit status.
        """

        def run(argv=None) -> int:
            arguments = sys.argv[1:] if argv is None else list(argv)
            with streams.unfailing() as stdout:
                return self._after_printing(self._call(main, arguments), stdout.end())

        return run

    def _after_printing(self, status, error):
        """The exit status, which tells when what was printed could not be written; a
        reader that has read enough, as `| head` does, is not a failure."""
        if error is None or isinstance(error, BrokenPipeError):
            return status
        self._say(f"standard output cannot be written to: {error.strerror}")
        return status or FAILED

    def _call(self, main, arguments):
        try:
            if _asks_for_help(arguments):
                return _show(self.help())
            flags = self._read(arguments)
            if _lists_configs(flags):
                from music_vae_tf.commands import config_list

                return _show(config_list.table(flags.list_configs))
            self._check_required(flags)
            with (
                _messages_from(flags.log),
                folders.empty_ones_removed(),
                sigterm_interrupts(),
            ):
                return main(flags) or DONE
        except KeyboardInterrupt:
            self._say("interrupted")
            return INTERRUPTED
        except Exception as error:
            if not _is_for_the_user(error):
                raise
            if getattr(error, "is_misuse", False):
                return self._call_for_help(error)
            self._say(_message(error))
            return FAILED

    def _call_for_help(self, error):
        self._say(f"{_message(error)}\n(--help lists all flags)")
        return MISUSED

    def _say(self, message):
        print(streams.shown(f"{self.name}: {message}"), file=sys.stderr)

    def parse(self, arguments: list[str]) -> absl_flags.FlagValues:
        """The values of all flags.

        Raises:
            Misuse: an unknown flag, a value out of place, or a required flag missing.
        """
        flags = self._read(arguments)
        if not _lists_configs(flags):
            self._check_required(flags)
        return flags

    def _read(self, arguments):
        flags = copy.deepcopy(self._flags)
        try:
            _, *left_over = flags([self.name, *map(self._current, arguments)])
        except absl_flags.UnrecognizedFlagError as error:
            raise Misuse(self._unknown(error.flagname)) from None
        except (absl_flags.Error, ValueError) as error:
            raise Misuse(str(error)) from None
        if left_over:
            raise Misuse(
                f"unexpected argument {left_over[0]!r}; values belong to a flag, as "
                "in --flag=value, and a switch has none, or --switch=false"
            )
        for name in flags:
            _check_value(flags[name])
        return flags

    def _check_required(self, flags):
        for name in self._required:
            if flags[name].value in (None, ""):
                raise Misuse(f"--{name} is required: {flags[name].help}")

    def _unknown(self, name):
        known = [
            spelling
            for known_name in self._flags
            for spelling in _spellings(self._flags[known_name])
        ]
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
        hint = ", ".join(f"--{spelling}" for spelling in near)
        return f"unknown flag --{name}" + (f"; did you mean {hint}?" if hint else "")

    def help(self) -> str:
        """The command's docstring, then every flag with its default and meaning."""
        entries = [
            _help_entry(self._flags[name], name in self._required)
            for name in self._flags
        ]
        return "\n".join([f"{self.name}: {self._doc.strip()}", "", "Flags:", *entries])


class _FiniteParser(absl_flags.FloatParser):
    """Refuses nan, which fulfils every limit of absl's, and infinity."""

    def convert(self, argument) -> float:
        value = super().convert(argument)
        if not math.isfinite(value):
            raise ValueError("expected a finite number")
        return value


def _check_value(flag):
    """Expands `~` in a path, as a shell does not after `--flag=`.

    Raises:
        Misuse: a number is not finite, a path is empty, or a text has a null character,
            which no path and no name has.
    """
    value = flag.value
    if value == "" != flag.default and PATH.search(flag.name):  # not the current folder
        raise Misuse(
            f"--{flag.name}= is empty: give a value, or leave out the flag. A variable "
            "of the shell may not be set"
        )
    if isinstance(value, str) and "\0" in value:
        raise Misuse(f"--{flag.name}={value!r}: a null character is not allowed")
    if isinstance(value, float) and not math.isfinite(value):
        raise Misuse(f"--{flag.name}={value}: a finite number is expected")
    if isinstance(value, str) and value.startswith("~") and PATH.search(flag.name):
        present = flag.present
        flag.value, flag.present = os.path.expanduser(value), present


def _show(text: str) -> int:
    print(text)
    return DONE


def _asks_for_help(arguments):
    asked = {"--help", "-help", "-h", "--helpfull", "--helpshort"}
    return not asked.isdisjoint(arguments)


def _lists_configs(flags) -> bool:
    return "list_configs" in flags and flags.list_configs not in (None, "false")


def _spellings(flag):
    return [flag.name, f"no{flag.name}"] if flag.boolean else [flag.name]


def _help_entry(flag, required):
    name = f"[no]{flag.name}" if flag.boolean else flag.name
    facts = flag.help
    if required:
        facts += " (required)"
    elif flag.default_as_str is not None:
        facts += f" (default: {flag.default_as_str.strip(chr(39))})"
    meaning = textwrap.fill(
        facts, HELP_WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6
    )
    return f"  --{name}\n{meaning}"


def _is_for_the_user(error):
    return isinstance(error, (OSError, UserFacingError))


def _message(error):
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    # Errors of options name them as flags here, and as arguments in Python.
    return getattr(error, "for_flags", "") or str(error) or type(error).__name__


@contextlib.contextmanager
def _messages_from(level_name):
    """While it lasts, absl's and our own messages of this level reach stderr.

    TensorFlow's C++ half reads its threshold from the environment when it is imported,
    hence before anything heavy is.
    """
    level = LOG_LEVELS[level_name]
    quiet = "0" if level <= logging.DEBUG else "3"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", quiet)
    handler = _ToStderr()
    root = logging.getLogger()
    root.addHandler(handler)
    for name in ("absl", "music_vae_tf"):
        logging.getLogger(name).setLevel(level)
    try:
        yield
    finally:
        root.removeHandler(handler)


class _ToStderr(logging.Handler):
    """Writes to whatever stderr is at the moment: a progress bar puts itself there."""

    def emit(self, record):
        notable = record.levelno > logging.INFO
        prefix = f"{record.levelname.lower()}: " if notable else ""
        print(streams.shown(prefix + self.format(record)), file=sys.stderr)
