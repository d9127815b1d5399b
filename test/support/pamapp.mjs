// pamapp.mjs JSON - a PAM application for tests, run inside a sandbox: the options and the report are those of pamapp.ts.
// All PAM calls are synchronous and so on the main thread, which is the one that a session module must change; Node has other
// threads besides, as slurmstepd has.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync, readSync, writeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import koffi from 'koffi'

const options = JSON.parse(process.argv[2] ?? '{}')
const libc = koffi.load('libc.so.6')
const libpam = koffi.load('libpam.so.0')

const Message = koffi.struct('pam_message', { style: 'int', text: 'const char *' })
const Conv = koffi.proto('int conv(int n, void *msg, _Out_ void **resp, void *data)')
koffi.struct('pam_conv', { conv: koffi.pointer(Conv), data: 'void *' })
const calloc = libc.func('void *calloc(size_t n, size_t size)')
const pam_start = libpam.func(
  'int pam_start(const char *service, const char *user, const pam_conv *conv, _Out_ void **pamh)',
)
const pam_set_item = libpam.func('int pam_set_item(void *pamh, int item, const char *value)')
const pam_putenv = libpam.func('int pam_putenv(void *pamh, const char *pair)')
const pam_getenvlist = libpam.func('void *pam_getenvlist(void *pamh)')
const pam_open_session = libpam.func('int pam_open_session(void *pamh, int flags)')
const pam_close_session = libpam.func('int pam_close_session(void *pamh, int flags)')
const pam_end = libpam.func('int pam_end(void *pamh, int status)')
const pam_strerror = libpam.func('const char *pam_strerror(void *pamh, int rv)')
const PAM_TTY = 3
const PAM_RHOST = 4
const PAM_RUSER = 8

const report = { pid: process.pid, messages: [] }

// pam_conv(3): the answers must be malloc'ed, libpam frees them. Nothing is ever answered; what is said is kept.
const converse = koffi.register((n, messages, answers) => {
  for (const message of koffi.decode(messages, koffi.array(koffi.pointer(Message), n))) {
    report.messages.push(koffi.decode(message, Message).text)
  }
  answers[0] = calloc(n, 16)
  return 0
}, koffi.pointer(Conv))

const own = '/proc/thread-self'
function state() {
  const status = readFileSync(`${own}/status`, 'utf8')
  const field = (name) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? ''
  return {
    mntNs: readlinkSync(`${own}/ns/mnt`),
    cwd: readlinkSync(`${own}/cwd`),
    root: readlinkSync(`${own}/root`),
    mounts: readFileSync(`${own}/mountinfo`, 'utf8')
      .split('\n')
      .filter((line) => /^(\/var)?\/tmp(\/|$)|^\/dev\/shm(\/|$)/.test(line.split(' ')[4] ?? '')),
    fds: readdirSync('/proc/self/fd').flatMap((fd) => {
      const what = link(`/proc/self/fd/${fd}`)
      return what === '' ? [] : [`${fd} ${what}`] // the one that read the directory is closed again
    }),
    umask: field('Umask'),
    sigBlk: field('SigBlk'),
    sigIgn: field('SigIgn'),
    seccomp: field('Seccomp'),
    tracerPid: Number(field('TracerPid')),
    uids: field('Uid'),
    gids: field('Gid'),
    children: readdirSync('/proc/self/task')
      .flatMap((tid) => readFileSync(`/proc/self/task/${tid}/children`, 'utf8').split(' '))
      .filter((pid) => pid !== '')
      .map((pid) => {
        const [, name, letter] = /^\d+ \((.*)\) (\S)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
        return `${pid} ${letter} ${name}`
      }),
  }
}

function link(path) {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

function shell(text) {
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', text], { encoding: 'utf8', timeout: 20_000 })
  return { status, stdout, stderr }
}

function check(what, rv) {
  if (rv !== 0) throw new Error(`${what}: ${pam_strerror(handle[0], rv)}`)
}

function timed(call) {
  const start = process.hrtime.bigint()
  const rv = call()
  return [rv, Number(process.hrtime.bigint() - start) / 1e6]
}

for (let i = 0; i < (options.threads ?? 0); i++) {
  const worker = new Worker("require('node:worker_threads').parentPort.on('message', () => {})", {
    eval: true,
  })
  await new Promise((resolve) => worker.once('online', resolve))
}

const handle = [null]
check('pam_start', pam_start(options.service, options.user, { conv: converse, data: null }, handle))
const pamh = handle[0]
for (const [item, value] of [
  [PAM_RUSER, options.ruser],
  [PAM_RHOST, options.rhost],
  [PAM_TTY, options.tty],
]) {
  if (value !== undefined) check('pam_set_item', pam_set_item(pamh, item, value))
}
for (const [name, value] of Object.entries(options.env ?? {}))
  check('pam_putenv', pam_putenv(pamh, `${name}=${value}`))
if (options.umask !== undefined) process.umask(options.umask)
if (options.chdir !== undefined) process.chdir(options.chdir)
if (options.chroot !== undefined) libcCall('int chroot(const char *path)', options.chroot)
if (options.egid !== undefined) process.setegid(options.egid)
if (options.ruid !== undefined) libcCall('int setresuid(uint r, uint e, uint s)', options.ruid, 0, 0)
if (options.block?.length) {
  const SIG_BLOCK = 0
  const set = Buffer.alloc(128)
  for (const n of options.block) set[(n - 1) >> 3] |= 1 << ((n - 1) & 7)
  libcCall('int pthread_sigmask(int how, const void *set, void *old)', SIG_BLOCK, set, null)
}

function libcCall(prototype, ...args) {
  if (libc.func(prototype)(...args) !== 0) throw new Error(`${prototype}: errno ${koffi.errno()}`)
}

report.before = state()
const [open, openMs] = timed(() => pam_open_session(pamh, 0))
Object.assign(report, { open, openMs, openText: pam_strerror(pamh, open), opened: state() })
if (open === 0) {
  if (options.command !== undefined) report.command = shell(options.command)
  if (options.hold) {
    writeSync(1, `held ${JSON.stringify(report)}\n`)
    readSync(0, Buffer.alloc(1)) // until the test closes it
  }
  if (options.close !== false) {
    const [close, closeMs] = timed(() => pam_close_session(pamh, 0))
    Object.assign(report, { close, closeMs, closed: state() })
  }
} else if (options.hold) {
  writeSync(1, `held ${JSON.stringify(report)}\n`)
}
report.pamEnv = []
for (let list = pam_getenvlist(pamh), i = 0; list !== null; i++) {
  const pair = koffi.decode(list, i * 8, 'char *')
  if (pair === null) break
  report.pamEnv.push(pair)
}
pam_end(pamh, report.close ?? open)
if (options.after !== undefined) report.after = shell(options.after)
writeSync(1, `done ${JSON.stringify(report)}\n`)
process.exit(0)
