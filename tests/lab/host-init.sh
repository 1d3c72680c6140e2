#!/bin/bash
# Process 1 of a lab host: makes the host's own view of the machine, runs its sshd, and takes in what loses its parent.
set -eu
umask 022
hostname "$LAB_NAME"
mount --make-rprivate /
# The host's folder goes to /run/lab first: all else comes from there, wherever the lab's home is.
mount --bind "$LAB_FOLDER" /mnt
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd /run/lock /run/lab
mount --move /mnt /run/lab
mount -t tmpfs -o mode=1777 tmpfs /tmp
mkdir -p /srv /var/lib/docker
mount --bind /run/lab/srv /srv
mount --bind /run/lab/docker /var/lib/docker
mount --bind /run/lab/root /root
mount --bind /run/lab/home /home
for file in /run/lab/etc/*; do
  target=$(readlink -m "/etc/${file##*/}")
  [ -e "$target" ] || { mkdir -p "${target%/*}" && touch "$target"; }
  mount --bind "$file" "$target"
done
cd /
/usr/sbin/sshd -f /run/lab/sshd_config -E /run/lab/sshd.log
touch /run/lab/up
trap 'exit 0' TERM
while :; do
  sleep 3600 &
  wait $! || true
done
