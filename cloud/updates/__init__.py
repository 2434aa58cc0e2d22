"""Serves new versions to kiosks, and says how far each may go.

What may be installed is decided by the signature on a channel's manifest, which the hub cannot make; a rollout can only
hold back. So the files are public, and a hub that was broken into can delay an update but not make one.
"""
