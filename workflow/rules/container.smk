# The image that rules run in, and settings for it.

from snakemake.settings.types import DeploymentMethod

from ddpg.privileges import root_lacks_capabilities

USES_CONTAINER = DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method

# When root starts Apptainer, it requests all of root's capabilities and fails if one is missing. In a
# user namespace, which it uses for all other users, it needs none.
if root_lacks_capabilities():
    os.environ.setdefault("APPTAINER_USERNS", "1")


def find_image(image):
    """The image, in the working directory or, if it is not there, in this project.

    Snakemake refuses paths with spaces and writes them into commands without quotes.
    """
    if not isinstance(image, str):
        raise WorkflowError(f"--config container={image}: not the name of an image")
    path = os.path.relpath(PROJECT / image)
    if not os.path.exists(image) and os.path.exists(path) and PLAIN_PATH.fullmatch(path):
        return path
    return image


def check_image():
    """Before anything is run, stop with one line if the image is missing."""
    if USES_CONTAINER and "://" not in IMAGE and not os.path.exists(IMAGE):
        raise WorkflowError(
            f"{IMAGE}: no such image; build it with `make image` (for GPUs `make image-gpu`), or give "
            "another with --config container=IMAGE"
        )


def follow_links(path):
    """A path, and each that it leads to through symbolic links: in a container all must exist."""
    paths = [Path(os.path.abspath(path))]
    for found in paths:
        for link in (found, *found.parents):
            if link.is_symlink():
                target = link.parent / link.readlink() / found.relative_to(link)
                target = Path(os.path.normpath(target))
                if target not in paths:
                    paths.append(target)
    return paths


def find_outside_paths():
    """The absolute paths that the rules use and that are not below the working directory."""
    results = Path("results")
    levels = [results], *map(results.glob, ("*", "*/*", "*/*/*"))
    links = [path for level in levels for path in level if path.is_symlink()]
    used = [PROJECT, *CLAIMS, *list_reference_paths(*config["comparisons"]), *links]
    found = {each for path in used if os.path.exists(path) for each in follow_links(path)}
    found = {path for path in found if not path.is_relative_to(Path.cwd())}
    return sorted(str(path) for path in found if found.isdisjoint(path.parents))


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
    if Path.cwd() != PROJECT:  # --cleanenv drops PYTHONPATH
        given = os.environ.get("APPTAINERENV_PYTHONPATH", "").split(os.pathsep)
        paths = dict.fromkeys([str(PROJECT), *filter(None, given)])
        os.environ |= {"APPTAINERENV_PYTHONPATH": os.pathsep.join(paths)}


if USES_CONTAINER:
    show_outside_paths()
