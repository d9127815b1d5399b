/*
 * The demo's own machine, made of this one: a new root in memory, in a mount namespace of the demo's. The programs are this
 * machine's, by symbolic links to its old root, which is still there as /machine, read-only; /etc, /dev, /run and /tmp are
 * the demo's, as root on the demo's machine must own them. All of it goes with the namespace.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { enter, ownNamespace } from '../../ns/enter.js'
import { SyscallError, UnsupportedError } from '../../sys/errors.js'
import { MOUNT_ATTR, MS, O } from '../../sys/flags.js'
import { mount, mountSetattr, moveMount, openTreeClone, pivotRoot } from '../../sys/mount.js'
import { openat2 } from '../../sys/path.js'
import { statx } from '../../sys/stat.js'
import { UIDS } from './enclose.js'

/** Where the new root is built. Anything that is there on every machine: it is covered only until it is the root. */
const BUILD = '/tmp'
const MACHINE = '/machine'
const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty']

export interface User {
  name: string
  uid: number
}

export interface World extends Disposable {
  /** The paths that start this program. */
  readonly program: readonly string[]
  readonly alice: User
  readonly bob: User
  /** In a user namespace, not as the machine's root. */
  readonly isUserNamespace: boolean
  /** Directories of the demo's machine on which something can be mounted, alice's and the host's. */
  readonly drive: string
  readonly usb: string
  /** What was sent to the system log. */
  readonly log: readonly string[]
}

const CONFIG = `/tmp      /tmp/polyns-inst/      user
/dev/shm  /dev/shm/polyns-inst/  user
`

/** @throws {SyscallError} @throws {UnsupportedError} a container that allows no new /proc, or a chroot */
export async function makeWorld(program: readonly string[]): Promise<World> {
  process.chdir('/')
  process.umask(0o022)
  const { alice, bob } = chooseUids()
  mountTmpfs(BUILD, '755')
  makeDirectories()
  makeEtc([{ name: 'root', uid: 0 }, alice, bob])
  makeDevices()
  mountProc()
  moveIn()
  const drive = `/run/user/${alice.uid}/drive`
  const usb = '/run/media/usb'
  for (const directory of [drive, usb]) mkdirSync(directory, { recursive: true })
  const { server, log } = await startLog()
  return {
    program: program.map((path) => MACHINE + path),
    alice,
    bob,
    isUserNamespace: !isMapped(readFileSync('/proc/self/uid_map', 'utf8'), 2 ** 32 - 2),
    drive,
    usb,
    log,
    [Symbol.dispose]: () => {
      server.close()
    },
  }
}

/** Mounts a new, empty file system in memory. */
export function mountTmpfs(path: string, mode: string): void {
  mount('polyns-demo', path, 'tmpfs', MS.MS_NOSUID | MS.MS_NODEV, `mode=${mode}`)
}

/** Whether a user namespace's uid_map or gid_map knows `id`. Its lines are: first inside, first outside, count. */
export function isMapped(map: string, id: number): boolean {
  return map.split('\n').some((line) => {
    const [first, , count] = line.trim().split(/\s+/).map(Number)
    return first !== undefined && count !== undefined && id >= first && id < first + count
  })
}

/** Two users with uids of their own, where there are any; else both are names of uid 0, as some systems call root `toor`. */
function chooseUids(): { alice: User; bob: User } {
  const enough = ['uid_map', 'gid_map'].every((map) =>
    isMapped(readFileSync(`/proc/self/${map}`, 'utf8'), UIDS.bob),
  )
  return {
    alice: { name: 'alice', uid: enough ? UIDS.alice : 0 },
    bob: { name: 'bob', uid: enough ? UIDS.bob : 0 },
  }
}

