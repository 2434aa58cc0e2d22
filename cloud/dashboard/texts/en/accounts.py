"""Signing in, accounts, and one's own."""

TEXTS = {
    "accounts.foreign": "This was sent by another site's page. Open the dashboard itself and try again.",
    # signing in
    "accounts.sign-in": "Sign in",
    "accounts.name": "Name",
    "accounts.password": "Password",
    "accounts.code": "Code from your authenticator app",
    "accounts.code-hint": "Six digits. A new one every 30 seconds; each works once.",
    "accounts.next": "Next",
    "accounts.again": "Start over",
    "accounts.nobody-yet": (
        "Nobody can sign in yet. On the hub's machine run `kioskwire-hub account link` and open what it prints; "
        "the link is also in the file first-admin-link in STATE_DIR."
    ),
    "accounts.forgotten": "Forgotten the password? An admin makes a one-time link for a new one.",
    "accounts.wrong": "The name or the password is wrong.",
    "accounts.wrong-code": "This code is wrong, was used already or is too old. Wait for the next one.",
    "accounts.too-late": "This took too long. Sign in again.",
    "accounts.locked": "Too many wrong tries. Try again in {wait}; an admin can unlock it sooner.",
    "accounts.limited": "Too many tries from your address. Try again in {wait}.",
    "accounts.busy": "Too many people sign in just now. Try again in a few seconds.",
    "accounts.wrong-own": "Your password is wrong.",
    "accounts.locked-own": "Too many wrong tries. Try again in {wait}.",
    "accounts.use-https": "This hub is used by https. Sign in at {address}",
    # the one-time link
    "accounts.welcome": "Welcome",
    "accounts.welcome-first": "The first administrator",
    "accounts.welcome-first-why": (
        "This hub has no account yet. Choose a name and a password; you can make accounts for others then."
    ),
    "accounts.welcome-set": "Choose a password for {name}",
    "accounts.welcome-set-why": "This link works once. Wherever this account is signed in now, that ends.",
    "accounts.name-hint": "Letters a-z, digits, and . _ @ -",
    "accounts.password-rules": (
        "At least {least} characters; not the name, and none of those that everybody tries first. A few words "
        "that do not belong together are good."
    ),
    "accounts.password-repeat": "The same again",
    "accounts.password-differs": "The two passwords are not the same.",
    "accounts.set-password": "Set password and sign in",
    "accounts.link-dead": "This link does not work any more",
    "accounts.link-dead-why": (
        "It was used, is older than 24 hours, or a newer one was made. An admin makes another; on the hub's "
        "machine `kioskwire-hub account link NAME` does."
    ),
    # one's own
    "accounts.own": "Your account",
    "accounts.own-role": "Role",
    "accounts.own-since": "Account made",
    "accounts.own-zone": "Times in",
    "accounts.own-password": "Change password",
    "accounts.own-password-why": "All your other sessions end.",
    "accounts.password-old": "Password now",
    "accounts.password-new": "New password",
    "accounts.change": "Change",
    "accounts.totp": "Second factor",
    "accounts.totp-is-on": "On: a code from your app is asked for at every sign-in.",
    "accounts.totp-is-off": "Off: your password is enough.",
    "accounts.totp-set-up": "Set up",
    "accounts.totp-turn-off": "Turn off",
    "accounts.totp-why": "An authenticator app on your phone shows a code that changes every 30 seconds.",
    "accounts.totp-scan": (
        "Scan this with your authenticator app, or type the key in. Then enter the code that it shows."
    ),
    "accounts.totp-key": "Key",
    "accounts.totp-code": "Code",
    "accounts.totp-confirm": "Turn on",
    "accounts.totp-qr": "QR code with the key",
    "accounts.totp-once": (
        "It is shown only now. It is asked for from the next sign-in on, once you have entered a code."
    ),
    "accounts.language": "Language",
    "accounts.language-any": "as the browser wishes",
    "accounts.sessions": "Where you are signed in",
    "accounts.session-here": "here",
    "accounts.session-browser": "Browser",
    "accounts.session-address": "Address",
    "accounts.session-since": "Since",
    "accounts.session-seen": "Last used",
    "accounts.session-ends": "Ends",
    "accounts.session-end": "End",
    "accounts.sessions-end": "End all others",
    "accounts.browser-unknown": "unknown",
    # those of everybody
    "accounts.title": "Accounts",
    "accounts.add": "Add an account",
    "accounts.add-why": "You get a one-time link to hand on: whoever opens it sets the password.",
    "accounts.role": "Role",
    "accounts.role-viewer": "viewer: sees everything but secrets",
    "accounts.role-operator": "operator: also settles operations, acknowledges alerts, enables and disables kiosks",
    "accounts.role-admin": "administrator: also adds kiosks, gives out tokens and keys, keeps accounts",
    "accounts.state": "State",
    "accounts.signed-in": "Signed in last",
    "accounts.state-good": "in use",
    "accounts.state-disabled": "disabled",
    "accounts.state-locked": "locked for new browsers",
    "accounts.state-invited": "has not set a password",
    "accounts.has-totp": "second factor",
    "accounts.you": "you",
    "accounts.acts": "Actions",
    "accounts.enable": "Enable",
    "accounts.disable": "Disable",
    "accounts.unlock": "Unlock",
    "accounts.link": "New one-time link",
    "accounts.totp-off": "Turn the second factor off",
    "accounts.remove": "Remove",
    "accounts.set-role": "Set role",
    "accounts.sure-disable": "Disable {name}? Wherever this account is signed in, that ends at once.",
    "accounts.sure-remove": "Remove {name} for good? What they did stays in the audit log.",
    "accounts.sure-totp-off": "Turn the second factor of {name} off? Then a password is enough.",
    "accounts.sure-own": "This is your own account.",
    "accounts.sure-role": "Change the role of {name}? They must sign in anew.",
    "accounts.link-made": "One-time link for {name}",
    "accounts.link-why": (
        "Hand it on by a way that only {name} reads. It works once, until {until}; links made before are dead. "
        "It is shown only now."
    ),
    "accounts.back": "To the accounts",
    # what was done
    "accounts.done-role": "The role of {name} is changed.",
    "accounts.done-enable": "{name} can sign in again.",
    "accounts.done-disable": "{name} is disabled and signed out everywhere.",
    "accounts.done-unlock": "{name} can try again.",
    "accounts.done-totp-off": "{name} signs in with a password alone.",
    "accounts.done-remove": "{name} is removed.",
    "accounts.done-password": "Your password is changed; your other sessions are over.",
    "accounts.done-totp-on": "The second factor is on.",
    "accounts.done-own-totp-off": "The second factor is off.",
    "accounts.done-session": "That session is over.",
    "accounts.done-sessions": "All other sessions are over.",
    # refusals
    "refused.account-name-wrong": "A name is 1 to 64 of the letters a-z, digits, and . _ @ -",
    "refused.account-role-wrong": "Choose a role.",
    "refused.account-exists": "There is an account {name} already.",
    "refused.account-unknown": "There is no account {name}.",
    "refused.account-disabled": "The account {name} is disabled: enable it first.",
    "refused.account-last-admin": "{name} is the last administrator who can sign in. Make another one first.",
    "refused.password-short": "Too short: at least {least} characters.",
    "refused.password-long": "Too long: at most {most} characters.",
    "refused.password-name": "The password must not be the name.",
    "refused.password-common": "This password is among the first that are tried. Choose another one.",
}
