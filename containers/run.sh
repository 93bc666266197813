#!/bin/sh
# The entry point of `apptainer run` and `docker run`: runs Snakemake with their arguments in the
# current directory. In a checkout it runs the checkout. Elsewhere it runs the image's own workflow,
# after copying its configuration and published runs, which can be edited there.
set -eu
# Snakemake needs a user name, which may not exist in the image.
export USER="${USER:-$(id -u)}"
if [ ! -e Snakefile ]; then
    cp -r --no-clobber /opt/ddpg/config.yaml /opt/ddpg/results . || {
        echo "ddpg: $PWD cannot be written; start in a directory that can, or bind one" >&2
        exit 2
    }
    set -- --snakefile /opt/ddpg/Snakefile "$@"
fi
exec snakemake "$@"
