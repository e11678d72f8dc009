"""Commands understand their flags, explain themselves, and speak of mistakes."""

import logging
import os
import sys

import pytest
from absl import logging as absl_logging

from music_vae_tf.commands.command import Command, UserError, writable_directory
from music_vae_tf.errors import UserFacingError

DOC = """Do one thing.

Example:

    thing --input_dir=here --num_outputs=2
"""


def thing(main):
    command = Command("thing", DOC)
    command.string("input_dir", None, "Where it is.", required=True)
    command.string("name", "", "What it is called.")
    command.integer("num_outputs", 5, "How many.", at_least=1)
    command.float("temperature", 0.5, "How wild.")
    command.boolean("recursive", False, "How deep.")
    command.enum("mode", "sample", ["sample", "interpolate"], "How.")
    return command.entry(main)


@pytest.fixture
def values():
    """Runs the command and gives the values of its flags."""

    def run(*arguments):
        seen = []
        assert thing(seen.append)(["--input_dir=x", *arguments]) == 0
        return seen[0]

    return run


@pytest.fixture
def refused(capsys):
    """Runs the command, which must refuse, and gives what it says."""

    def run(*arguments):
        assert thing(lambda flags: pytest.fail("was run"))(arguments) == 2
        return capsys.readouterr().err

    return run


def test_flags_have_their_defaults(values):
    flags = values()
    assert (flags.input_dir, flags.name, flags.num_outputs) == ("x", "", 5)
    assert (flags.temperature, flags.recursive, flags.mode) == (0.5, False, "sample")
    assert not flags["num_outputs"].present


@pytest.mark.parametrize(
    "arguments",
    [
        ["--num_outputs=2", "--recursive", "--temperature=1e-3"],
        ["--num_outputs", "2", "--recursive=true", "--temperature", ".001"],
        ["-num_outputs=2", "-recursive", "-temperature=0.001"],
        ["--num_outputs=7", "--num_outputs=2", "--recursive", "--temperature=0.001"],
    ],
)
def test_flags_are_written_as_absl_takes_them(values, arguments):
    flags = values(*arguments)
    assert (flags.num_outputs, flags.recursive, flags.temperature) == (2, True, 0.001)
    assert flags["num_outputs"].present


def test_a_switch_can_be_turned_off_and_a_choice_has_no_case(values):
    assert not values("--recursive", "--norecursive").recursive
    assert values("--mode=Interpolate").mode == "interpolate"


def test_one_call_leaves_nothing_for_the_next():
    seen = []
    run = thing(lambda flags: seen.append(flags.num_outputs))
    run(["--input_dir=x", "--num_outputs=2"])
    run(["--input_dir=x"])
    assert seen == [2, 5]


def test_arguments_come_from_the_command_line_if_not_given(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["thing", "--input_dir=y"])
    seen = []
    assert thing(lambda flags: seen.append(flags.input_dir))() == 0
    assert seen == ["y"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--input_dir is required: Where it is."),
        (["--input_dir="], "--input_dir= is empty: give a value, or leave out"),
        (["--input_dir", ""], "A variable of the shell may not be set"),
        (["--imput_dir=x"], "unknown flag --imput_dir; did you mean --input_dir?"),
        (["--norecursiv"], "did you mean --norecursive"),
        (["--xyzzy"], "unknown flag --xyzzy\n"),
        (["--num_outputs=0"], "--num_outputs=0: 0 is not"),
        (["--num_outputs=a"], "--num_outputs=a: invalid literal"),
        (["--num_outputs"], "Missing value for flag --num_outputs"),
        (["--mode=train"], "--mode=train: value should be one of <sample|interpolate>"),
        (["--log=LOUD"], "<DEBUG|INFO|WARN|ERROR|FATAL>"),
        (["--recursive", "true"], "unexpected argument 'true'"),
    ],
)
def test_what_cannot_be_understood_is_refused(refused, arguments, said):
    message = refused(*arguments)
    assert message.startswith("thing: ")
    assert said in message
    assert "Traceback" not in message


@pytest.mark.parametrize("asked", ["--help", "-h", "-help", "--helpfull"])
def test_help_shows_the_example_and_every_flag(capsys, asked):
    assert thing(lambda flags: pytest.fail("was run"))(["--what", asked]) == 0
    shown = capsys.readouterr().out
    assert "thing: Do one thing." in shown
    assert "    thing --input_dir=here --num_outputs=2" in shown
    assert "  --input_dir\n      Where it is. (required)" in shown
    assert "  --num_outputs\n      How many. (default: 5)" in shown
    assert "  --[no]recursive\n      How deep. (default: false)" in shown
    assert "<sample|interpolate>: How. (default: sample)" in shown
    assert "--log" in shown


class Foreign(UserFacingError):
    """Of a module that knows nothing of commands."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UserError("no music there"), "thing: no music there\n"),
        (Foreign("of another module"), "thing: of another module\n"),
        (FileNotFoundError(2, "No such file", "a.mid"), "thing: a.mid: No such file\n"),
        (OSError("disk on fire"), "thing: disk on fire\n"),
    ],
)
def test_a_mistake_of_the_user_is_one_message(capsys, error, said):
    def main(flags):
        raise error

    assert thing(main)(["--input_dir=x"]) == 1
    assert capsys.readouterr() == ("", said)


def test_a_mistake_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        thing(lambda flags: 1 / 0)(["--input_dir=x"])


def test_ctrl_c_is_not_an_error_to_explain(capsys):
    def main(flags):
        raise KeyboardInterrupt

    assert thing(main)(["--input_dir=x"]) == 130
    assert capsys.readouterr().err == "thing: interrupted\n"


def test_the_status_of_main_is_that_of_the_command():
    assert thing(lambda flags: 3)(["--input_dir=x"]) == 3


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("DEBUG", ["warning: a", "b", "c"]),
        ("INFO", ["warning: a", "b"]),
        ("WARN", ["warning: a"]),
        ("ERROR", []),
        ("FATAL", []),
    ],
)
def test_log_chooses_the_messages(capsys, level, shown):
    def main(flags):
        logging.getLogger("music_vae_tf.anything").warning("a")
        absl_logging.info("b")
        logging.getLogger("music_vae_tf").debug("c")

    for _ in range(2):  # a second call does not say everything twice
        thing(main)(["--input_dir=x", f"--log={level}"])
        assert capsys.readouterr().err.splitlines() == shown


def test_tensorflow_is_told_to_be_quiet_unless_the_user_told_it(monkeypatch):
    def main(flags):
        seen.append(os.environ["TF_CPP_MIN_LOG_LEVEL"])

    seen = []
    for arguments in ([], ["--log=DEBUG"]):
        monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
        thing(main)(["--input_dir=x", *arguments])
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "1")
    thing(main)(["--input_dir=x"])
    assert seen == ["3", "0", "1"]


def test_a_directory_is_made_or_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    made = writable_directory("output_dir", "~/a/b")
    assert made == tmp_path / "a" / "b" and list(made.iterdir()) == []
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="--output_dir: .*/file/b cannot be written to"):
        writable_directory("output_dir", tmp_path / "file" / "b")


def test_an_old_name_of_a_flag_is_accepted_and_not_shown():
    command = Command("compose", "Composes.")
    command.string("time_signature", "4/4", "Time signature.")
    command.renamed("metre", "time_signature")
    for spelling in (["--metre=3/4"], ["--metre", "3/4"], ["-metre=3/4"]):
        assert command.parse(spelling).time_signature == "3/4"
    assert "metre" not in command.help()
