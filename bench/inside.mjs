// What the parts share inside of the sandbox: the package unpacked at its real paths, users, PAM stacks, mounts of the host.
import { spawn, spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const { quick = false } = JSON.parse(process.env.BENCH ?? '{}')
/** For trying: few rounds, small sizes. */
export const isQuick = quick
/** @returns the first of the two; with --quick the second */
export const sized = (full, small) => (quick ? small : full)

export const POLYNS = '/usr/sbin/polyns'
/** Of the checkout, with this machine's Node. */
export const POLYNS_NODE = '/opt/polyns/bin/polyns'
/** The same executable with another program in it, which only loads koffi. */
export const KOFFI_ONLY = '/srv/koffi/polyns-node'
const MADE = '/opt/polyns/.cache/bench'

/** What a part has measured goes to whoever has started it. */
export function report(results) {
  process.stdout.write(JSON.stringify(results))
}

/** stdout of a shell command. @throws when it fails */
export function sh(text, options = {}) {
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', text], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    ...options,
  })
  if (status !== 0) throw new Error(`'${text}' gave status ${status}: ${stdout}${stderr}`)
  return stdout
}

export const CONFIG =
  '/tmp /tmp/polyns-inst/ user:noinit root\n/dev/shm /dev/shm/polyns-inst/ user:noinit root\n'

/** Unpacks the package, and does the boot step. */
export function installPolyns(config = CONFIG) {
  sh(`dpkg-deb -x ${MADE}/polyns.deb / && cp -r ${MADE}/koffi /srv/koffi && mkdir -p /etc/polyns`)
  writeFileSync('/etc/polyns/namespace.conf', config)
  sh(`${POLYNS} setup`)
}

/** Users PREFIX0, PREFIX1... without homes. root's key lets them in. @returns their names */
export function addUsers(prefix, count, uid) {
  const names = Array.from({ length: count }, (_, i) => `${prefix}${i}`)
  const lines = (line) => names.map((name, i) => `${line(name, uid + i)}\n`).join('')
  appendFileSync(
    '/etc/passwd',
    lines((name, id) => `${name}:x:${id}:${id}::/:/bin/sh`),
  )
  appendFileSync(
    '/etc/shadow',
    lines((name) => `${name}:*:19000:0:99999:7:::`),
  )
  appendFileSync(
    '/etc/group',
    lines((name, id) => `${name}:x:${id}:`),
  )
  return names
}

const PAM_EXEC = 'session required pam_exec.so quiet seteuid'
/** What is compared, as the line of a PAM stack; pam_namespace with the same two directories. */
export const LINES = {
  none: '',
  namespace: 'session required pam_namespace.so',
  true: `${PAM_EXEC} /bin/true`,
  polyns: `${PAM_EXEC} ${POLYNS} pam`,
  node: `${PAM_EXEC} ${POLYNS_NODE} pam`,
}

/** A stack with nothing in it but `line`, in which anybody may come in. */
export function pamStack(name, line) {
  const rest = [
    'auth required pam_permit.so',
    'account required pam_permit.so',
    'session required pam_permit.so',
  ]
  writeFileSync(`/etc/pam.d/${name}`, [...rest, line, ''].join('\n'))
}

export function setUpPamNamespace() {
  const parents = ['/tmp/pam-inst', '/dev/shm/pam-inst']
  for (const parent of parents) sh(`mkdir -p ${parent} && chmod 000 ${parent}`)
  const init = '/etc/security/namespace.init' // Debian's does nothing but what noinit leaves out
  writeFileSync(
    '/etc/security/namespace.conf',
    parents.map((p) => `${p.replace('/pam-inst', '')} ${p}/ user:noinit root\n`).join(''),
  )
  sh(`chmod 755 ${init}`)
}

/** A session of `user` that stays until `end` is called. */
export async function hold(user, polyns = POLYNS) {
  const env = { PAM_TYPE: 'open_session', PAM_SERVICE: 'bench', PAM_USER: user, PATH: process.env.PATH }
  const script = `${polyns} pam && echo open && read _`
  const child = spawn('/bin/sh', ['-c', script], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve)
    child.once('exit', (status) => reject(new Error(`the session of ${user} was refused: status ${status}`)))
  })
  return { pid: child.pid, end: () => child.stdin.end() }
}

const MANY = '/srv/many'
let mounted = 0

/** Brings the number of mounts that the host has besides its own to `count`: each a file system, as home directories are. */
export function hostMounts(count) {
  const libc = createRequire('/opt/polyns/bench/')('koffi').load(null)
  const mount = libc.func('int mount(const char *, const char *, const char *, unsigned long, const char *)')
  const umount = libc.func('int umount2(const char *, int)')
  for (; mounted < count; mounted++) {
    mkdirSync(`${MANY}/${mounted}`, { recursive: true })
    if (mount('bench', `${MANY}/${mounted}`, 'tmpfs', 0, 'size=64k,nr_inodes=4') !== 0)
      throw new Error('mount failed')
  }
  for (; mounted > count; mounted--) {
    if (umount(`${MANY}/${mounted - 1}`, 2) !== 0) throw new Error('umount failed')
    rmSync(`${MANY}/${mounted - 1}`, { recursive: true })
  }
}

/** Milliseconds that `run` takes, and what it gives: where hyperfine would measure its own start, or cannot look at the result. */
export function timed(run) {
  const start = process.hrtime.bigint()
  const result = run()
  return { ms: Number(process.hrtime.bigint() - start) / 1e6, result }
}
