// A session opened and closed by a PAM application (pamtester), and the helper alone, with 0, 500 and 2,500 mounts on the host.
// The numbers of mounts come in turn too, in blocks: what is compared is never far apart in time.

import { InTurn } from '../in-turn.mjs'
import {
  addUsers,
  hold,
  hostMounts,
  installPolyns,
  KOFFI_ONLY,
  LINES,
  POLYNS,
  POLYNS_NODE,
  pamStack,
  report,
  setUpPamNamespace,
  sh,
  sized,
} from '../inside.mjs'

const MOUNTS = [0, 500, 2500]
const [blocks, rounds] = sized([8, 5], [2, 3])

installPolyns()
setUpPamNamespace()
for (const [name, line] of Object.entries(LINES)) pamStack(`bench-${name}`, line)
const [builds, joins, other] = addUsers('bench', 3, 6000)
const session = (stack, user) => `pamtester bench-${stack} ${user} open_session close_session`
/** A shell plays the application; `true` keeps it from becoming the helper that it should wait for. */
const helper = (user, command = `${POLYNS} pam`) =>
  `/bin/sh -c "PAM_SERVICE=bench PAM_USER=${user} PAM_TYPE=open_session ${command} || exit 1; true"`

const WHOLE = {
  'no module': session('none', builds),
  pam_namespace: session('namespace', other),
  'pam_exec /bin/true': session('true', builds),
  'polyns, building': session('polyns', builds),
  'polyns, joining': session('polyns', joins),
  'polyns of the checkout, building': session('node', builds),
  'polyns of the checkout, joining': session('node', joins),
}
const HELPER = {
  'only loads koffi': helper(builds, `${KOFFI_ONLY} now`),
  'only loads koffi, with the switches of a login': helper(builds, `${KOFFI_ONLY} pam`),
  'only loads koffi, and ends as Node ends': helper(builds, KOFFI_ONLY),
  'polyns pam, building': helper(builds),
  'polyns pam, joining': helper(joins),
  'the checkout: Node, only loads koffi': helper(builds, 'node /opt/polyns/bench/koffi.cjs now'),
  'the checkout: polyns pam, building': helper(builds, `${POLYNS_NODE} pam`),
  'the checkout: polyns pam, joining': helper(joins, `${POLYNS_NODE} pam`),
}

// Or what is measured does not work.
for (const [polyns, user] of [
  [POLYNS, builds],
  [POLYNS_NODE, builds],
])
  sh(
    `env PAM_SERVICE=bench PAM_USER=${user} PAM_TYPE=open_session /bin/sh -c '${polyns} pam && grep -q "/polyns-inst/${user} /tmp" /proc/self/mountinfo'`,
  )
const held = await hold(joins)
sh(
  `env PAM_SERVICE=bench PAM_USER=${joins} PAM_TYPE=open_session /bin/sh -c '${POLYNS} pam && [ "$(readlink /proc/self/ns/mnt)" = "$(readlink /proc/${held.pid}/ns/mnt)" ]'`,
)
sh(`${session('namespace', other)} && [ -d /tmp/pam-inst/${other} ]`)

const whole = MOUNTS.map(() => new InTurn(WHOLE))
const alone = MOUNTS.map(() => new InTurn(HELPER))
for (const turn of [...whole, ...alone]) turn.warmUp()
for (let block = 0; block < blocks; block++) {
  for (const [i, count] of MOUNTS.entries()) {
    hostMounts(count)
    for (let round = 0; round < rounds; round++) {
      whole[i].round()
      alone[i].round()
    }
  }
}
hostMounts(0)
held.end()

const joined = (i) => alone[i].times['polyns pam, joining']
report([
  ...MOUNTS.map((count, i) => ({
    kind: 'turns',
    id: `open-${count}`,
    title: `A session opened and closed, ${count.toLocaleString('en')} mounts on the host besides its own`,
    unit: 'ms',
    base: 'pam_namespace',
    times: whole[i].times,
    cpu: whole[i].cpu,
  })),
  {
    kind: 'turns',
    id: 'helper',
    title: 'The helper at the opening alone',
    unit: 'ms',
    base: 'only loads koffi',
    times: Object.fromEntries(
      Object.entries(alone[0].times).filter(([name]) => !name.startsWith('the checkout')),
    ),
    cpu: alone[0].cpu,
    goals: [
      { name: 'polyns pam, building', most: 1.25 },
      { name: 'polyns pam, joining', most: 1.15 },
    ],
  },
  {
    kind: 'turns',
    id: 'helper-checkout',
    title: 'The same from the checkout, with the Node of this machine',
    unit: 'ms',
    base: 'the checkout: Node, only loads koffi',
    times: Object.fromEntries(
      Object.entries(alone[0].times).filter(([name]) => name.startsWith('the checkout')),
    ),
    cpu: alone[0].cpu,
  },
  {
    kind: 'turns',
    id: 'joining',
    title: 'Joining, by the number of mounts on the host',
    unit: 'ms',
    base: '0 mounts',
    times: Object.fromEntries(MOUNTS.map((count, i) => [`${count.toLocaleString('en')} mounts`, joined(i)])),
    goals: [{ name: '2,500 mounts', most: 1.1 }],
  },
])
