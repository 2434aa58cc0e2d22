"""A model of power cuts: what is written and synced is recorded, and every state a disk may be left in is opened.

`vfs.py` stands between SQLite and its files, in the very library the product uses, so that the product runs unchanged;
`record.py` notes what passes there and through `os`, with marks of what was promised to callers; `disk.py` rebuilds the
files as a cut may leave them; `story.py` is a kiosk at work, `facts.py` what it promised, `check.py` opens a rebuilt
state with the real journal and compares; `failing.py` has disks that say no, `lying.py` those that say yes and forget.
"""
