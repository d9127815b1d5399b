// How the cost of each program grows with the number of something on the machine. One number after the other, since the machine
// cannot be brought back and forth; what does not grow, the executable that only loads koffi, is measured
// beside them. Processors' time: the wall clock would show what else the machine does at each number.
import { InTurn } from './in-turn.mjs'
import { KOFFI_ONLY, POLYNS } from './inside.mjs'

const rounds = 3

const helper = (user) =>
  `env -i PAM_SERVICE=bench PAM_USER=${user} PAM_TYPE=open_session /bin/sh -c "${POLYNS} pam || exit 1; true"`

/** @param users who has no session, who has one, and whose job has ended */
export function programs({ builds, joins, job }) {
  return {
    'only loads koffi': `${KOFFI_ONLY} now`,
    'pam, building': helper(builds),
    'pam, joining': helper(joins),
    list: `${POLYNS} list`,
    metrics: `${POLYNS} metrics`,
    reap: `${POLYNS} reap --idle 9999d`,
    epilog: {
      prepare: `mkdir -p -m 1777 /tmp/polyns-inst/${job}`,
      command: `env SLURM_JOB_ID=7 SLURM_JOB_USER=${job} ${POLYNS} epilog`,
    },
    'setup, again': `${POLYNS} setup`,
    doctor: `/bin/sh -c "${POLYNS} doctor; true"`,
  }
}

/** @param bringTo makes it so many */
export async function sweep({ counts, bringTo, commands, besides = async () => ({}) }) {
  const points = Object.fromEntries(Object.keys(commands).map((name) => [name, []]))
  for (const count of counts) {
    await bringTo(count)
    const turn = new InTurn(commands)
    turn.warmUp()
    for (let i = 0; i < rounds; i++) turn.round()
    const all = { ...turn.cpu, ...(await besides(count)) }
    for (const [name, times] of Object.entries(all)) {
      points[name] ??= []
      points[name].push([count, times])
    }
  }
  return points
}
