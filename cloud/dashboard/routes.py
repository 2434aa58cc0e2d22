"""Every address of the dashboard."""

from typing import Any

from tornado.web import RequestHandler

from cloud.dashboard.account import AccountPage, ChangePassword, ConfirmTotp, EndSessions, OfferTotp, TotpOff
from cloud.dashboard.accounts import AccountsPage, AddAccount, ChangeAccount
from cloud.dashboard.alerts import Acknowledge, AlertsPage, Mute, Unmute
from cloud.dashboard.audit import AuditPage
from cloud.dashboard.callbacks import CallbacksPage, Redeliver
from cloud.dashboard.keys import AddKey, KeyCallback, KeyPage, KeysPage, RevokeKey
from cloud.dashboard.kiosk_acts import (
    KioskAdd,
    KioskCode,
    KioskDisable,
    KioskEnable,
    KioskRemove,
    KioskRename,
    KioskToken,
)
from cloud.dashboard.kiosks import KioskConnectionsPage, KioskEventsPage, KioskPage, KiosksPage
from cloud.dashboard.language import LanguageSwitch
from cloud.dashboard.operation import OperationPage, ResolveOperation
from cloud.dashboard.operations import OperationsExport, OperationsPage
from cloud.dashboard.overview import Figures, Overview
from cloud.dashboard.rooms import Rooms
from cloud.dashboard.screen import NothingHere
from cloud.dashboard.settings_page import SettingsPage
from cloud.dashboard.sign_in import SignInPage, SignOut, Welcome
from cloud.dashboard.static import Assets, shelf

ROUTES: list[tuple[str, type[RequestHandler]]] = [
    (r"/dashboard/assets/([^/]+)", Assets),
    (r"/dashboard/language", LanguageSwitch),
    (r"/dashboard/?", Overview),
    (r"/dashboard/figures\.json", Figures),
    (r"/dashboard/alerts", AlertsPage),
    (r"/dashboard/alerts/acknowledge", Acknowledge),
    (r"/dashboard/alerts/mute", Mute),
    (r"/dashboard/alerts/unmute", Unmute),
    (r"/dashboard/sign-in", SignInPage),
    (r"/dashboard/sign-out", SignOut),
    (r"/dashboard/welcome/([A-Za-z0-9_-]{20,100})", Welcome),
    (r"/dashboard/account", AccountPage),
    (r"/dashboard/account/password", ChangePassword),
    (r"/dashboard/account/totp", OfferTotp),
    (r"/dashboard/account/totp/confirm", ConfirmTotp),
    (r"/dashboard/account/totp/off", TotpOff),
    (r"/dashboard/account/sessions", EndSessions),
    (r"/dashboard/accounts", AccountsPage),
    (r"/dashboard/accounts/add", AddAccount),
    (r"/dashboard/accounts/([a-z0-9._@-]{1,64})/(role|enable|disable|unlock|totp-off|link|remove)", ChangeAccount),
    (r"/dashboard/audit", AuditPage),
    (r"/dashboard/operations", OperationsPage),
    (r"/dashboard/operations\.csv", OperationsExport),
    (r"/dashboard/operations/([^/]+)", OperationPage),
    (r"/dashboard/operations/([^/]+)/resolve", ResolveOperation),
    (r"/dashboard/callbacks", CallbacksPage),
    (r"/dashboard/callbacks/([^/]+)/redeliver", Redeliver),
    (r"/dashboard/keys", KeysPage),
    (r"/dashboard/keys/add", AddKey),
    (r"/dashboard/keys/([0-9a-f]{8})", KeyPage),
    (r"/dashboard/keys/([0-9a-f]{8})/revoke", RevokeKey),
    (r"/dashboard/keys/([0-9a-f]{8})/callback", KeyCallback),
    (r"/dashboard/settings", SettingsPage),
    (r"/dashboard/kiosks", KiosksPage),
    (r"/dashboard/kiosks/add", KioskAdd),
    (r"/dashboard/kiosks/([^/]+)", KioskPage),
    (r"/dashboard/kiosks/([^/]+)/events", KioskEventsPage),
    (r"/dashboard/kiosks/([^/]+)/connections", KioskConnectionsPage),
    (r"/dashboard/kiosks/([^/]+)/rename", KioskRename),
    (r"/dashboard/kiosks/([^/]+)/enable", KioskEnable),
    (r"/dashboard/kiosks/([^/]+)/disable", KioskDisable),
    (r"/dashboard/kiosks/([^/]+)/token", KioskToken),
    (r"/dashboard/kiosks/([^/]+)/code", KioskCode),
    (r"/dashboard/kiosks/([^/]+)/remove", KioskRemove),
    (r"/dashboard/.*", NothingHere),
]


def dashboard_routes(rooms: Rooms) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """For the application that Tornado serves."""
    shelf()  # read now: no request waits for the disk
    return [(path, handler, {"rooms": rooms}) for path, handler in ROUTES]
