"""API keys of backends."""

TEXTS = {
    "keys.title": "API keys",
    "keys.about": "With a key a backend sends operations to kiosks. Give each backend its own: it can be revoked "
    "alone.",
    "keys.name": "Name",
    "keys.id": "Id",
    "keys.made": "Made",
    "keys.used": "Last used",
    "keys.not-used": "not since this hub started",
    "keys.nothing": "No API keys yet. Without one no backend can send anything.",
    "keys.add": "Add an API key",
    "keys.name-hint": "Whose it is: the backend or the person who asked for it.",
    "keys.wrong-name": "A name has 1 to {limit} letters.",
    "keys.none-such": "There is no such API key, or it is revoked.",
    "keys.callback": "Callback address",
    "keys.callback-about": "Final states of this key's operations are sent there, signed. A new address gets a new "
    "signing secret.",
    "keys.url": "Address",
    "keys.url-hint": "http:// or https://, without user and password.",
    "keys.wrong-url": "An address begins with http:// or https://, has a host, and no user and password.",
    "keys.add-meanwhile": (
        "A key was added or revoked since this form was opened, perhaps by this very form. Nothing was added now; if "
        "it is still wanted, send the form again."
    ),
    "keys.callback-meanwhile": (
        "Callbacks of this key were changed since this form was opened, perhaps by this very form. Nothing was changed "
        "now; to get another signing secret, send the form again."
    ),
    "keys.set-callback": "Save and get a signing secret",
    "keys.end-callback": "End callbacks",
    "keys.end-callback-about": "The backend is told nothing more; what is not delivered is given up.",
    "keys.end-callback-sure": "End callbacks of this key?",
    "keys.revoke": "Revoke this key",
    "keys.revoke-about": "A revoked key is refused at once and for good.",
    "keys.revoke-sure": "Revoke the key “{name}”?",
    "keys.revoke-means": "Whoever uses it is refused at once. Its operations stay; callbacks that are not delivered "
    "are "
    "given up. This cannot be undone.",
    "keys.leave": "Keep it",
    "keys.secret-key": "The key “{name}”",
    "keys.secret-key-means": "Give it to the backend: it goes into the header Authorization: Bearer.",
    "keys.secret-callback": "Signing secret of “{name}”",
    "keys.secret-callback-means": "Give it to the backend: it checks the signature of every callback with it (Standard "
    "Webhooks). The former secret is no longer used.",
    "keys.shown-once": "It is shown only now and cannot be had again.",
    "keys.kept": "I have kept it",
}
