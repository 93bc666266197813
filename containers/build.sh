#!/usr/bin/env bash
# Build the image from the sources here; `make image`, `make image-gpu`, `make docker-image` call it.
#
#   containers/build.sh sif VARIANT FILE      with Apptainer; FILE ends in .sif, and the list of what
#                                             is in it (CycloneDX) is put beside it as .cdx.json
#   containers/build.sh docker VARIANT NAME   with Docker, or with Buildah where there is no Docker
#   containers/build.sh sources               list the files that go into it
#
# Variables, all optional:
#   BASE_IMAGE     the base image (NAME:TAG or NAME@sha256:DIGEST); `debootstrap`: a minimal Debian 12
#                  from a Debian mirror, also the fallback if the registry cannot be reached
#   DEBIAN_MIRROR  the mirror of Debian packages; debootstrap's default is the mirror that apt uses
#   INDEX_URL      the index of Python packages (default: PyPI)
#   SSL_CERT_FILE  certificates to trust while building
set -euo pipefail
cd "$(dirname "$0")/.."

default_base=python:3.11-slim-bookworm
base=${BASE_IMAGE:-$default_base}
# On some machines this variable lets root run images; during a build it would break apt's sandbox.
unset APPTAINER_USERNS

say() { echo "build.sh: $*" >&2; }
fail() { say "$@"; exit 2; }
has() { command -v "$1" > /dev/null; }

# List the workflow's own files, without files that running it has added.
sources() {
    find Snakefile config.yaml profiles workflow ddpg containers \
        results/published results/reference results/rates.csv \
        pyproject.toml README.md LICENSE \
        ! -type d ! -name '*.pyc' ! -name '*.sif' ! -name '*.cdx.json' ! -name '.*' | sort
}

# Sets `arguments`, `context` and `work`, a temporary directory with SPACE gigabytes.
prepare() { # prepare VARIANT SPACE
    local lock=containers/locks/$1.txt temporary=${APPTAINER_TMPDIR:-${TMPDIR:-/tmp}} free
    [ -e "$lock" ] || fail "no variant '$1': there is no $lock"
    [ -d "$temporary" ] || fail "$temporary: no such directory; correct TMPDIR or APPTAINER_TMPDIR"
    free=$(($(df --output=avail --block-size=MB "$temporary" | tr -dc 0-9) / 1000))
    [ "$free" -ge "$2" ] || fail "building takes $2 GB in $temporary, which has $free GB free;" \
        "free some, or set TMPDIR (or APPTAINER_TMPDIR) to a directory with more"
    work=$(mktemp -d "$temporary/ddpg-image.XXXXXX")
    trap 'chmod -R u+w "$work"; rm -rf "$work" "${part:-}"' EXIT
    context=$work/sources
    mkdir "$context"
    sources | tar --create --dereference --files-from=- | tar --extract --directory="$context"
    arguments=(
        --build-arg VARIANT="$1"
        --build-arg VERSION="$(sed -nE 's/^version = "(.*)"/\1/p' pyproject.toml)"
        --build-arg REVISION="$(git describe --always --abbrev=40 --dirty 2> /dev/null || echo none)"
        --build-arg LOCK="$(sha256sum "$lock" | cut -d ' ' -f 1)"
        --build-arg DEBIAN_MIRROR="${DEBIAN_MIRROR:-}"
        --build-arg INDEX_URL="${INDEX_URL:-}"
    )
    # Files in the image get the time of the last change.
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2> /dev/null || stat -c %Y pyproject.toml)
    export SOURCE_DATE_EPOCH
}

# `use_debootstrap COMMAND...`: true if the user asked for it, or if COMMAND, which pulls the base
# image, fails.
use_debootstrap() {
    [ "$base" != debootstrap ] || return 0
    ! "$@" 2> "$work/pull.log" || return 1
    [ -z "${BASE_IMAGE:-}" ] || fail "cannot pull $base: $(tail -n 1 "$work/pull.log")"
    say "cannot pull $base ($(tail -n 1 "$work/pull.log")); building on Debian's own packages instead"
}

debootstrap_base() { # a bare Debian 12 in $work/debian
    local needed
    for needed in debootstrap apptainer; do
        has $needed || fail "$needed is missing; it is needed to build the base image from Debian's packages:" \
            "install it, or give a BASE_IMAGE that can be pulled"
    done
    local lists=(/etc/apt/sources.list.d/debian.sources /etc/apt/sources.list)
    local mirror=${DEBIAN_MIRROR:-$(cat "${lists[@]}" 2> /dev/null |
        sed -nE 's/^(URIs:|deb( \[.*\])?) +([^ ]+).*/\3/p' | head -n 1)}
    [ -n "$mirror" ] || fail "no Debian mirror found in apt's sources; give DEBIAN_MIRROR"
    printf '%s\n' "Bootstrap: debootstrap" "OSVersion: bookworm" "MirrorURL: $mirror" > "$work/base.def"
    apptainer build --fakeroot --sandbox "$work/debian" "$work/base.def" > "$work/base.log" 2>&1 || {
        tail -n 20 "$work/base.log" >&2
        fail "debootstrap failed"
    }
}

