# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file of the session component, rendered from one description.

``dbus-services/`` in the source tree holds the rendering for ``/usr``; a test compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kwallet_bridge import __version__
from kwallet_bridge.session.quoting import quote_activation, quote_desktop, quote_unit
from kwallet_bridge.wire.generations import BUS_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

APP_ID: Final = "org.kwallet_bridge.bridge"
UNIT: Final = "kwallet-bridge.service"
MAIN_NAME: Final = "org.kde.kwalletd6"
LOGIN_HELPER: Final = "kwallet-bridge-login"
TARGET: Final = "graphical-session.target"
RELEASE_DATE: Final = "2026-11-22"
# REUSE-IgnoreStart
LICENCE_LINE: Final = "# SPDX-License-Identifier: GPL-3.0-or-later\n"
# REUSE-IgnoreEnd


@dataclass(frozen=True, slots=True)
class Places:
    """Directories by purpose."""

    activation: Path
    units: Path
    wants: Path
    autostart: Path
    applications: Path
    icons: Path
    metainfo: Path | None
    """None where nobody would read it."""
    helpers: Path | None = None
    """Programs that others start; None where they must not be: PAM starts what root put there."""
    pam_profiles: Path | None = None
    """Where Debian's ``pam-auth-update`` finds profiles."""

    @classmethod
    def of_user(cls, environ: Mapping[str, str]) -> Places:
        """Give the directories of one user, which win over those of the system."""
        home = Path(environ["HOME"])
        data = Path(environ.get("XDG_DATA_HOME") or home / ".local/share")
        config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
        return cls(
            activation=data / "dbus-1/services",
            units=data / "systemd/user",
            wants=config / f"systemd/user/{TARGET}.wants",
            autostart=config / "autostart",
            applications=data / "applications",
            icons=data / "icons/hicolor/scalable/apps",
            metainfo=None,
        )

    @classmethod
    def of_system(cls, prefix: Path) -> Places:
        """Give the directories a package installs to."""
        share = prefix / "share"
        etc = Path("/etc") if prefix == Path("/usr") else prefix / "etc"
        return cls(
            activation=share / "dbus-1/services",
            units=prefix / "lib/systemd/user",
            wants=prefix / f"lib/systemd/user/{TARGET}.wants",
            autostart=etc / "xdg/autostart",
            applications=share / "applications",
            icons=share / "icons/hicolor/scalable/apps",
            metainfo=share / "metainfo",
            helpers=prefix / "libexec",
            pam_profiles=share / "pam-configs",
        )


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file to be installed: its content, or where it points to as a symbolic link."""

    path: Path
    text: str = ""
    link: str | None = None
    mode: int = 0o644


def plan_files(places: Places, program: Sequence[str]) -> list[PlannedFile]:
    """List every file of the component; ``program`` is the command line of kwallet-bridge."""
    planned = [
        PlannedFile(places.activation / f"{name}.service", render_activation(name, program))
        for name in BUS_NAMES
    ]
    planned += [
        PlannedFile(places.units / UNIT, render_unit(program)),
        PlannedFile(places.wants / UNIT, link=str(places.units / UNIT)),
        PlannedFile(places.autostart / "kwallet-bridge.desktop", render_autostart(program)),
        PlannedFile(places.autostart / "kwallet-bridge-offer.desktop", render_offer(program)),
        PlannedFile(places.applications / f"{APP_ID}.desktop", render_launcher(program)),
        PlannedFile(places.icons / "kwallet-bridge.svg", read_icon()),
    ]
    if places.metainfo is not None:
        metainfo = places.metainfo / f"{APP_ID}.metainfo.xml"
        planned.append(PlannedFile(metainfo, render_metainfo()))
    if places.helpers is not None:
        planned.append(PlannedFile(places.helpers / LOGIN_HELPER, read_login_helper(), mode=0o755))
        if places.pam_profiles is not None:
            profile = render_pam_profile(places.helpers / LOGIN_HELPER)
            planned.append(PlannedFile(places.pam_profiles / "kwallet-bridge", profile))
    return planned


def render_activation(name: str, program: Sequence[str]) -> str:
    """Render a D-Bus activation file; ``Exec`` is for sessions without systemd."""
    return (
        f"{LICENCE_LINE}[D-BUS Service]\nName={name}\n"
        f"Exec={quote_activation([*program, 'daemon'])}\nSystemdService={UNIT}\n"
    )


def render_unit(program: Sequence[str]) -> str:
    """Render the systemd user unit."""
    return _UNIT_TEXT.format(program=quote_unit([*program, "daemon"]), name=MAIN_NAME)


def render_autostart(program: Sequence[str]) -> str:
    """Render the autostart entry for sessions without systemd.

    It asks the bus to start the service, so that autostart and activation never start two.
    """
    return _AUTOSTART_TEXT.format(program=quote_desktop([*program, "session", "start"]))


def render_offer(program: Sequence[str]) -> str:
    """Render the autostart entry that offers the migration assistant, once."""
    return _OFFER_TEXT.format(program=quote_desktop([*program, "gui", "offer"]))


def render_launcher(program: Sequence[str]) -> str:
    """Render the menu entry."""
    return _LAUNCHER_TEXT.format(program=quote_desktop([*program, "gui"]))


def render_metainfo() -> str:
    """Render the AppStream metainfo."""
    names = "\n".join(f'    <dbus type="session">{name}</dbus>' for name in BUS_NAMES)
    return _METAINFO_TEXT.format(app_id=APP_ID, names=names, version=__version__, date=RELEASE_DATE)


def render_pam_profile(helper: Path) -> str:
    """Render the profile by which Debian's ``pam-auth-update`` has a login start the helper."""
    return _PAM_PROFILE_TEXT.format(helper=helper)


