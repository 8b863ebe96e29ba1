"""The arms behind the bridge, each by its own library."""