image_sif() { # sif VARIANT FILE
    has apptainer || fail "apptainer is missing; see https://apptainer.org/docs/admin/latest/"
    # Measured: 4.6 (cpu) and 11 GB (gpu).
    local -A space=([cpu]=5 [gpu]=12)
    prepare "$1" "${space[$1]:-5}"
    local bootstrap=docker target userns=()
    target=$(realpath --no-symlinks "$2")
    if use_debootstrap apptainer pull --disable-cache "$work/base.sif" "docker://$base"; then
        debootstrap_base
        bootstrap=localimage base=debian
    fi
    [ -z "${SSL_CERT_FILE:-}" ] || arguments+=(--bind "$SSL_CERT_FILE:/run/secrets/ca")
    # Use relative paths, because the image records the paths that it was built from.
    cd "$work"
    apptainer build --fakeroot --force "${arguments[@]}" --build-arg BOOTSTRAP="$bootstrap" \
        --build-arg BASE_IMAGE="$base" --build-arg SOURCES=sources \
        --mksquashfs-args "-comp zstd -Xcompression-level 3" image.sif sources/containers/ddpg.def
    # On some machines root cannot mount an image outside a user namespace.
    [ $EUID != 0 ] || userns=(--userns)
    apptainer --silent exec "${userns[@]}" image.sif cat /opt/venv/sbom.cdx.json > image.cdx.json
    # Via another name, because `mv` to another file system may stop halfway.
    part=$(dirname "$target")/.$(basename "$target").tmp
    mv image.sif "$part" || fail "$target could not be written"
    mv "$part" "$target"
    mv image.cdx.json "${target%.sif}.cdx.json"
}

image_docker() { # docker VARIANT NAME
    local engine=docker build=(build) imported=localhost/ddpg-debian:bookworm replaced reason
    # A Docker client without a running server does not count.
    reason=$(docker info 2>&1) || engine=buildah build=(build --isolation chroot)
    if ! has $engine; then
        ! has docker || fail "Docker cannot be used: ${reason##*$'\n'}"
        fail "neither Docker nor Buildah is installed; install one of them"
    fi
    export DOCKER_BUILDKIT=1 # the Dockerfile mounts a secret, and Docker before 23 does not by itself
    prepare "$1" 1
    replaced=$(find_images $engine "$2"; find_images $engine $imported)
    if use_debootstrap $engine pull --quiet "$base"; then
        debootstrap_base
        base=$imported
        # Without Apptainer's own files and links.
        find "$work/debian" -maxdepth 1 -lname '.singularity.d/*' -delete
        tar --create --directory="$work/debian" --owner=0 --group=0 --exclude=./.singularity.d . |
            import_base $engine
    fi
    [ -z "${SSL_CERT_FILE:-}" ] || arguments+=(--secret "id=ca,src=$SSL_CERT_FILE")
    $engine "${build[@]}" "${arguments[@]}" --build-arg BASE_IMAGE="$base" \
        --tag "$2" --file containers/Dockerfile "$context"
    remove_unnamed $engine $replaced
}

# An image keeps its 3 GB when a new build takes over its name.
find_images() { # find_images ENGINE NAME
    "$1" images --quiet --no-trunc "$2" 2> /dev/null || true
}

remove_unnamed() { # remove_unnamed ENGINE ID...: those that have no name now and no container
    local id
    for id in "${@:2}"; do
        ! "$1" images --quiet --no-trunc --filter dangling=true | grep -xF "$id" > /dev/null ||
            "$1" rmi "$id" > /dev/null || say "the previous image, $id, was kept"
    done
}

import_base() { # import_base ENGINE < TAR
    if [ "$1" = docker ]; then
        docker import - "$base" > /dev/null
    else
        local container
        cat > "$work/base.tar"
        container=$(buildah from scratch)
        buildah add --quiet "$container" "$work/base.tar" / > /dev/null
        buildah commit --quiet --rm "$container" "$base" > /dev/null
    fi
}

case "${1:-}" in
    sif | docker) "image_$1" "${@:2}" ;;
    sources) sources ;;
    *) sed -n '2,/^set/{/^#/s/^# \?//p}' "$0" >&2; exit 2 ;;
esac
