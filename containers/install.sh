#!/bin/sh
# Everything that goes into the image. The Dockerfile and ddpg.def run this as root, on their base:
#
#   install.sh packages VARIANT            what containers/locks/VARIANT.txt pins
#   install.sh workflow VERSION REVISION   the workflow in /opt/ddpg, and the image's identity
#
# DEBIAN_MIRROR and INDEX_URL, where set, take the place of Debian's servers and of PyPI, and the
# file /run/secrets/ca, where there is one, says which certificates to trust. None stays in the image.
set -eu
umask 022 # any user may run what is installed
cd /opt/ddpg
venv=/opt/venv
modules=$venv/lib/python3.11/site-packages

packages() {
    lock=containers/locks/$1.txt
    [ -e "$lock" ] || { echo "install.sh: no variant '$1': there is no $lock" >&2; exit 2; }
    system_packages
    python_packages "$lock"
    rm -rf "$modules/tensorflow/include" # 430 MB of C++ headers
    cp "$lock" $venv/lock.txt
    echo "$1" > $venv/variant
}

# git tells run.json the revision of a checkout; the GL libraries draw without a screen.
system_packages() {
    set -- ca-certificates git libegl1 libgl1 libgl1-mesa-dri libopengl0
    command -v python3.11 > /dev/null || set -- "$@" python3.11-venv
    options=
    if [ -n "${DEBIAN_MIRROR:-}" ]; then
        echo "deb $DEBIAN_MIRROR $(. /etc/os-release && echo "$VERSION_CODENAME") main" > /opt/mirror.list
        options="-o Dir::Etc::SourceList=/opt/mirror.list -o Dir::Etc::SourceParts=-"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get $options update -qq
    apt-get $options install -qq --no-install-recommends "$@" > /opt/apt.log 2>&1 ||
        { cat /opt/apt.log; exit 1; }
    rm -rf /opt/mirror.list /opt/apt.log /var/lib/apt/lists/* /var/cache/apt/*
    find /var/log -type f -delete
}

python_packages() {
    if [ -s /run/secrets/ca ]; then
        export SSL_CERT_FILE=/run/secrets/ca PIP_CERT=/run/secrets/ca
    fi
    if [ -n "${INDEX_URL:-}" ]; then
        export PIP_INDEX_URL="$INDEX_URL" UV_DEFAULT_INDEX="$INDEX_URL"
    fi
    # Beside the environment, so that uv moves files out of its cache instead of copying them.
    export UV_CACHE_DIR=/opt/uv/cache
    # Byte code that does not depend on file times, which not every image format keeps.
    export PYC_INVALIDATION_MODE=UNCHECKED_HASH
    python3.11 -m venv /opt/uv
    /opt/uv/bin/pip install --quiet --no-cache-dir --require-hashes -r containers/locks/uv.txt
    python3.11 -m venv --without-pip $venv
    /opt/uv/bin/uv pip install --quiet --python $venv/bin/python --compile-bytecode \
        --require-hashes -r "$1"
    rm -rf /opt/uv
}

workflow() {
    # The image's modules are found everywhere; in a checkout, the checkout's come first.
    echo /opt/ddpg > $modules/ddpg.pth
    $venv/bin/python -m compileall -q --invalidation-mode unchecked-hash ddpg
    $venv/bin/python containers/identify.py "$@" > $venv/image.json
    chmod -R a+rX,go-w .
    # Where `docker run` starts; any user may write there.
    mkdir -p /work && chmod 1777 /work
}

"$@"
