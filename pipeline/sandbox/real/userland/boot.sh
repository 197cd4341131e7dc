#!/bin/sh
# First half of a boot, in fresh namespaces: put the tree together and step into it.
# From the environment: LOWER UPPER WORK ROOT OPTIONS SEED (paths relative to the working directory), NAME.
set -eu
umask 022
exec 3<&0 </dev/null

mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$UPPER,workdir=$WORK$OPTIONS" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount -t tmpfs -o mode=755 run "$ROOT/run"
mount -t tmpfs -o mode=755 dev "$ROOT/dev"
for device in null zero full random urandom tty; do
    : >"$ROOT/dev/$device"
    mount --bind "/dev/$device" "$ROOT/dev/$device"
done
mkdir "$ROOT/dev/pts" "$ROOT/dev/shm"
mount -t tmpfs -o mode=1777 shm "$ROOT/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$ROOT/dev/pts"
ln -s pts/ptmx "$ROOT/dev/ptmx"
ln -s /proc/self/fd "$ROOT/dev/fd"
ln -s /proc/self/fd/0 "$ROOT/dev/stdin"
ln -s /proc/self/fd/1 "$ROOT/dev/stdout"
ln -s /proc/self/fd/2 "$ROOT/dev/stderr"

cp -R "$SEED" "$ROOT/run/sandbox"
# Bound, not copied: what belongs to this machine must not end up in an image.
[ ! -e /etc/resolv.conf ] || mount --bind /etc/resolv.conf "$ROOT/etc/resolv.conf"
mount --bind "$ROOT/run/sandbox/hosts" "$ROOT/etc/hosts"
hostname "$NAME"

cd "$ROOT"
pivot_root . .
umount -l .
exec chroot . /bin/sh /run/sandbox/init
