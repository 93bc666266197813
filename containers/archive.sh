#!/usr/bin/env bash
# Pack one file from which a machine without network can draw the figures: the sources, the lock files,
# the published runs and their RO-Crate, the image with its list of contents, and checksums of all
# files. `make archive` calls it.
#
#   containers/archive.sh    (writes ddpg-VERSION.tar)
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -nE 's/^version = "(.*)"/\1/p' pyproject.toml)
name=ddpg-$version
fail() { echo "archive.sh: $*" >&2; exit 2; }
[ -e .git ] || fail "this is not a git checkout, so the sources are not known; clone the repository"
tracked=$(git ls-files) || fail "git cannot list the sources"
changed=$(git status --porcelain -- results/published) || fail "git cannot compare results/published"
[ -z "$changed" ] || fail "results/published has changes that are not committed; commit them"
files=$tracked$(printf '\n%s' ro-crate-metadata.json containers/ddpg.sif containers/ddpg.cdx.json)
work=$(mktemp -d "$PWD/.archive.XXXXXX")
trap 'rm -rf "$work"' EXIT

while read -r file; do
    [ -L "$file" ] || sha256sum "$file"
done <<< "$files" > "$work/SHA256SUMS"
# No user names or times, so that equal contents give equal files.
tar --create --file="$work/archive.tar" --sort=name --owner=0 --group=0 --numeric-owner \
    --mtime="@$(git log -1 --format=%ct)" --transform="flags=rSh;s,^,$name/," \
    --files-from=- --directory="$work" SHA256SUMS <<< "$files"
mv "$work/archive.tar" "$name.tar"
echo "$name.tar: $(du -h "$name.tar" | cut -f 1); unpack it anywhere, then in $name/:"
echo "  sha256sum --check --quiet SHA256SUMS"
echo "  apptainer run containers/ddpg.sif --cores all figures"
