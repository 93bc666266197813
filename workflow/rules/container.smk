# What only the image needs; `container:` in the Snakefile names it.

from ddpg.privileges import root_lacks_capabilities

# Apptainer asks for all of root's capabilities where root starts it, and fails where one is missing.
# In a user namespace, as for everybody else, it needs none.
if root_lacks_capabilities():
    os.environ.setdefault("APPTAINER_USERNS", "1")
