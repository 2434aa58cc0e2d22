"""Who may call: API keys, where their callbacks go, and how fast they may ask.

The secret part of a key is never stored. `operations` and `web` come in here.
"""
