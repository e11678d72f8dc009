"""The commands: flags, paths, one call."""
