"""Tells the service manager that we are ready, alive and stopping (sd_notify). Without one it does nothing."""
