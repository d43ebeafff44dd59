#!/usr/bin/env bash
# Makes sure the programs that the tests really start are there. As root on Debian the missing ones are installed;
# anyone else is told their names, and the tests that need them are skipped with that reason.
set -u

missing=()
needs() { # command, Debian package
    command -v "$1" >/dev/null 2>&1 || missing+=("$2")
}
needs chromium-headless-shell chromium-headless-shell # lighter than the whole browser, which serves as well
needs 7zz 7zip
needs zip zip
needs unzip unzip
needs strace strace
needs nginx nginx-light
needs pdftotext poppler-utils
needs zbarimg zbar-tools
needs makensis nsis
needs osslsigncode osslsigncode
[ -x /usr/lib/wine/wine64 ] || missing+=(wine64)
program() { # place off the path, Debian package
    [ -x "$1" ] || missing+=("$2")
}
program /usr/libexec/softether/vpnserver/vpnserver softether-vpnserver
program /usr/libexec/softether/vpnclient/vpnclient softether-vpnclient
needs vpncmd softether-vpncmd
needs busybox busybox
needs ip iproute2
program /usr/sbin/nft nftables
program /usr/sbin/dnsmasq dnsmasq-base
program /usr/sbin/clamd clamav-daemon
library() { # of /usr/lib, Debian package
    compgen -G "/usr/lib/*/$1.so.*" >/dev/null || missing+=("$2")
}
library libpango-1.0 libpango-1.0-0
library libpangoft2-1.0 libpangoft2-1.0-0
library libharfbuzz-subset libharfbuzz-subset0
library libarchive libarchive13
compgen -G '/usr/share/fonts/*/noto/NotoSansCJK*' >/dev/null || missing+=(fonts-noto-cjk)
compgen -G '/usr/share/fonts/opentype/ipaexfont-mincho/ipaexm.ttf' >/dev/null || missing+=(fonts-ipaexfont)
compgen -G '/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf' >/dev/null || missing+=(fonts-dejavu-core)
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Not installed: ${missing[*]}. The tests that need them are skipped; on Debian: sudo apt-get install ${missing[*]}" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -q -o DPkg::Lock::Timeout=600)
echo "Installing for the tests: ${missing[*]}"
if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } </dev/null >/dev/null; then
    echo "apt-get could not install ${missing[*]}. The tests that need them are skipped." >&2
fi
exit 0
