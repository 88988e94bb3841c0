"""The only code that starts processes or talks to an engine; it hands out facts."""
