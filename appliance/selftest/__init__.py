"""Proves that a program, frozen or not, is whole: all it loads by name is there, and an operation goes through it.

Above the appliance, since it runs one; nothing of it is loaded by a kiosk at work.
"""
