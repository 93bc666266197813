#!/bin/sh
# The entry point of `apptainer run` and `docker run`: runs Snakemake with their arguments in the
# current directory. In a checkout it runs the checkout. Elsewhere it runs the image's own workflow,
# after copying its configuration and published runs, which can be edited there.
set -eu
# Snakemake needs a user name, which may not exist in the image.
export USER="${USER:-$(id -u)}"
if [ ! -e Snakefile ]; then
    # Each part whole or not at all: published runs of two images would not match their checksums.
    refuse() {
        echo "ddpg: $PWD cannot be written; start in a directory that can, or bind one" >&2
        exit 2
    }
    mkdir -p results || refuse
    copy=$(mktemp -d .ddpg.XXXXXX) || refuse
    trap 'rm -rf "$copy"' EXIT
    for part in $(cd /opt/ddpg && echo config.yaml results/*); do
        [ ! -e "$part" ] || continue
        cp -r "/opt/ddpg/$part" "$copy/part" || refuse
        # Another container may have copied it at the same time.
        mv -T --no-clobber "$copy/part" "$part" || [ -e "$part" ] || refuse
        rm -rf "$copy/part"
    done
    rm -rf "$copy"
    trap - EXIT
    manifest=results/published/MANIFEST.sha256
    cmp -s "$manifest" "/opt/ddpg/$manifest" ||
        echo "ddpg: using the published runs in this directory, not those of the image; to use the" \
            "image's, move results/published and results/reference away" >&2
    set -- --snakefile /opt/ddpg/Snakefile "$@"
fi
exec snakemake "$@"
