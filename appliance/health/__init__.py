"""What is known of the appliance's well-being: facts that others set, a verdict, and the numbers for Prometheus."""
