"""This hub's own figures, pushed to a Prometheus elsewhere by remote write, for hosts where no agent can run.

    samples    what `prometheus_client` has gathered → samples with labels, and what is known as this hub; pure
    message    samples → the protocol's message: Protocol Buffers in Snappy; pure
    pause      how long to wait after an answer; pure
    push       takes figures, sends them, tries again, and gives up what is too old; a bound on what waits

`app` starts it where GRAFANA_PROMETHEUS_URL is set, and nothing else comes in. It reads the metrics and no other room.
"""