def read_login_helper() -> str:
    """Return the program that takes a login's key from PAM."""
    return files("kwallet_bridge.login").joinpath("helper.py").read_text("utf-8")


def read_icon() -> str:
    """Give the icon, an SVG drawing."""
    return files("kwallet_bridge.session").joinpath("data/kwallet-bridge.svg").read_text("utf-8")


_UNIT_TEXT: Final = """\
# SPDX-License-Identifier: GPL-3.0-or-later
[Unit]
Description=KWallet interface to the Secret Service
PartOf=graphical-session.target
# Plasma's network applet asks for Wi-Fi secrets as soon as these run.
Before=plasma-kded6.service plasma-kded.service plasma-plasmashell.service
# By this Plasma tells the daemon that PAM started of the session. KDE's own, up to Frameworks 6.13,
# takes the names then, unless it finds them owned.
Before=plasma-kwallet-pam.service

[Service]
# Ready means that all names are owned, not the first of them.
Type=notify
BusName={name}
ExecStart={program}
Restart=on-failure
# The bus ended, or another program owns a name: starting again would not help.
RestartPreventExitStatus=51 52
Slice=session.slice
TimeoutStopSec=10

# Secrets pass through here: no dumps, nothing readable by others.
LimitCORE=0
UMask=0077
# No network, no new privileges, no system calls a bus service does not need.
NoNewPrivileges=yes
RestrictAddressFamilies=AF_UNIX
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
SystemCallArchitectures=native
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
# Not ProtectSystem=, PrivateNetwork= or any other option that needs a mount or network namespace:
# in a user's manager these imply PrivateUsers=yes, and from inside of a user namespace the kernel
# refuses to say which program is calling, which the access dialog has to show. System files
# belong to root and are read-only to this unit anyway.
# Not MemoryDenyWriteExecute=: the access dialog is a child, and the graphics drivers it loads may
# compile. The service denies this to itself alone. docs/explanation/hardening.md tells more.

[Install]
WantedBy=graphical-session.target
"""

_PAM_PROFILE_TEXT: Final = """\
Name: Open the wallet with the login password (kwallet-bridge)
Default: yes
Priority: 0
Auth-Type: Additional
Auth:
\toptional\tpam_kwallet5.so
Session-Interactive-Only: yes
Session-Type: Additional
Session:
\toptional\tpam_kwallet5.so kwalletd={helper}
"""
"""Priority 0: from 1 on the lines come before pam_systemd's, and there is no runtime directory yet."""

_AUTOSTART_TEXT: Final = """\
# SPDX-License-Identifier: GPL-3.0-or-later
[Desktop Entry]
Type=Application
Name=KWallet interface to the Secret Service
Name[de]=KWallet-Schnittstelle zum Secret Service
Exec={program}
Icon=kwallet-bridge
NoDisplay=true
Terminal=false
X-KDE-autostart-phase=0
X-systemd-skip=true
"""

_OFFER_TEXT: Final = """\
# SPDX-License-Identifier: GPL-3.0-or-later
[Desktop Entry]
Type=Application
Name=Offer to move wallets
Name[de]=Umzug der Brieftaschen anbieten
Comment=Asks once whether KDE's wallet files shall move to your password store
Comment[de]=Fragt einmal, ob KDEs Brieftaschendateien in Ihren Passwortspeicher umziehen sollen
Exec={program}
Icon=kwallet-bridge
NoDisplay=true
Terminal=false
X-KDE-autostart-phase=2
"""

_LAUNCHER_TEXT: Final = """\
# SPDX-License-Identifier: GPL-3.0-or-later
[Desktop Entry]
Type=Application
Name=KWallet Bridge
GenericName=Wallet Status and Migration
GenericName[de]=Status und Umzug digitaler Brieftaschen
Comment=See who uses your wallets, and move old wallets to your password store
Comment[de]=Sehen, wer Ihre Brieftaschen benutzt, und alte Brieftaschen umziehen
Exec={program}
Icon=kwallet-bridge
Terminal=false
Categories=Qt;System;Security;
Keywords=wallet;password;secret;keyring;migration;
Keywords[de]=Brieftasche;Passwort;Schlüsselbund;Umzug;
StartupNotify=true
"""

_METAINFO_TEXT: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- SPDX-License-Identifier: CC0-1.0 -->
<component type="desktop-application">
  <id>{app_id}</id>
  <metadata_license>CC0-1.0</metadata_license>
  <project_license>GPL-3.0-or-later</project_license>
  <name>KWallet Bridge</name>
  <summary>Keep what KDE programs store in KWallet in your Secret Service provider</summary>
  <summary xml:lang="de">Bewahrt KWallet-Einträge in Ihrem Secret-Service-Anbieter auf</summary>
  <description>
    <p>
      Programs written for KWallet keep working while their passwords live in the store you chose:
      GNOME Keyring, KeePassXC, or any other provider of the Secret Service.
    </p>
    <ul>
      <li>Answers every generation of KWallet clients, without a wizard</li>
      <li>Moves old wallet files over, with a plan, a check and a way back</li>
      <li>Shows which program reads what, and asks before a new one does</li>
    </ul>
  </description>
  <icon type="stock">kwallet-bridge</icon>
  <launchable type="desktop-id">{app_id}.desktop</launchable>
  <categories>
    <category>System</category>
    <category>Security</category>
  </categories>
  <provides>
    <binary>kwallet-bridge</binary>
{names}
  </provides>
  <content_rating type="oars-1.1"/>
  <releases>
    <release version="{version}" date="{date}"/>
  </releases>
</component>
"""
