"""The named configs, one YAML file each."""
