"""The sender filter and its peers, side by side on loopback."""
