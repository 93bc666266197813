#!/usr/bin/env bash
# Resolve the dependencies of pyproject.toml and write them, with hashes and without addresses, to
# containers/locks/. Run by `make locks`. A version that is pinned there stays as long as
# pyproject.toml allows it; options of `uv pip compile` say which to raise:
#
#   containers/lock.sh [--upgrade | --upgrade-package NAME]...
#
#   cpu.txt  what the package and its workflow need
#   gpu.txt  the same versions, with TensorFlow's CUDA libraries
#   dev.txt  the same versions, with the test and style tools
#   sbom.txt the SBOM tools; removed from the image after the build
#   validator.txt  the RO-Crate validator, in a separate environment because it pins an older rich
#   uv.txt   uv, which installs the others
#   benchmark.txt  the same versions, with the libraries that the benchmarks compare with; PyTorch
#            in its CPU build, from its own index or from PIP_FIND_LINKS
#
# One resolution holds for every Python that pyproject.toml allows. Only benchmark.txt is for the
# one Python that the benchmarks are measured with.
set -euo pipefail
cd "$(dirname "$0")/.."

options=("$@")
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
containers/environment.sh "$tools"
"$tools/bin/pip" install --quiet --require-hashes --requirement containers/locks/uv.txt

lock() {  # lock OUTPUT SOURCE [OPTION...]
    local output=containers/locks/$1
    shift
    "$tools/bin/uv" pip compile "$@" "${options[@]}" --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-header --quiet --output-file "$output"
    echo "$output: $(grep -c '^[a-z].*==' "$output") packages"
}

package=(pyproject.toml --extra workflow)
same=(--constraint containers/locks/cpu.txt)
lock cpu.txt "${package[@]}" --universal
lock gpu.txt "${package[@]}" --universal --extra gpu "${same[@]}"
lock dev.txt "${package[@]}" --universal --extra dev "${same[@]}"
lock sbom.txt - --universal <<< "cyclonedx-bom
debsbom[cdx]"
lock validator.txt - --universal <<< "roc-validator"
lock uv.txt - --universal <<< "uv"
if [[ -n ${PIP_FIND_LINKS:-} ]]; then torch=(--find-links "$PIP_FIND_LINKS"); else torch=(--torch-backend cpu); fi
lock benchmark.txt "${package[@]}" --python-platform x86_64-manylinux_2_28 \
    benchmarks/requirements.in "${torch[@]}" "${same[@]}"
