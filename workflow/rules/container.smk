# Settings for running rules in the image; `container:` in the Snakefile names it.

from ddpg.privileges import root_lacks_capabilities

# When root starts Apptainer, it requests all of root's capabilities and fails if one is missing. In a
# user namespace, which it uses for all other users, it needs none.
if root_lacks_capabilities():
    os.environ.setdefault("APPTAINER_USERNS", "1")
