"""What is known of the appliance's well-being: facts that others set, a verdict, and the numbers for Prometheus.

`advice` says for people what is wrong and what to do, in no language: the door has the words. `machine` reads disk,
memory and temperature.
"""
