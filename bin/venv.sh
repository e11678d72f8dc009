# Sourced by demo and test. They set ROOT, the folder of the project.
#
# `install EXTRA` brings the project into ROOT/.venv, editable, and does nothing when
# that is done already. PYTHON chooses the interpreter.

VENV="$ROOT/.venv"
SUPPORTED='import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))'
VERSION='import sys; print("%d.%d" % sys.version_info[:2])'

say() {
    printf '%s\n' "$*" >&2
}

install() {
    if ! venv_will_do; then
        find_python
        make_venv
    fi
    # The path is part of the stamp: an editable install of a moved folder is void.
    wanted="$(cksum < "$ROOT/setup.py") $ROOT $1"
    case "$(cat "$VENV/installed" 2> /dev/null)" in
        "$wanted"*) return ;;
    esac
    say "Installing music_vae_tf and what it needs into $VENV."
    say "TensorFlow is large: this takes two to ten minutes the first time ..."
    started=$(date +%s)
    if ! (cd "$ROOT" && "$VENV/bin/python" -m pip install -qq \
        --disable-pip-version-check --editable ".${1:+[$1]}"); then
        say "Installing failed; pip's reason stands above. When it is mended (network,"
        say "disk space), the same command goes on from here."
        exit 1
    fi
    printf '%s' "$wanted" > "$VENV/installed"
    say "Installed in $(($(date +%s) - started)) seconds."
}

# There is an environment, it works, and it is of the PYTHON that was asked for, if any.
venv_will_do() {
    "$VENV/bin/python" -m pip --version > /dev/null 2>&1 || return 1
    "$VENV/bin/python" -c "$SUPPORTED" || return 1
    [ -z "${PYTHON:-}" ] ||
        [ "$("$VENV/bin/python" -c "$VERSION")" = "$("$PYTHON" -c "$VERSION")" ]
}

# Sets PYTHON to an interpreter that TensorFlow supports: the one asked for, or python3,
# or one of the names that go with a version.
find_python() {
    asked=${PYTHON:-}
    set -- python3 python3.13 python3.12 python3.11 python3.10
    [ -z "$asked" ] || set -- "$asked"
    for PYTHON in "$@"; do
        "$PYTHON" -c "$SUPPORTED" 2> /dev/null && return
    done
    if found=$("$1" -c "$VERSION" 2> /dev/null); then
        say "$1 is Python $found; music_vae_tf needs 3.10, 3.11, 3.12 or 3.13,"
        say "the versions that TensorFlow supports."
    else
        say "There is no $1 here; music_vae_tf needs Python 3.10 to 3.13."
    fi
    say "Install one of them, and name it if it is not found by itself:"
    say "    PYTHON=/path/to/python3.12 $0"
    exit 1
}

make_venv() {
    say "Making $VENV with Python $("$PYTHON" -c "$VERSION")."
    rm -rf "$VENV"
    "$PYTHON" -m venv "$VENV" >&2 && return
    rm -rf "$VENV"
    say "Making a virtual environment failed; Python's reason stands above. On Debian"
    say "and Ubuntu its parts are packaged apart from Python:"
    say "    sudo apt install python$("$PYTHON" -c "$VERSION")-venv"
    exit 1
}
