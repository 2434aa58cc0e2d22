"""The kiosk's own door. Only `app` enters.

handlers    /health for people and watchdogs, /metrics for Prometheus
page        what every page for people has: layout, languages, policy; page_* what `/` tells
live        /live, the same as it changes
engineer    /engineer, behind the PIN; engineer_* its parts
local       /events and /local/cancel, for the kiosk's own touch screen
setup       /setup, where a technician enrols the kiosk; its words and its looks beside it
guard       who may ask: pure
server      every path on one screen, and where it listens
"""
