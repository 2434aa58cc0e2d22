"""`serve --processes N`: one supervisor, and hubs of this machine that share its port.

The supervisor holds the listening sockets and never serves itself: each process has one of its own in the port's group
(SO_REUSEPORT), and what waits in it outlives the process. It imports nothing that serves, so it stays small, and its
children are fresh interpreters that may be of a newer version. It speaks with them through a socket pair each; who
asks one of them for figures gets those of all. `app` has the child's end, the entrance the supervisor.
"""
