#!/usr/bin/env bash
# Make a virtual environment with the newest Python that can run this package, unless it exists.
#
#   environment.sh DIRECTORY [PYTHON [VERSION...]]
#
# PYTHON, a name or a path, is the Python to use; without it (or with '') PATH is searched. VERSIONs
# are the suitable versions; the default is what pyproject.toml allows. If no Python is suitable, one
# line says why and what to write instead, and the exit code is 2.
set -euo pipefail

environment=$1
named=${2:-}
versions=("${@:3}")
[ ${#versions[@]} -gt 0 ] || versions=(3.11 3.12 3.13)
wanted="Python $(sed -E 's/ ([^ ]+)$/ or \1/; s/([0-9]) ([0-9])/\1, \2/g' <<< "${versions[*]}")"

fail() { echo "$*" >&2; exit 2; }

# Whether a Python has one of the versions and the modules. Sets `answer` to its version and path (for
# an environment, those of the Python that made it), or to the reason why it is not suitable.
probe() { # probe PYTHON MODULE...
    if answer=$("$1" -c '
import importlib, os, platform, sys
version = platform.python_version()
if platform.python_implementation() != "CPython" or "%d.%d" % sys.version_info[:2] not in sys.argv:
    print("is %s %s" % (platform.python_implementation(), version))
    sys.exit(1)
try:
    for module in sys.argv[sys.argv.index("--") + 1:]:
        importlib.import_module(module)
except ImportError as error:
    print("has no module %s" % error.name)
    sys.exit(1)
print("%s %s" % (version, os.path.realpath(sys.executable)))
' "${versions[@]}" -- "${@:2}" 2> /dev/null); then return 0; fi
    # For example, pyenv's shim for a version that is not active fails.
    answer=${answer:-does not run}
    return 1
}

# Whether a Python can make an environment. Debian's needs its package python3-venv for that.
suits() { probe "$1" venv ensurepip ssl; } # suits PYTHON

# Set `answer` to the version and path of the newest Python on PATH that suits.
search() {
    local program suitable=() unsuitable=""
    while read -r program; do
        if suits "$program"; then suitable+=("$answer"); else unsuitable+="; $program $answer"; fi
    done < <(type -aP "${versions[@]/#/python}" python3)
    : "${unsuitable:=; there is no Python}"
    [ ${#suitable[@]} -gt 0 ] || fail "no $wanted on PATH can create a virtual environment" \
        "(${unsuitable:2}); install one (Debian's and Ubuntu's packages: python3 python3-venv)" \
        "or name it: make PYTHON=/path/to/python${versions[-1]}"
    answer=$(printf '%s\n' "${suitable[@]}" | sort --key=1,1Vr --stable | head -n 1)
}

there=
if probe "$environment/bin/python"; then
    there=$answer
elif [ "$answer" != "does not run" ]; then
    fail "$environment $answer; this needs $wanted: remove it (rm -r $environment), then try again"
fi
if [ -n "$named" ]; then
    suits "$named" || fail "PYTHON=$named $answer; this needs $wanted with the module venv (Debian's" \
        "package python3-venv): make PYTHON=/path/to/python${versions[-1]}"
    [ "${there:-$answer}" = "$answer" ] || fail "$environment is Python ${there%% *}, not the" \
        "${answer%% *} of PYTHON=$named: remove it (rm -r $environment), then try again"
elif [ -z "$there" ]; then
    search
fi
if [ -z "$there" ]; then
    echo "making $environment with ${answer#* }"
    # Clear an environment whose Python was removed.
    [ ! -e "$environment/pyvenv.cfg" ] || clear=--clear
    "${answer#* }" -m venv ${clear:-} "$environment"
elif ! probe "$environment/bin/python" pip; then
    # Its creation was interrupted, or another tool made it.
    "$environment/bin/python" -m ensurepip > /dev/null
fi
