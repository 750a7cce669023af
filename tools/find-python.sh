#!/bin/sh
# Prints a Python 3.13: each candidate is run, because a name on the PATH may be a shim with nothing behind it.

candidates() {
    printf '%s\n' "${PYTHON:-}" python3.13 python3
    for found in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python; do
        printf '%s\n' "$found"
    done
    uv python find 3.13 2>/dev/null
}

is_python_3_13() {
    [ -n "$1" ] && [ "$("$1" -c 'import sys; print(sys.version_info[:2] == (3, 13))' 2>/dev/null)" = True ]
}

IFS='
'
for candidate in $(candidates); do
    if is_python_3_13 "$candidate"; then
        printf '%s\n' "$candidate"
        exit 0
    fi
done
echo "Python 3.13 is needed and was not found: install it (for example: uv python install 3.13, or pyenv install 3.13), or name one with PYTHON=/path/to/python3.13" >&2
exit 1
