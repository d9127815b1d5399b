/* The machines that the boot step is tried on, and what its tests ask of it. */
import type { Test } from 'tap'
import { installPolyns, POLYNS } from '../support/install.js'
import type { Result } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'

/** As an init that is not systemd leaves it. */
export const ALL_PRIVATE = 'mount --make-rprivate /'

export async function machine(config: string): Promise<Sandbox> {
  const box = await Sandbox.start()
  await installPolyns(box, config)
  return box
}

export function setup(box: Sandbox, ...args: string[]): Promise<Result> {
  return box.run([POLYNS, 'setup', ...args])
}

/** What `polyns setup` must succeed in; gives its lines. */
export async function ok(t: Test, box: Sandbox, ...args: string[]): Promise<string[]> {
  const { status, stdout, stderr } = await setup(box, ...args)
  t.match({ status, stderr }, { status: 0, stderr: /^$/ }, `polyns setup ${args.join(' ')}`)
  return stdout.trimEnd().split('\n')
}

/** A run that finds everything as it wants it: says so in each line, and changes nothing. */
export async function nothingToDo(t: Test, box: Sandbox, ...args: string[]): Promise<void> {
  const before = await box.snapshot()
  const lines = await ok(t, box, ...args)
  t.equal(lines.pop(), 'nothing to do: everything is set up')
  t.strictSame(
    lines.filter((line) => !/^already {2}\S/.test(line)),
    [],
  )
  t.same(await box.snapshot(), before)
}

/** `/tmp shared:1` for each mount at or below these points, in the order of the table. */
export function propagation(box: Sandbox, ...points: string[]): string[] {
  return box.mountinfo().flatMap((line) => {
    const [, point = ''] = line.split(' ')
    const fields = / ((?:shared|master|unbindable)\S*) /.exec(line)?.[1]?.replace(/:\d+/, '') ?? 'private'
    return points.some((p) => point === p || point.startsWith(`${p}/`)) ? [`${point} ${fields}`] : []
  })
}

export const INITS = {
  'whose mounts are all shared, as with systemd': 'true',
  'whose mounts are all private, as with a plain init': ALL_PRIVATE,
} as const

/** Where /tmp and /dev/shm can be. The mount is made before the init's part, so that this counts for it too. */
export const LAYOUTS = {
  '/tmp on the root file system': 'true',
  // A loop device where there is one: a real partition. It goes with its mount.
  '/tmp on its own partition': `mknod /dev/loop-control c 10 237
    for i in {0..63}; do [ -e /dev/loop$i ] || mknod /dev/loop$i b 7 $i; done
    truncate -s 8M /partition; mkfs.ext4 -q /partition
    mount -o loop /partition /tmp || mount -t tmpfs partition /tmp; chmod 1777 /tmp`,
  '/tmp a tmpfs': 'mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /tmp',
  '/dev/shm mounted twice': 'mount -t tmpfs -o mode=1777 upper /dev/shm',
  'mounts below both': `for d in /tmp/a /tmp/a/b /dev/shm/c; do mkdir $d; mount -t tmpfs \${d##*/} $d; done
    mount -t tmpfs again /tmp/a/b`,
} as const

/** The mount table, the same for two machines of one layout: each has its own loop device. */
export function table(box: Sandbox): string[] {
  return box.mountinfo().map((line) => line.replace(/\/dev\/loop\d+/, '/dev/loopN'))
}

/** What `--dry-run` prints as to be done, as a script for sh. */
export function scriptOf(lines: readonly string[]): string {
  const todo = lines.filter((line) => line.startsWith('would '))
  return `set -e\n${todo.map((line) => line.slice('would'.length)).join('\n')}\n`
}
