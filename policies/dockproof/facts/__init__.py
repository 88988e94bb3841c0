"""What was read of Dockerfiles, images and containers: pure values that probes can ask."""
