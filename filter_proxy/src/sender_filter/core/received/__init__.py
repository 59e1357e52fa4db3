"""Who really sent a mail that came through known hosts, read from its Received fields."""
