/*
 * Whether this is a machine at all. In a container or a chroot setup would make ready what no login of the machine sees,
 * so it says what it met instead. A container that is a machine of its own, one with systemd say, has made its / shared.
 */
import { lstatSync, readFileSync, readlinkSync } from 'node:fs'
import type { Mount } from '../mountinfo/parse.js'
import { type MountTable, propagationType } from '../mountinfo/table.js'
import { escapeControls } from '../sys/call.js'
import { SyscallError, UnsupportedError } from '../sys/errors.js'
import { sameFile, statx } from '../sys/stat.js'

/** PROC_PID_INIT_INO: the pid namespace that the kernel has started with, in which pid 1 is the machine's. */
const MACHINE_PIDS = 'pid:[4026531836]'

/** What container engines leave in each of their containers: a file whose text is the engine's name, or one that is enough. */
const SIGNS: readonly [file: string, engine: string | null][] = [
  ['/.dockerenv', 'docker'],
  ['/run/.containerenv', 'podman'],
  ['/run/host/container-manager', null],
  ['/run/systemd/container', null],
]

const ENGINE_DIRECTORIES = /\/(docker|containerd|containers\/storage)\//

/** @throws {UnsupportedError} a chroot, or a container whose `/` nobody has made shared: what it is, and what to do */
export function requireMachine(table: MountTable): void {
  const root = table.at('/')
  if (root === null) {
    throw notHere(
      '/ is not a mount point, as in a chroot or a container, so its propagation cannot be set',
      'run setup on the host, or leave / as it is with --keep-root',
    )
  }
  if (isChroot()) {
    throw notHere(
      `this is a chroot: / is not the root directory of pid 1 (${nameOfPid1()})`,
      'leave it and run setup outside, or leave / as it is with --keep-root',
    )
  }
  if (propagationType(root.propagation) === 'shared') return
  const sign = signOfContainer(root)
  if (sign === null) return
  throw notHere(
    `this is a container (${sign}): / is a private ${root.fstype}, and pid 1 (${nameOfPid1()}) is not the machine's, ` +
      'whose logins would see nothing of what is set up here',
    "run setup on the machine itself; if people log in to the container, run 'mount --make-rshared /' in it first, " +
      'or leave / as it is with --keep-root',
  )
}

function notHere(what: string, remedy: string): UnsupportedError {
  return new UnsupportedError('making / shared', `${what}; ${remedy}`)
}

function isChroot(): boolean {
  try {
    const [own, host] = [statx(null, '/'), statx(null, '/proc/1/root/')]
    return !sameFile(own, host) || own.mountId !== host.mountId
  } catch (error) {
    if (error instanceof SyscallError && ['EACCES', 'EPERM'].includes(error.code)) return false // a dry run without root
    throw error
  }
}

/** @returns null on a machine; also if that was made of a container's image, and has such a file */
function signOfContainer({ superOptions }: Mount): string | null {
  if (readlinkSync('/proc/self/ns/pid') === MACHINE_PIDS) return null
  for (const [file, engine] of SIGNS) {
    if (isFile(file)) return `${engine ?? readText(file)}: ${file}`
  }
  const variables = readText('/proc/1/environ').split('\0')
  const found = variables.find((variable) => /^(?:container|KUBERNETES_SERVICE_HOST)=./.test(variable))
  if (found !== undefined) return `${escapeControls(found)} in the environment of pid 1`
  const directory = superOptions.find((option) => ENGINE_DIRECTORIES.test(option))
  return directory === undefined ? null : directory
}

/** A symbolic link is not the engine's: something shows a container's files in another place. */
function isFile(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}

function nameOfPid1(): string {
  return escapeControls(readText('/proc/1/comm')) || 'which is hidden'
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return '' // only for the message, or not ours to read
  }
}
