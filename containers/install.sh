#!/bin/sh
# Install the contents of the image. The Dockerfile and ddpg.def run this as root on their base image:
#
#   install.sh packages VARIANT            what containers/locks/VARIANT.txt pins
#   install.sh workflow VERSION REVISION   the workflow in /opt/ddpg, and the image's identity
#
# DEBIAN_MIRROR and INDEX_URL, if set, replace Debian's servers and PyPI, and the file
# /run/secrets/ca, if it exists, holds the certificates to trust. None of them stays in the image.
set -eu
umask 022 # any user may run what is installed
cd /opt/ddpg
venv=/opt/venv
tools=/opt/tools # deleted when the packages are installed
modules=$venv/lib/python3.11/site-packages

packages() {
    lock=containers/locks/$1.txt
    [ -e "$lock" ] || { echo "install.sh: no variant '$1': there is no $lock" >&2; exit 2; }
    system_packages
    python_packages "$lock"
    rm -rf "$modules/tensorflow/include" # 430 MB of C++ headers
    cp "$lock" $venv/lock.txt
    echo "$1" > $venv/variant
    bill_of_materials
    rm -rf $tools
}

# git provides the revision of a checkout for run.json; the GL libraries render off-screen.
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
    rm -rf /opt/mirror.list /opt/apt.log /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/*
    find /var/log -type f -delete
}

python_packages() {
    if [ -s /run/secrets/ca ]; then
        export SSL_CERT_FILE=/run/secrets/ca PIP_CERT=/run/secrets/ca
    fi
    if [ -n "${INDEX_URL:-}" ]; then
        export PIP_INDEX_URL="$INDEX_URL" UV_DEFAULT_INDEX="$INDEX_URL"
    fi
    # On the same file system as the environment, so that uv moves files instead of copying them.
    export UV_CACHE_DIR=$tools/cache
    # Byte code that does not depend on file times, which not every image format keeps.
    export PYC_INVALIDATION_MODE=UNCHECKED_HASH
    python3.11 -m venv $tools
    $tools/bin/pip install --quiet --no-cache-dir --require-hashes -r containers/locks/uv.txt
    python3.11 -m venv --without-pip $venv
    $tools/bin/uv pip install --quiet --python $venv/bin/python --compile-bytecode \
        --require-hashes -r "$1"
    $tools/bin/uv pip install --quiet --python $tools/bin/python \
        --require-hashes -r containers/locks/sbom.txt
}

# Debian's packages and Python's in one CycloneDX file, which build.sh copies out of the image.
bill_of_materials() {
    name=$(. /etc/os-release && echo "$ID $VERSION_ID")
    # The file's own metadata depends only on the lock: equal packages give equal bytes.
    set -- --sbom-type cdx --timestamp 1970-01-01T00:00:00+00:00 \
        --cdx-serialnumber "$(sha256sum $venv/lock.txt | sed -E 's/^(.{8})(.{4})(.{4})(.{4})(.{12}).*/\1-\2-\3-\4-\5/')"
    $tools/bin/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml \
        --output-file $tools/python.cdx.json $venv/bin/python
    $tools/bin/debsbom generate "$@" --distro-name "$name" --out $tools/debian 2> $tools/log &&
        $tools/bin/debsbom merge "$@" --distro-name "ddpg image" --out $tools/image \
            $tools/python.cdx.json $tools/debian.cdx.json 2>> $tools/log ||
        { cat $tools/log; exit 1; }
    mv $tools/image.cdx.json $venv/sbom.cdx.json
}

workflow() {
    # The image's modules can be imported everywhere; in a checkout, the checkout's come first.
    echo /opt/ddpg > $modules/ddpg.pth
    $venv/bin/python -m compileall -q --invalidation-mode unchecked-hash ddpg
    $venv/bin/python containers/identify.py "$@" > $venv/image.json
    chmod -R a+rX,go-w .
    # The working directory of `docker run`, writable by any user.
    mkdir -p /work && chmod 1777 /work
}

"$@"
