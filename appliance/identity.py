"""Who this kiosk is: hub, name, token and key, in one file that only its owner may read.

Lives below everything: whoever dials, enrols or shows the page reads it here. It talks to nobody.
"""
