#!/usr/bin/env bash
# Builds the image on a fresh Debian without a Docker daemon, starts it and analyses one series.
set -euo pipefail
# Each job in the background gets a process group of its own, by which `stop` finds its processes.
set -m
cd "$(dirname "$0")/.."

work=$PWD/build/image
data=$work/data
# Where the build finds this machine's files.
host=/run/host
base=localhost/falx-base
image=localhost/falx

main() {
    [ "$(id -u)" = 0 ] || { echo "make image needs root: it builds file systems" >&2; exit 1; }
    mkdir -p "$work"
    install_tools
    buildah inspect --type image $base > /dev/null 2>&1 || make_base
    build
    try
    echo "image $image: $(buildah images --format '{{.Size}}' $image)"
}

buildah() {
    command buildah --storage-driver vfs --root "$work/storage" --runroot "$work/state" "$@"
}

install_tools() {
    type -P debootstrap > /dev/null && type -P buildah > /dev/null && return
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends debootstrap buildah
}

# The package sources of this machine also serve the base, where this machine is a bookworm itself.
make_base() {
    local sources mirror container
    # shellcheck disable=SC2016  # apt fills the names in
    sources=$(apt-get indextargets --format 'deb $(REPO_URI) $(CODENAME) $(COMPONENT)' \
        'Created-By: Packages' 'Origin: Debian' | grep ' bookworm' || true)
    mirror=$(awk '$3 == "bookworm" { print $2; exit }' <<< "$sources")
    rm -rf "$work/base"
    debootstrap --variant=minbase bookworm "$work/base" ${mirror:+"$mirror"}
    [ -z "$sources" ] || echo "$sources" > "$work/base/etc/apt/sources.list"
    rm -rf "$work/base"/var/{cache/apt,lib/apt/lists}/*
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$work/base" / > /dev/null
    buildah commit --quiet --rm "$container" $base > /dev/null
    rm -rf "$work/base"
}

# A build inside a chroot sees neither the settings of apt and pip here nor the files they name.
build() {
    local mounts=() path
    apt-config dump | grep '^Acquire::' > "$work/apt.conf"
    mounts+=(--volume "$work/apt.conf:/etc/apt/apt.conf.d/90build:ro")
    { echo "[global]"; pip_settings | sed -E "s#(file://| )/#\1$host/#g"; } > "$work/pip.conf"
    mounts+=(--volume "$work/pip.conf:/etc/pip.conf:ro")
    for path in $(pip_settings | local_paths); do
        mounts+=(--volume "$path:$host$path:ro")
    done
    buildah bud --isolation chroot --format docker --pull-never --build-arg BASE=$base \
        "${mounts[@]}" --tag $image .
    # What this build replaces.
    buildah rmi --prune > /dev/null
}

# What pip would use here, one `name = value` a line; its list starts with the environment's.
pip_settings() {
    python3 -m pip config list \
        | sed -nE "s/\\\\n/ /g; s/^(:env:|global|install)\.([a-z-]+)='(.*)'\$/\2 = \3/p" \
        | awk '!seen[$1]++'
}

# The files and folders among them; the pages of a local index ("simple") point to files beside it.
local_paths() {
    grep -oE '(file://| )/[^ ]+' | sed -E 's#^(file://| )##; s#/simple/?$##' | sort -u \
        | while read -r path; do [ ! -e "$path" ] || echo "$path"; done
}

try() {
    local container port password entrypoint command check
    rm -rf "$data"
    install --directory --owner 10001 --group 10001 "$data"
    container=$(buildah from --pull-never $image)
    # shellcheck disable=SC2064  # the name of now is meant
    trap "stop '$container'" EXIT
    port=$(python3 -c "import socket; s = socket.socket(); s.bind(('', 0)); print(s.getsockname()[1])")
    mapfile -t entrypoint < <(configured Entrypoint)
    mapfile -t command < <(configured Cmd)
    mapfile -t check < <(configured Healthcheck.Test)

    within "$container" "$port" "${entrypoint[@]}" setup | tee "$work/setup.log"
    password=$(sed -nE 's/^First administrator: .*password: //p' "$work/setup.log")
    within "$container" "$port" "${entrypoint[@]}" "${command[@]}" > "$work/web.log" 2>&1 &
    within "$container" "$port" "${entrypoint[@]}" worker > "$work/worker.log" 2>&1 &
    within "$container" "$port" python -c "$series_to_upload"
    python3 deploy/try_upload.py "http://127.0.0.1:$port" "$password" "$data/series" \
        || { tail -n 40 "$work/web.log" "$work/worker.log"; return 1; }
    within "$container" "$port" "${check[@]:1}"
    echo "health check of the image: passed"
}

readonly series_to_upload='
from pathlib import Path
from model.data.synthetic.dicom import write_series
from model.data.synthetic.scan import Scan
from model.data.synthetic.series import bleeding_of, make_series
head = make_series(1, Scan(), bleeding_of("subdural"))
write_series(Path("/var/lib/falx/series"), head)
'

within() {
    buildah run --isolation chroot --volume "$data:/var/lib/falx" --env "FALX_PORT=$2" "$1" -- "${@:3}"
}

configured() {
    buildah inspect --type image --format "{{range .Docker.Config.$1}}{{println .}}{{end}}" $image \
        | sed '/^$/d'
}

stop() {
    local job
    for job in $(jobs -p); do
        pkill --pgroup "$job" python || true
    done
    wait
    buildah rm "$1" > /dev/null
}

main
