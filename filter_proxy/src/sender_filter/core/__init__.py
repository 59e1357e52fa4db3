"""What the filter decides and what it says, as pure functions and values."""