function makeDirectories(): void {
  const own = ['dev', 'etc', 'machine', 'proc', 'run', 'tmp', 'var']
  for (const name of own) mkdirSync(`${BUILD}/${name}`)
  mkdirSync(`${BUILD}/dev/shm`)
  for (const path of ['tmp', 'dev/shm']) chmodSync(`${BUILD}/${path}`, 0o1777)
  linkAll('/', own)
  linkAll('/var', ['run'])
  symlinkSync('/run', `${BUILD}/var/run`)
}

/** In the new directory of that name, a link for each name in this machine's. */
function linkAll(directory: string, except: readonly string[]): void {
  const prefix = directory === '/' ? '' : directory
  for (const name of readdirSync(directory)) {
    if (!except.includes(name)) symlinkSync(`${MACHINE}${prefix}/${name}`, `${BUILD}${prefix}/${name}`)
  }
}

function makeEtc(users: readonly User[]): void {
  const files = {
    // Whatever name service this machine has, the demo's is these files.
    'nsswitch.conf': 'passwd: files\ngroup: files\n',
    passwd: users.map(({ name, uid }) => `${name}:x:${uid}:${uid}::/:/bin/sh\n`).join(''),
    group: users.map(({ name, uid }) => `${name}:x:${uid}:\n`).join(''),
  }
  linkAll('/etc', ['polyns', ...Object.keys(files)])
  for (const [name, text] of Object.entries(files)) writeFileSync(`${BUILD}/etc/${name}`, text)
  mkdirSync(`${BUILD}/etc/polyns`)
  writeFileSync(`${BUILD}/etc/polyns/namespace.conf`, CONFIG)
}

function makeDevices(): void {
  for (const name of DEVICES.filter((device) => existsSync(`/dev/${device}`))) {
    writeFileSync(`${BUILD}/dev/${name}`, '')
    using source = openat2(null, `/dev/${name}`, O.O_PATH, 0)
    using device = openTreeClone(source)
    using target = openat2(null, `${BUILD}/dev/${name}`, O.O_PATH, 0)
    moveMount(device, target)
  }
}

function mountProc(): void {
  try {
    mount('proc', `${BUILD}/proc`, 'proc', MS.MS_NOSUID | MS.MS_NODEV | MS.MS_NOEXEC)
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== 'EPERM') throw error
    throw new UnsupportedError(
      'the demo needs a /proc of its own',
      "the kernel allows none here, because parts of this machine's own are covered by other mounts, as in a container; " +
        "run 'polyns demo' as root, or outside of the container",
      { cause: error },
    )
  }
}

function moveIn(): void {
  try {
    pivotRoot(BUILD, BUILD + MACHINE)
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== 'EINVAL') throw error
    throw inChroot({ cause: error })
  }
  process.chdir('/')
  // The promise that nothing is changed, kept by the kernel.
  using machine = openat2(null, MACHINE, O.O_PATH, 0)
  mountSetattr(machine, MOUNT_ATTR.MOUNT_ATTR_RDONLY, 0, { recursive: true })
  const root = statx(null, '/')
  using own = ownNamespace()
  enter(own) // whoever is in a chroot finds himself outside of it
  if (statx(null, '/').mountId !== root.mountId) throw inChroot()
}

function inChroot(options?: ErrorOptions): UnsupportedError {
  const why =
    'this is a chroot, and sessions would be outside of it; run it where / is the root of the namespace'
  return new UnsupportedError('the demo needs a root directory of its own', why, options)
}

/** The system log of the demo's machine: 'polyns pam' gives its reasons to nobody else. */
function startLog(): Promise<{ server: Server; log: string[] }> {
  const log: string[] = []
  // A stream, since Node has no datagrams of this kind. glibc tries both, and ends each message of a stream with a NUL.
  const server = createServer((socket: Socket) => {
    let rest = ''
    socket.unref()
    socket.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\0')
      rest = parts.pop() ?? ''
      log.push(...parts.map((line) => line.replace(/^.*? polyns\[\d+\]: /, '')))
    })
  })
  server.unref()
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen('/dev/log', () => resolve({ server, log }))
  })
}
