/*
 * What qemu is started with, and the image. Software emulation; POLYNS_VM_ACCEL=kvm takes KVM, which is not tried unasked: where
 * it works only by half, qemu aborts.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export type Suite = 'bookworm' | 'trixie'

export const KVM = process.env.POLYNS_VM_ACCEL === 'kvm'

const KERNEL = [
  'root=/dev/nvme0n1 rootfstype=ext4 rootwait rw console=ttyS0 net.ifnames=0',
  'mitigations=off random.trust_cpu=1 loglevel=4 systemd.show_status=0 printk.devkmsg=on',
].join(' ')

/** The directory with kernel, disk and key, built if the cache has none. @throws {Error} it cannot be built */
export function imageOf(suite: Suite): string {
  const script = fileURLToPath(new URL('image.sh', import.meta.url))
  const { status, stdout } = spawnSync(script, [suite], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 1_900_000,
  })
  if (status !== 0) throw new Error(`no image of ${suite}, see above`)
  return stdout.trim()
}

/** @param files that directory, as the sandbox has it */
export function qemuArgs(files: string): string[] {
  const accel = KVM ? 'kvm' : 'tcg,thread=multi,tb-size=512'
  const disk = `file=${files}/root.img,if=none,id=d0,format=raw,snapshot=on,cache=unsafe`
  return [
    ...`-accel ${accel} -cpu max -M q35,usb=off,vmport=off -smp 2 -m 1024`.split(' '),
    ...'-nodefaults -no-user-config -display none'.split(' '),
    ...['-kernel', `${files}/vmlinuz`, '-append', KERNEL],
    ...['-drive', disk, '-device', 'nvme,serial=r0,drive=d0'], // in every kernel of Debian, so no initrd is needed
    ...'-chardev file,id=ser,path=/run/vm.serial -serial chardev:ser -device virtio-rng-pci'.split(' '),
    ...['-netdev', 'user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22'],
    ...'-device virtio-net-pci,netdev=n0,romfile= -device virtio-serial-pci'.split(' '),
    ...'-chardev file,id=rdy,path=/run/vm.ready -device virtserialport,chardev=rdy,name=vm.ready'.split(' '),
  ]
}
