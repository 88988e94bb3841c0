"""What `make verify` needs and the machine may lack: a container engine, and the base images of a registry.

Runs before any virtual environment exists: the standard library alone, Python >= 3.11.
"""
