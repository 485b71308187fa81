#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes a Debian root with KDE's kwalletd6 in it, to be compared with.
#
#   make_peer_root.sh SUITE FOLDER [MIRROR]
#
# SUITE is "sid" (kwalletd6 as translation layer, and ksecretd) or "trixie" (the last monolith).
# Needs root, debootstrap and a mirror; the mirror defaults to the one apt is set up with.
# Afterwards: export KWB_SID_ROOT=FOLDER, or KWB_TRIXIE_ROOT=FOLDER.
set -euo pipefail

suite=${1:?usage: make_peer_root.sh SUITE FOLDER [MIRROR]}
root=${2:?usage: make_peer_root.sh SUITE FOLDER [MIRROR]}
mirror=${3:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep '/debian/\?$' | head -n 1)}

mount_into() {
    mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
    mountpoint -q "$root/dev" || mount --rbind /dev "$root/dev"
    mount --make-rslave "$root/dev"
}

if [ ! -e "$root/etc/debian_version" ]; then
    debootstrap --variant=minbase --include=dbus,dbus-bin,ca-certificates \
        "$suite" "$root" "$mirror"
fi
mount_into
# A package's start script must not start services of this machine.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 0755 "$root/usr/sbin/policy-rc.d"

in_root() { DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$root" "$@"; }
in_root apt-get -o Acquire::Check-Valid-Until=false update
in_root apt-get install -y --no-install-recommends \
    kwallet6 gnome-keyring libsecret-tools libglib2.0-bin procps
in_root dpkg-query -W kwallet6 gnome-keyring
# Plasma's prompter alone: the package would bring a whole desktop.
if [ "$suite" = sid ]; then
    in_root sh -c 'cd "$(mktemp -d)" && apt-get download plasma-workspace &&
        dpkg-deb --fsys-tarfile plasma-workspace_*.deb |
        tar -x -C / --wildcards "./usr/lib/*/libexec/ksecretprompter" && rm -r "$PWD"'
    in_root sh -c 'ldd /usr/lib/*/libexec/ksecretprompter' | { ! grep "not found"; }
fi
