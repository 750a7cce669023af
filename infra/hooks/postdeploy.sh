#!/bin/sh
# Asks the app that was just deployed whether it works. If not, the deployment fails, and the package that worked last is put back.
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}

if [ -n "${AUTH_CLIENT_ID:-}" ]; then
    TOKEN=$(az account get-access-token --resource "api://$AUTH_CLIENT_ID" --query accessToken --output tsv)
    export TOKEN
else
    KEY=$(az functionapp keys list --resource-group "$AZURE_RESOURCE_GROUP" --name "$APP_NAME" --query functionKeys.default --output tsv)
    export KEY
fi

works() { # an app that starts is slow to answer at first
    tries=${SMOKE_TRIES:-5}
    until "$python" -m tools.smoke "$APP_URL"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep "${SMOKE_PAUSE:-30}"
    done
}

if works; then
    "$python" -m tools.releases works "$(cat dist/kept)"
    exit 0
fi

echo "The app that was deployed does not work." >&2
if ! last=$("$python" -m tools.releases last); then
    echo "No package has worked before: there is none to put back." >&2
    exit 1
fi
package=$("$python" -m tools.releases get "$last")
az functionapp deployment source config-zip --resource-group "$AZURE_RESOURCE_GROUP" --name "$APP_NAME" --src "$package" --build-remote true >&2
if works; then
    echo "$last is back and works; this deployment has failed." >&2
else
    echo "$last is back and does not work either: see docs/operating.md, The app does not answer." >&2
fi
exit 1
