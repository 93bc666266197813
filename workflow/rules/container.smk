# The image that rules run in, and settings for it.

from ddpg.privileges import root_lacks_capabilities

# When root starts Apptainer, it requests all of root's capabilities and fails if one is missing. In a
# user namespace, which it uses for all other users, it needs none.
if root_lacks_capabilities():
    os.environ.setdefault("APPTAINER_USERNS", "1")


def find_image():
    """The image in this project, or, if Snakemake would refuse its path, in the working directory.

    Snakemake refuses spaces and writes the path into commands without quotes.
    """
    image = "containers/ddpg.sif"
    path = os.path.relpath(PROJECT / image)
    return path if PLAIN_PATH.fullmatch(path) else image


def find_outside_paths():
    """The absolute paths that the rules use and that are not below the working directory."""
    results = Path("results")
    levels = [results], *map(results.glob, ("*", "*/*", "*/*/*"))
    links = [path for level in levels for path in level if path.is_symlink()]
    used = [PROJECT, *CONFIG_FILES, *CLAIMS, *list_all_references(), *links]
    # Both the name that a rule uses and the file that it leads to must exist in a container.
    paths = {form(path) for path in used for form in (os.path.abspath, os.path.realpath)}
    return sorted(
        path for path in paths if not Path(path).is_relative_to(Path.cwd()) and Path(path).exists()
    )


def show_outside_paths():
    """Let containers see the paths that the rules use outside the working directory.

    Apptainer shows a container only the working directory and the system's temporary directory.
    """
    quoted = [path.replace('"', '""') for path in find_outside_paths()]
    mounts = [f'type=bind,"source={path}","destination={path}"' for path in quoted]
    # A cluster's job inherits what was set where it was submitted.
    given = os.environ.get("APPTAINER_MOUNT", "").splitlines()
    if mounts:
        os.environ |= {"APPTAINER_MOUNT": "\n".join(dict.fromkeys([*given, *mounts]))}
    if path := os.environ.get("PYTHONPATH"):  # which --cleanenv drops
        os.environ |= {"APPTAINERENV_PYTHONPATH": path}


show_outside_paths()
