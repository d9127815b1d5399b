#!/bin/bash
# image.sh SUITE - a Debian machine: kernel and root file system image, from Debian's packages alone. Run as root.
# Prints the directory in .cache/ that has vmlinuz, root.img, id (the key of all its users) and known_hosts; builds it if missing.
# Uses the machine's own package source for another suite. Works in an overlay over the machine's root (see
# test/support/layer.sh), where mmdebstrap and mke2fs come from a package layer; nothing is written to the machine but .cache/.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
support=$(realpath "$here/../support")
cache=$(realpath "$here/../..")/.cache
. "$support/root.sh"

say() { printf 'image: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
guest_packages() { sed -e 's/#.*//' "$here/guest.txt" | awk 'NF { print $1 }' | paste -sd,; }
key() {
  cd "$here"
  { cat guest.txt image.sh; find guest -type f -printf '%p %m\n' -exec cat {} + | sort; } | sha256sum | cut -c1-16
}

ensure() {
  local suite=$1 dir tar
  [ "$(id -u)" = 0 ] || die 'needs root'
  dir=$cache/vm-$suite-$(key)
  if [ ! -e "$dir" ]; then
    tar=$(POLYNS_LAYER_PACKAGES=$here/packages.txt "$support/layer.sh" ensure)
    exec 9>"$cache/vm.lock"
    flock -n 9 || { say 'another run is building one, waiting'; flock -w 1800 9 || die 'still locked after 30 minutes'; }
    if [ ! -e "$dir" ]; then # nobody built it while we waited
      say "bootstrapping Debian $suite (once, about two minutes)"
      SECONDS=0
      rm -rf "$dir.new"
      mkdir "$dir.new"
      timeout -k 10 1800 unshare --mount --pid --fork --kill-child=KILL --uts --ipc --propagation private \
        "$here/image.sh" build-inside "$suite" "$tar" "$dir.new" 9>&- </dev/null >&2 || die "not built; see $cache/vm-$suite.log"
      mv "$dir.new" "$dir"
      find "$cache" -maxdepth 1 -name "vm-$suite-*" ! -path "$dir" -exec rm -rf {} +
      say "built in $SECONDS s, $(du -m "$dir" | tail -n 1 | cut -f1) MB"
    fi
  fi
  printf '%s\n' "$dir"
}

# In namespaces of our own from here on.
build_inside() {
  local suite=$1 tar=$2 out=$3 L=/mnt f # any directory: it is covered in our mount namespace only
  mount -t tmpfs -o mode=755 vm $L
  "$support/layer.sh" unpack "$tar" $L
  local R=$L/box/r
  mkdir $L/box/u $L/box/w $R
  stack $R $L/box/u $L/box/w "$L/seed:$L/layer:/"
  furnish $R
  mkdir -p $R/srv/out $R/tmp $R/var/tmp
  mount --bind "$out" $R/srv/out
  mount --bind "$here/../.." $R/opt/polyns
  for f in resolv.conf hosts; do # in a container these are mounts, which the overlay does not show
    rm -f "$R/etc/$f"
    cat "/etc/$f" >"$R/etc/$f" 2>/dev/null || :
  done
  local proxy=()
  for f in http_proxy https_proxy no_proxy; do [ -z "${!f-}" ] || proxy+=("$f=${!f}"); done
  chroot $R env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/tmp LANG=C.UTF-8 "${proxy[@]}" \
    /opt/polyns/test/vm/image.sh in-root "$suite" >"$cache/vm-$suite.log" 2>&1 || {
    tail -n 5 "$cache/vm-$suite.log" >&2
    return 1
  }
}

# The package sources of this machine, for another suite: `bookworm` to `trixie`, `bookworm-security` to `trixie-security`.
sources() {
  local own
  own=$(. /etc/os-release && echo "$VERSION_CODENAME")
  for f in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/debian.list; do
    [ ! -e "$f" ] || sed -e "s/\b$own\b/$1/g" "$f" | grep -v '^#' >"/root/${f##*/}"
    [ ! -e "/root/${f##*/}" ] || echo "/root/${f##*/}"
  done
}

# In the overlay: the whole work.
in_root() {
  local suite=$1 root=/root/guest kernel u files
  mapfile -t files < <(sources "$suite")
  mmdebstrap --quiet --variant=minbase --mode=root --include="$(guest_packages)" \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "3"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='cd "$1/root" && chroot "$1" sh -c "cd /root && apt-get -q -o APT::Sandbox::User=root download \$(apt-cache depends linux-image-cloud-amd64 | sed -n \"s/^  Depends: \(linux-image-.*\)/\1/p\" | head -n 1)"' \
    "$suite" $root "${files[@]}"
  rm -f $root/etc/apt/apt.conf.d/99mmdebstrap $root/etc/dpkg/dpkg.cfg.d/99mmdebstrap

  # Unpacked, not installed: an image without an initrd needs none of the scripts.
  dpkg-deb -x $root/root/linux-image-*.deb /root/kernel
  rm -f $root/root/linux-image-*.deb
  kernel=$(find /root/kernel -path '*/lib/modules/*' -prune)
  mkdir -p $root/usr/lib/modules
  cp -a "$kernel" $root/usr/lib/modules/
  chroot $root depmod "${kernel##*/}"
  cp /root/kernel/boot/vmlinuz-* /srv/out/vmlinuz
  cp /root/kernel/boot/config-* /srv/out/config

  cp -r --no-preserve=ownership "$here"/guest/. $root/
  furnish_guest "$suite" $root
  mke2fs -q -F -t ext4 -L root -O ^has_journal -E lazy_itable_init=1,root_owner=0:0 -m 0 -d $root /srv/out/root.img 2500M
}

furnish_guest() {
  local suite=$1 root=$2 u home proctrack=proctrack/cgroup
  [ "$suite" != bookworm ] || proctrack=proctrack/linuxproc # there the job is told by slurmstepd's title
  sed -i "s,@PROCTRACK@,$proctrack," $root/etc/slurm/slurm.conf
  [ "$suite" != bookworm ] || sed -i 's,^CredType=cred/munge,CryptoType=crypto/munge,' $root/etc/slurm/slurm.conf
  chmod 440 $root/etc/sudoers.d/alice
  echo LANG=C.UTF-8 | chroot $root sh -c 'cat >>"$(realpath -m /etc/default/locale)"' # a link on trixie
  echo 0123456789abcdef0123456789abcdef >$root/etc/machine-id # else the first boot is one with presets
  : >$root/etc/fstab
  rm -f $root/etc/resolv.conf
  ln -sf /usr/lib/systemd/system/multi-user.target $root/etc/systemd/system/default.target
  chroot $root systemctl -q enable systemd-networkd ssh vm-ready
  chroot $root systemctl -q disable slurmctld slurmd munge # the test starts them: a boot is shorter without
  chroot $root systemctl -q mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer \
    e2scrub_reap.service systemd-networkd-wait-online.service getty@tty1.service serial-getty@ttyS0.service logrotate.timer
  rm -f $root/etc/ssh/ssh_host_rsa* $root/etc/ssh/ssh_host_ecdsa* # one key, the cheapest
  ssh-keygen -q -t ed25519 -N '' -C test -f /srv/out/id
  for u in alice bob carol; do chroot $root useradd -m -s /bin/bash "$u"; done
  printf '%s\n' root:rootpw alice:alicepw bob:bobpw | chroot $root chpasswd -c SHA256
  for home in root home/alice home/bob home/carol; do
    install -d -m 700 "$root/$home/.ssh"
    cp /srv/out/id.pub "$root/$home/.ssh/authorized_keys"
    chown -R --reference="$root/$home" "$root/$home/.ssh"
  done
  sed 's/^/* /' $root/etc/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f1-3 >/srv/out/known_hosts
  head -c 128 /dev/urandom >$root/etc/munge/munge.key
  chroot $root sh -c 'chown munge:munge /etc/munge/munge.key; chmod 400 /etc/munge/munge.key
    mkdir -p /var/log/slurm /var/lib/slurm/slurmctld /var/lib/slurm/slurmd; chown slurm: /var/log/slurm /var/lib/slurm /var/lib/slurm/slurmctld'
}

case ${1-} in
  bookworm | trixie) ensure "$1" ;;
  build-inside) build_inside "$2" "$3" "$4" ;;
  in-root) in_root "$2" ;;
  *) die 'usage: image.sh bookworm | trixie' ;;
esac
