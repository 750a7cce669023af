#!/bin/sh
# Makes .venv hold what requirements-dev.lock says. Quick when it does; goes on from where an interrupted run stopped.
set -eu
cd "$(dirname "$0")/.."
lock=requirements-dev.lock
installed=.venv/$lock # a copy, written last: what was installed to its end

cmp -s "$lock" "$installed" && exit 0

if [ -L .venv ]; then
    echo ".venv is a link to an environment that does not hold what $lock says: it belongs to others and is left as it is" >&2
    exit 1
fi
python=$(sh tools/find-python.sh)
if [ -e "$installed" ]; then
    echo "$lock has changed: making .venv again" >&2
    "$python" -m venv --clear .venv
elif ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    "$python" -m venv --clear .venv
fi
echo "Installing $lock into .venv (once)" >&2
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
cp "$lock" "$installed"
