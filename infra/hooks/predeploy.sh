#!/bin/sh
# Keeps the package that is about to be deployed: Flex Consumption keeps none but the last.
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
package=$("$python" -m tools.dist | cut -d' ' -f1)

tries=${KEEP_TRIES:-10} # a right that was just given takes some minutes
until "$python" -m tools.releases keep "$package" >dist/kept; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || exit 1
    sleep "${KEEP_PAUSE:-60}"
done
echo "kept for a way back: $(cat dist/kept)"
