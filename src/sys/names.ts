/* Users and groups through the name service (nsswitch.conf): sssd, LDAP and systemd-homed users are found too. */
import { errnoName, note, syscallError } from './call.js'
import { ERRNO } from './errno.js'
import { koffi, libc } from './koffi.js'

export interface User {
  name: string
  uid: number
  gid: number
  home: string
  shell: string
}

interface PasswdFields {
  pw_name: string
  pw_uid: number
  pw_gid: number
  pw_dir: string
  pw_shell: string
}

type Lookup = (key: string | number) => bigint | null
type GroupList = (user: string, gid: number, groups: Buffer, count: Buffer) => number

let bound: { getpwnam: Lookup; getpwuid: Lookup; getgrnam: Lookup; getgrouplist: GroupList } | undefined

function nss() {
  if (bound === undefined) {
    koffi.struct('passwd', {
      pw_name: 'str',
      pw_passwd: 'str',
      pw_uid: 'uint32',
      pw_gid: 'uint32',
      pw_gecos: 'str',
      pw_dir: 'str',
      pw_shell: 'str',
    })
    koffi.struct('group', { gr_name: 'str', gr_passwd: 'str', gr_gid: 'uint32', gr_mem: 'void *' })
    bound = {
      getpwnam: libc.func('getpwnam', 'passwd *', ['str']) as Lookup,
      getpwuid: libc.func('getpwuid', 'passwd *', ['uint32']) as Lookup,
      getgrnam: libc.func('getgrnam', 'group *', ['str']) as Lookup,
      getgrouplist: libc.func('getgrouplist', 'int', ['str', 'uint32', 'void *', 'void *']) as GroupList,
    }
  }
  return bound
}

// getpwnam(3) lists these as "not found"; anything else is a name service that could not answer.
const NOT_FOUND = new Set(['ENOENT', 'ESRCH', 'EBADF', 'EPERM', 'EINVAL'])

function lookUp(syscall: string, find: Lookup, key: string | number): bigint | null {
  note(syscall, key)
  koffi.errno(0)
  const entry = find(key)
  const errno = koffi.errno()
  if (entry === null && errno !== 0 && !NOT_FOUND.has(errnoName(errno))) {
    throw syscallError(errno, { syscall, show: () => JSON.stringify(key) })
  }
  return entry
}

function user(entry: bigint | null): User | null {
  if (entry === null) return null
  const fields = koffi.decode(entry, 'passwd') as PasswdFields
  return {
    name: fields.pw_name,
    uid: fields.pw_uid,
    gid: fields.pw_gid,
    home: fields.pw_dir,
    shell: fields.pw_shell,
  }
}

/** getpwnam(3). @returns null when there is no such user. @throws {SyscallError} EIO, EAGAIN...: the name service failed */
export function getpwnam(name: string): User | null {
  return name.includes('\0') ? null : user(lookUp('getpwnam', nss().getpwnam, name))
}

/** getpwuid(3). */
export function getpwuid(uid: number): User | null {
  return user(lookUp('getpwuid', nss().getpwuid, uid))
}

/** getgrnam(3). */
export function getgrnam(name: string): { gid: number } | null {
  if (name.includes('\0')) return null
  const entry = lookUp('getgrnam', nss().getgrnam, name)
  return entry === null ? null : { gid: (koffi.decode(entry, 'group') as { gr_gid: number }).gr_gid }
}

/** getgrouplist(3): every group of the user, the primary one included. @throws {SyscallError} when it does not settle */
export function getgrouplist(name: string, gid: number): number[] {
  note('getgrouplist', name)
  const count = Buffer.alloc(4)
  for (let size = 64; size <= 65536; size *= 4) {
    const groups = Buffer.alloc(size * 4)
    count.writeInt32LE(size)
    if (nss().getgrouplist(name, gid, groups, count) >= 0) {
      return Array.from({ length: count.readInt32LE() }, (_, i) => groups.readUInt32LE(i * 4))
    }
  }
  throw syscallError(ERRNO.ERANGE, {
    syscall: 'getgrouplist',
    show: () => `${name}: over 65536 groups`,
  })
}
