"""The release that runs, by the version of its package."""

from importlib.metadata import version


def release() -> str:
    """Return the version, such as `0.1.0`."""
    return version("cloud-connector-authz")
