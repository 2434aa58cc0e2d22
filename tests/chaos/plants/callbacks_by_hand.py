"""A hub that calls nobody back again by itself: what a person sends again was sent by them."""

from cloud.operations import callbacks

callbacks._FIRST_PAUSE = 600.0
