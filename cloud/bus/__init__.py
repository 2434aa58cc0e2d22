"""What hubs will say to each other. Today it only knows whether the Redis they are to meet at is there."""
