# SPDX-License-Identifier: GPL-3.0-or-later
"""The freedesktop Secret Service's own words: names, paths, interfaces, errors, algorithms."""

from __future__ import annotations

from typing import Final

BUS_NAME: Final = "org.freedesktop.secrets"
BUS_NAME_VARIABLE: Final = "SECRET_SERVICE_BUS_NAME"
"""libsecret takes another bus name from this environment variable, and so do we."""

SECRET_SERVICE: Final = "secret-service"  # noqa: S105  how --to and --from name a provider

ROOT: Final = "/org/freedesktop/secrets"
COLLECTION_PREFIX: Final = "/org/freedesktop/secrets/collection/"
ALIAS_PREFIX: Final = "/org/freedesktop/secrets/aliases/"
SESSION_COLLECTION: Final = "/org/freedesktop/secrets/collection/session"
NOTHING: Final = "/"
"""The object path that means "none"."""

SERVICE: Final = "org.freedesktop.Secret.Service"
COLLECTION: Final = "org.freedesktop.Secret.Collection"
ITEM: Final = "org.freedesktop.Secret.Item"
SESSION: Final = "org.freedesktop.Secret.Session"
PROMPT: Final = "org.freedesktop.Secret.Prompt"
PROPERTIES: Final = "org.freedesktop.DBus.Properties"

COLLECTION_LABEL: Final = "org.freedesktop.Secret.Collection.Label"
ITEM_LABEL: Final = "org.freedesktop.Secret.Item.Label"
ITEM_ATTRIBUTES: Final = "org.freedesktop.Secret.Item.Attributes"

DH_ALGORITHM: Final = "dh-ietf1024-sha256-aes128-cbc-pkcs7"
PLAIN_ALGORITHM: Final = "plain"

SCHEMA_ATTRIBUTE: Final = "xdg:schema"
SESSION_ALIAS: Final = "session"

# --- errors, as providers spell them ------------------------------------------------------------

IS_LOCKED: Final = frozenset({"org.freedesktop.Secret.Error.IsLocked"})

NO_SESSION: Final = frozenset(
    {
        "org.freedesktop.Secret.Error.NoSession",
        # ksecretd's CreateItem, when the session path names nothing.
        "org.qtproject.QtDBus.Error.InvalidObjectPath",
    }
)

NOT_CALLABLE: Final = frozenset(
    {
        "org.freedesktop.DBus.Error.UnknownObject",
        "org.freedesktop.DBus.Error.UnknownMethod",  # gnome-keyring, for any lost object
        "org.freedesktop.DBus.Error.UnknownInterface",
    }
)
"""The object that was called is not there; nothing is said of objects it was asked about."""

OBJECT_GONE: Final = NOT_CALLABLE | {"org.freedesktop.Secret.Error.NoSuchObject"}

NOT_SUPPORTED: Final = "org.freedesktop.DBus.Error.NotSupported"

PROVIDER_GONE: Final = frozenset(
    {
        "org.freedesktop.DBus.Error.ServiceUnknown",
        "org.freedesktop.DBus.Error.NameHasNoOwner",
        "org.freedesktop.DBus.Error.NoReply",
        "org.freedesktop.DBus.Error.Disconnected",
    }
)

LIMITS_EXCEEDED: Final = "org.freedesktop.DBus.Error.LimitsExceeded"

TIMED_OUT: Final = frozenset(
    {
        "org.freedesktop.DBus.Error.Timeout",
        "org.freedesktop.DBus.Error.TimedOut",
    }
)

ALREADY_RUNNING: Final = 2
"""StartServiceByName's answer when the name has an owner already."""

# --- the bus itself -----------------------------------------------------------------------------

DBUS: Final = "org.freedesktop.DBus"
DBUS_PATH: Final = "/org/freedesktop/DBus"
