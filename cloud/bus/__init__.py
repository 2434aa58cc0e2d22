"""What hubs say to each other, through the Redis of `REDIS_URL`: who lives, messages, questions, a common clock.

Nothing is kept there but what may be lost: a message, and a lease of hubs that share no database. Whoever uses the bus
must stand its silence: what matters stands in the database and in the kiosks' journals. Without Redis this hub is
`Alone`. `kiosks` and `operations` come in with messages of their own, `app` opens and closes it, `web` asks how it is.
Nothing here knows what the messages are about.
"""
