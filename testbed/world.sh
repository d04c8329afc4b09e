#!/bin/bash
# A host that can pull, with an engine that runs already. Called as:
#   unshare --mount --net --pid --fork --kill-child --mount-proc world.sh FOLDER TREE REGISTRY PYTHON USER COMMAND…
#   FOLDER    what this world is made of (testbed/pulling.py)
#   TREE      an unpacked Debian with dockerd
#   REGISTRY  the program that answers for Docker Hub and ghcr.io
#   PYTHON    the folder of the Python to use; all else in root's home is hidden
#   USER      who runs the command: root, or a user in the group of the engine's socket
# Every process, mount and network in it ends with this one.
set -eu
folder=$1 tree=$2 registry=$3 python=$4 user=$5
shift 5
mount --make-rprivate /
for file in hosts resolv.conf passwd group ssl/certs/ca-certificates.crt; do
    mount --bind "$folder/etc/${file##*/}" "/etc/$file"
done
ip link set lo up
ip address add "$(cat "$folder/address")" dev lo # containers reach it, too
until ip route | grep -q ^default; do sleep 0.1; done # slirp4netns brings it
dnsmasq --keep-in-foreground --user=root --no-resolv --server=10.0.2.3 --listen-address="$(cat "$folder/address")" \
    --bind-interfaces --pid-file= > "$folder/names.log" 2>&1 &

"$registry" serve "$folder/registry.yml" > "$folder/registry.log" 2>&1 &
unshare --mount -- "$(dirname "$0")/private-engine.sh" "$tree" "$folder/engine" "$folder/engine/daemon.json" \
    > "$folder/dockerd.log" 2>&1 &
engine() { curl --silent --fail --unix-socket "$folder/engine/docker.sock" "http://engine/$1"; }
for _ in $(seq 300); do
    engine _ping > "$folder/ping" && break
    sleep 0.2
done
test -s "$folder/ping" || { tail -n 20 "$folder/dockerd.log" >&2; exit 1; }
chgrp "$(id -g "$user")" "$folder/engine/docker.sock"
chmod 660 "$folder/engine/docker.sock"

seen=$(mktemp -d)
if [ -d "$python" ]; then
    mount --bind "$python" "$seen"
    mount -t tmpfs -o mode=755 tmpfs /root
    mkdir -p "$python"
    mount --move "$seen" "$python"
fi
look() {
    for what in info 'containers/json?all=true' networks volumes; do engine "$what"; echo; done > "$folder/$1"
}
cd "$folder/checkout"
look before
setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups -- "$@"
look after
