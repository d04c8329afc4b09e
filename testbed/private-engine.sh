#!/bin/sh
# Runs dockerd in a root of its own. Called as: unshare --mount private-engine.sh TREE HOME CONFIG
#   TREE    an unpacked Debian with dockerd
#   HOME    the folder of socket, data and settings; seen at the same path in both roots
#   CONFIG  dockerd's settings, in HOME
# Every mount made here vanishes with the process.
set -eu
tree=$1 home=$2 config=$3
mount --make-rprivate /

# runc wants its root to be a mount point, so chroot would not do.
new=/run/gocdnext-engine
mkdir -p "$new"
mount --bind "$tree" "$new"
for dir in proc sys dev; do mount --rbind "/$dir" "$new/$dir"; done
mount -t tmpfs tmpfs "$new/run"

# Bind sources of jobs are resolved in the engine's root: give it the host's folders, all but its system's.
for dir in /*/; do
    dir=${dir#/} dir=${dir%/}
    case $dir in
        bin | boot | dev | etc | lib* | lost+found | proc | run | sbin | sys | usr | var) continue ;;
    esac
    [ -L "/$dir" ] && continue
    mkdir -p "$new/$dir"
    mount --rbind "/$dir" "$new/$dir"
done
if [ ! -e "$new$home" ]; then
    mkdir -p "$new$home"
    mount --bind "$home" "$new$home"
fi

# Names and certificates as on the host; a stub resolver on 127.0.0.53 would be out of reach of containers.
for file in /etc/hosts /etc/ssl/certs/ca-certificates.crt; do
    if [ -f "$file" ]; then cat "$file" > "$new$file"; fi
done
resolv=/run/systemd/resolve/resolv.conf
[ -f "$resolv" ] || resolv=/etc/resolv.conf
rm -f "$new/etc/resolv.conf"
cat "$resolv" > "$new/etc/resolv.conf"

cd "$new"
mkdir -p "$new/run/old"
pivot_root . run/old
cd /
umount --lazy /run/old
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
exec dockerd --config-file "$config"
