#!/usr/bin/env bash
# Resolve the dependencies of pyproject.toml to the newest versions that work together and write
# them, with hashes and without addresses, to containers/locks/. Run by `make locks`.
#
#   cpu.txt  what the package and its workflow need
#   gpu.txt  the same versions, with TensorFlow's CUDA libraries
#   dev.txt  the same versions, with the test and style tools
#   benchmark.txt  the same versions, with the libraries that the benchmarks compare with; PyTorch
#            in its CPU build, from its own index or from where PIP_FIND_LINKS says
#   sbom.txt what lists an image's packages while it is built, and is not left in it
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3.11 -m venv "$tools"
"$tools/bin/pip" install --quiet --require-hashes --requirement containers/locks/uv.txt

lock() {  # lock OUTPUT SOURCE [OPTION...]
    local output=containers/locks/$1
    shift
    "$tools/bin/uv" pip compile "$@" \
        --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
        --upgrade --generate-hashes --no-emit-index-url --no-header --quiet --output-file "$output"
    echo "$output: $(grep -c '^[a-z].*==' "$output") packages"
}

package=(pyproject.toml --extra workflow)
same=(--constraint containers/locks/cpu.txt)
lock cpu.txt "${package[@]}"
lock gpu.txt "${package[@]}" --extra gpu "${same[@]}"
lock dev.txt "${package[@]}" --extra dev "${same[@]}"
if [[ -n ${PIP_FIND_LINKS:-} ]]; then torch=(--find-links "$PIP_FIND_LINKS"); else torch=(--torch-backend cpu); fi
lock benchmark.txt "${package[@]}" benchmarks/requirements.in "${torch[@]}" "${same[@]}"
lock sbom.txt - <<< "cyclonedx-bom
debsbom[cdx]"
