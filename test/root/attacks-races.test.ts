/*
 * A process of alice's in the host's namespace exchanges what the paths lead through (renameat2, RENAME_EXCHANGE) without pause,
 * while sessions open and close and polyns reaps: CVE-2025-6020 and its kin. Each session tells what is mounted where.
 */
import t from 'tap'
import { type Attack, type Stage, tryAll } from '../support/attacks.js'
import { install } from '../support/inside.js'
import { POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'
import { logged } from './state.js'

const skip = needs('root', 'layer', 'dist')
const ROUNDS = 75
/** Of theirs one session in fifty to some hundred goes wrong: until one does. */
const MAX_BATCHES = 60

interface Race {
  config: string
  /** What is exchanged: a name in a directory of alice's. */
  dir: string
  name: string
  /** Where an instance may be seen in a session, and where it may lie: beginnings of paths. */
  seen: string
  lies: string
  /** What of theirs holds too is not tried for long. */
  batches?: number
  /** From which directory su is called; it must not lead the session anywhere else than there or to /. */
  cwd?: string
}

/** The same names as in alice's directories, in a place of root's: what the exchanged links lead to. */
const TARGETS = `cd /srv/canary; mkdir -p poly sub inst box/inst w/poly w/sub; chmod 000 inst box/inst
  chmod 700 sub w/sub; chmod 755 poly w w/poly; touch poly/theirs sub/theirs`
const OWN = `rm -rf /home/alice/w /home/alice/box /srv/inst; mkdir -m 000 /srv/inst
  install -d -o alice -g alice /home/alice/w /home/alice/w/poly /home/alice/w/sub /home/alice/box
  mkdir -m 000 /home/alice/box/inst; rm -f /run/stop; touch /run/errors; chmod 666 /run/errors`
const decoys = (dir: string) => `cd ${dir}; rm -rf decoy*
  ln -s /etc decoy0; ln -s /srv/canary decoy1; ln -s /srv/canary/poly decoy2; mkdir -p decoy3/poly decoy3/sub decoy3/inst
  ln -s /srv/canary/w decoy4; touch decoy5; ln -s /srv/canary/box decoy6; mkdir decoy7; ln -s ../../../etc decoy7/inst`

// What a session says: where it is, and each instance that is mounted in it, `ROOT POINT`. Not by bash's `read`, which seeks in
// the table for each line: as the rival renames what the paths lead through, the lines are longer and shorter.
const LOOK = 'readlink /proc/self/cwd; cut -d " " -f 4,5 /proc/self/mountinfo'

async function race(
  stage: Stage,
  { config, dir, name, seen, lies, cwd = '/', batches = MAX_BATCHES }: Race,
): Promise<string> {
  const { box, product } = stage
  await stage.configure(config)
  await box.sh(`${OWN}; ${TARGETS}`)
  await stage.outside('alice', decoys(dir))
  const racer = await install(box, 'racer')
  const canaries = await stage.canaries()
  const mounts = box.mountinfo()
  const rival = box.spawn([racer, JSON.stringify({ dir, name, ms: 600_000 })], { user: 'alice' })
  if (product === 'polyns')
    box.spawn(`until [ -e /run/stop ]; do ${POLYNS} reap >/dev/null 2>>/run/errors || :; done`)
  // Wherever she moves it later, su is called in a directory that was hers.
  const start = `until cd -P ${cwd} 2>/dev/null && [ "$(stat -c %u .)" = ${cwd === '/' ? 0 : 5001} ]; do :; done`
  const round = `timeout -s KILL 20 su -s /bin/bash alice -c '${LOOK}' 2>/dev/null; echo "status $?"`
  const found = new Map<string, number>()
  for (let batch = 0; batch < (product === 'polyns' ? 1 : batches) && bad(found).length === 0; batch++) {
    const script = `${start}; for ((i = 0; i < ${ROUNDS}; i++)); do ${round}; done`
    for (const text of (await box.sh(script, { timeoutMs: 200_000 })).split(/(?<=^status \d+\n)/m)) {
      const word = judge(text, seen, lies)
      found.set(word, (found.get(word) ?? 0) + 1)
    }
  }
  await box.end(rival)
  await box.sh('touch /run/stop')
  const numbers = [...found].map(([word, n]) => `${n} ${word}`).join(', ')
  stage.notes.push(`${product}, ${dir}/${name}, called in ${cwd}: ${numbers}`)
  const isSame = (await stage.canaries()) === canaries && box.mountinfo().join() === mounts.join()
  if (product === 'pam_namespace')
    return isSame && bad(found).length === 0 ? 'each private or refused' : 'NOT ALWAYS PRIVATE'
  if (!isSame) return 'ESCALATES'
  if (bad(found).length > 0) return bad(found).join(', ')
  if ((await logged(box)).some((line) => line.includes('defect'))) return 'DEFECT'
  // Where she moves the parent about, what lies in it can be found only once it is back.
  const left =
    lies === '/srv/inst/'
      ? await box.sh(`${POLYNS} reap >/dev/null; ls -A /srv/inst /run/polyns/sessions`)
      : ''
  return /^s-|json/m.test(left) ? `LEFT BEHIND: ${left}` : 'each private or refused'
}

function bad(found: ReadonlyMap<string, number>): string[] {
  return [...found.keys()].filter((word) => word !== 'private' && word !== 'refused')
}

function judge(text: string, seen: string, lies: string): string {
  const [where = '', ...lines] = text.trimEnd().split('\n')
  const status = lines.pop() ?? where
  if (!where.startsWith('/'))
    return status === 'status 137' ? 'HANGS' : /status 1[3-9]\d/.test(status) ? 'CRASHES' : 'refused'
  // An instance has a name of the prefix `s-`, and the parent's name is `inst` everywhere.
  const instances = lines.filter((line) => /^\S*\/s-\w+(\/\/deleted)? /.test(line))
  if (instances.length === 0) return "HOST'S VIEW"
  const right = instances.every((line) =>
    line.split(' ').every((path, i) => path.startsWith(i === 0 ? lies : seen)),
  )
  if (!right) return 'MISPLACED'
  return /^\/(home\/alice\/(w|decoy\d)\/sub)?$/.test(where) ? 'private' : 'TAKEN ELSEWHERE'
}

const AT_HOME = '/home/alice/w/poly /srv/inst/s- tmpdir:noinit root\n'

const ATTACKS: Attack[] = [
  {
    id: 'R1',
    attack: 'the polydir in her home is exchanged with links, files and directories',
    tried: (stage) =>
      race(stage, {
        config: AT_HOME,
        dir: '/home/alice/w',
        name: 'poly',
        seen: '/home/alice/',
        lies: '/srv/inst/',
      }),
  },
  {
    id: 'R2',
    attack: 'the directory above it is exchanged',
    tried: (stage) =>
      race(stage, {
        config: AT_HOME,
        dir: '/home/alice',
        name: 'w',
        seen: '/home/alice/',
        lies: '/srv/inst/',
      }),
  },
  {
    id: 'R3',
    attack: 'the directory above the instance parent, in her home, is exchanged',
    tried: (stage) =>
      race(stage, {
        config: '/tmp /home/alice/box/inst/s- tmpdir:noinit root\n',
        dir: '/home/alice',
        name: 'box',
        seen: '/tmp',
        lies: '/home/alice/',
      }),
  },
  {
    id: 'R4',
    attack: 'the directory above the working directory of su is exchanged',
    tried: (stage) =>
      race(stage, {
        config: '/tmp /srv/inst/s- tmpdir:noinit root\n',
        dir: '/home/alice',
        name: 'w',
        seen: '/tmp',
        lies: '/srv/inst/',
        cwd: '/home/alice/w/sub',
        batches: 2,
      }),
  },
]

t.setTimeout(400_000) // about 60 s where nothing else runs

t.test('races', { skip, timeout: 390_000 }, (t) => tryAll(t, 'Races', import.meta.url, ATTACKS))
