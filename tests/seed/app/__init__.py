"""As little of a service as the first draft needs to be built and started."""
