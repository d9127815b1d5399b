// The memory of the helper at its end, as a hook sees it, which it waits for; and what the kernel keeps for each session that
// has a namespace of its own: what SUnreclaim and Percpu of /proc/meminfo grow by.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { addUsers, installPolyns, POLYNS, POLYNS_NODE, report, sh, sized } from '../inside.mjs'
import { openSessions, Sleepers } from '../sessions.mjs'

const rounds = sized(9, 3)
const batches = sized(9, 3)
const BATCH = 50

installPolyns()
const [user] = addUsers('bench', 1, 6000)
const FIELDS = { Rss: 'all', Anonymous: 'not of files, which all processes share' }

const helper = {}
for (const [name, program] of [
  ['the single executable', POLYNS],
  ['the checkout', POLYNS_NODE],
]) {
  const seen = Array.from({ length: rounds }, () => look(program))
  for (const [field, words] of Object.entries(FIELDS))
    helper[`${name}: ${words}`] = seen.map((one) => one[field])
}
const least = Array.from({ length: rounds }, () => Number(sh('/usr/bin/time -f %M /bin/true 2>&1')) / 1024)

const kernel = { namespaces: [] }
const sleepers = new Sleepers()
for (let batch = 0; batch < batches; batch++) {
  const users = addUsers(`many${batch}-`, BATCH, 10_000 + batch * BATCH)
  const pids = await sleepers.add(BATCH) // before: a process is there either way
  const before = kernelMemory()
  await openSessions(users, pids)
  kernel.namespaces.push((kernelMemory() - before) / BATCH)
}
await sleepers.end()

report([
  {
    kind: 'turns',
    id: 'memory',
    title: 'Memory of polyns pam when the session is open',
    unit: 'MB',
    times: { ...helper, '/bin/true: all, at most': least },
  },
  {
    kind: 'turns',
    id: 'memory-kernel',
    title: `Memory of the kernel for a private namespace, by ${BATCH} at a time`,
    unit: 'KB',
    times: kernel,
  },
])

function look(program) {
  const directory = '/etc/polyns/session.d/open'
  mkdirSync(directory, { recursive: true })
  // Waited for; its parent is timeout(1), the parent of that is the helper.
  const script =
    '#!/bin/sh\nread -r _ _ _ helper _ </proc/$PPID/stat\ncat /proc/$helper/smaps_rollup >/run/bench.smaps\n'
  writeFileSync(`${directory}/10W-look`, script)
  chmodSync(`${directory}/10W-look`, 0o755)
  sh(
    `env PAM_SERVICE=bench PAM_USER=${user} PAM_TYPE=open_session /bin/sh -c '${program} pam || exit 1; true'`,
  )
  sh(`rm -r ${directory}`)
  const text = readFileSync('/run/bench.smaps', 'utf8')
  return Object.fromEntries(
    Object.keys(FIELDS).map((field) => [
      field,
      Number(new RegExp(`^${field}: +(\\d+) kB$`, 'm').exec(text)?.[1]) / 1024,
    ]),
  )
}

/** KB */
function kernelMemory() {
  const text = readFileSync('/proc/meminfo', 'utf8')
  const of = (name) => Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(text)?.[1])
  return of('SUnreclaim') + of('Percpu')
}
