"""Files, links and units of a host as they were, kept on the host itself."""
