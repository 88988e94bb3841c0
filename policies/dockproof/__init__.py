"""dockproof: one policy, asked of the Dockerfile, the built image and the running container."""

__version__ = "0.1.0"
