#!/bin/sh
# What `apptainer run` and `docker run` do: Snakemake, with their arguments, in the directory they
# are in. A checkout is run as it is. Elsewhere the image's own workflow runs, with a copy of its
# configuration, there to be changed, and of its published runs.
set -eu
# Snakemake asks for the user's name, which an image need not know.
export USER="${USER:-$(id -u)}"
if [ ! -e Snakefile ]; then
    cp -r --no-clobber /opt/ddpg/config.yaml /opt/ddpg/results . || {
        echo "ddpg: $PWD cannot be written; start in a directory that can, or bind one" >&2
        exit 2
    }
    set -- --snakefile /opt/ddpg/Snakefile "$@"
fi
exec snakemake "$@"
