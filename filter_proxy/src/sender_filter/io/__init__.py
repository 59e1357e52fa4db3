"""The shell of sockets, signals, files and systemd around the core; it decides nothing."""
