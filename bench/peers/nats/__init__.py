"""NATS as a hub: an HTTP front asks by request-reply, kiosks answer on their own connections."""
