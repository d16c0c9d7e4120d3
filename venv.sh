#!/bin/sh
# Makes .venv and installs one locked requirements file into it:  sh venv.sh requirements.txt
#
# `make` calls this before every target that runs Python. When nothing changed it only compares two
# digests, so that `make run` works without a network after the first install.
set -eu
cd "$(dirname "$0")"
requirements=$1
stamp=.venv/$requirements.sha256

say() { printf '%s\n' "$*" >&2; }
runs() { "$@" >/dev/null 2>&1; }
is_new_enough() { runs "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; }
# Debian splits ensurepip from Python; without it `python -m venv` makes half an environment.
can_make_venvs() { runs "$1" -c 'import ensurepip, venv'; }
digest() { .venv/bin/python -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$1"; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; else set -- python3 python3.14 python3.13 python3.12 python3.11; fi
    too_bare=
    for python do
        is_new_enough "$python" || continue
        if can_make_venvs "$python"; then return; fi
        too_bare=${too_bare:-$python}
    done
    if [ -n "$too_bare" ]; then
        version=$("$too_bare" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        say "Python $version is here, but its venv module is not. Install it and run make again:"
        say "    apt install python$version-venv"
    else
        say "Python 3.11 or newer is needed, and none was found as ${PYTHON:-python3 or python3.11 to python3.14}."
        say "Install one (on Debian: apt install python3 python3-venv), or name yours: make PYTHON=/path/to/python3 ..."
    fi
    exit 1
}

make_venv() {
    # Not ours: its Python may only be unreadable for us, and whoever made it needs it.
    if [ -e .venv ] && ! [ -O .venv ]; then
        say ".venv belongs to another user and cannot be used by you: run make as that user, or in a copy of your own."
        exit 1
    fi
    find_python
    say "Making .venv with $("$python" --version) ..."
    rm -rf .venv
    "$python" -m venv .venv || { rm -rf .venv; say "The virtual environment .venv could not be made."; exit 1; }
}

install() {
    say "Installing $requirements ..."
    # -qq: pip shows errors only. The hashes in the file are checked against what is downloaded. --no-deps: the file is
    # complete, and pip before 23.3 refuses it ("must have their versions pinned") as soon as there is a newer release of
    # something that another package wants with an extra.
    .venv/bin/python -m pip install -qq --disable-pip-version-check --no-input --no-deps --require-hashes \
        -r "$requirements" || {
        say "$requirements could not be installed; pip says why above. The first install needs the network."
        exit 1
    }
    digest "$requirements" >"$stamp"
}

# A system upgrade can take away the Python that .venv points to.
if ! is_new_enough .venv/bin/python; then make_venv; fi
wanted=$(digest "$requirements")
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then exit 0; fi
# A run that was broken off can leave .venv without pip.
if ! runs .venv/bin/python -m pip --version; then make_venv; fi
install
