/* What a session is told of its user and its service, where some of that is of an attacker's choosing; and tmpfs options. */
import { createHash } from 'node:crypto'
import t from 'tap'
import { type Attack, notOpened, type Stage, together, tryAll } from '../support/attacks.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'

const skip = needs('root', 'layer', 'dist')
const TMP = '/tmp /tmp/inst/ user:noinit root\n'
const LONG = 'x'.repeat(120)

/** Lines of passwd as a directory server could give them, each with uid 6001 unless it says another. */
const USERS = [
  '..',
  '.',
  'a/b',
  'a b',
  '$(id)',
  'DOM\\alice',
  'Alice',
  '~alice',
  'é\u0301',
  'alice.job5',
  LONG,
]
const PASSWD = USERS.map((name) => `${name}:x:6001:6001::/home/alice:/bin/sh\n`).join('')

// pam_exec runs it in the application, after the session has been made there.
const LOOK = '#!/bin/sh\ngrep " /tmp " /proc/self/mountinfo | tail -1 | cut -d" " -f4 >/run/seen\n'
const isPrepared = new WeakSet<Stage>()

async function prepare(stage: Stage): Promise<void> {
  if (isPrepared.has(stage)) return
  isPrepared.add(stage)
  const look = 'session optional pam_exec.so seteuid /usr/local/bin/look'
  await stage.box.write('/usr/local/bin/look', LOOK, 0o755)
  await stage.box.pam('app', plainStack([stage.line, look]))
  await stage.box.write('/etc/passwd', (await stage.box.read('/etc/passwd')) + PASSWD)
  await stage.sh(
    "echo alice2:x:5001:5001::/home/alice:/bin/sh >>/etc/passwd; echo $'caf\\xe9:x:6001:6001::/:/bin/sh' >>/etc/passwd",
  )
  await stage.configure(TMP)
}

/** What the session of that user has mounted at /tmp: the path of its instance, or `refused`. */
async function sessionOf(stage: Stage, user: string, items: readonly string[] = []): Promise<string> {
  await prepare(stage)
  await stage.sh('rm -rf /tmp/inst; mkdir -m 000 /tmp/inst; echo none >/run/seen')
  const before = await stage.canaries()
  const argv = ['pamtester', ...items, 'app', user, 'open_session']
  const result = await stage.box.run(argv, { timeoutMs: 30_000 })
  if ((await stage.canaries()) !== before) return 'ESCALATES'
  if (result.status !== 0) return notOpened(result)
  return (await stage.sh('cat /run/seen')).trim().replace('\\040', ' ').replace('\\134', '\\')
}

/** A user by that name has a directory of his own by it, or no session. */
function name(id: string, attack: string, user: string, instance = `/tmp/inst/${user}`): Attack {
  return {
    id,
    attack,
    tried: async (stage) => {
      const root = await sessionOf(stage, user)
      if (root === instance) return 'private, by that name'
      if (root === 'none') return 'refused'
      return root.startsWith('/tmp/inst/') || root === 'refused' ? root : `SEES ${root}`
    },
  }
}

/** alice's session is hers and nobody else's, whatever these items say. */
function items(id: string, attack: string, ...sets: string[][]): Attack {
  return {
    id,
    attack,
    tried: async (stage) => {
      const found = new Map<string, string>()
      for (const set of sets) {
        const root = await sessionOf(stage, 'alice', set)
        found.set(set.at(-1) ?? '', root === '/tmp/inst/alice' ? 'private' : root)
      }
      return together(found)
    },
  }
}
const ruser = (value: string) => ['-I', `ruser=${value}`]

/** What alice sees at /tmp, with these options of a tmpfs. */
function tmpfs(id: string, attack: string, options: string): Attack {
  return {
    id,
    attack,
    tried: async (stage) => {
      await stage.configure(`/tmp tmpfs tmpfs:noinit:mntopts=${options} root\n`)
      const result = await stage.su('stat -fc %T /tmp; stat -c "mode %a, uid %u" /tmp')
      if (!result.stdout.startsWith('tmpfs')) return notOpened(result)
      return `a tmpfs, ${result.stdout.split('\n')[1]}`
    },
  }
}

const ATTACKS: Attack[] = [
  name('N1', 'PAM_USER is `..`', '..'),
  name('N2', 'PAM_USER is `.`', '.'),
  name('N3', 'PAM_USER is `a/b`', 'a/b'),
  name('N4', 'PAM_USER is `a b`', 'a b'),
  name('N5', 'PAM_USER is `$(id)`', '$(id)'),
  name('N6', 'PAM_USER is `DOM\\alice`', 'DOM\\alice'),
  name('N7', 'PAM_USER is `Alice`, and alice is another', 'Alice'),
  name('N8', 'PAM_USER is `~alice`', '~alice'),
  name('N9', 'PAM_USER is of characters that combine', 'é\u0301'),
  name(
    'N10',
    'PAM_USER is of 120 bytes',
    LONG,
    `/tmp/inst/${LONG.slice(0, 47)}_${createHash('md5').update(LONG).digest('hex')}`,
  ),
  name('N11', 'PAM_USER is `alice.job5`, as the instance of a job is called', 'alice.job5'),
  name('N12', 'PAM_USER is one that nobody knows: `root/../x`', 'root/../x'),
  items(
    'N13',
    'PAM_RUSER is unknown, `bob@remote`, `root`, alice, `..` or `$(id)`',
    ...['nobody-knows', 'bob@remote', 'root', 'alice', '..', '$(id)'].map(ruser),
  ),
  items(
    'N14',
    'PAM_RHOST and PAM_TTY hold a newline, escapes, a path',
    ['-I', 'rhost=x\ny', '-I', 'tty=\u001b[2J'],
    ['-I', 'tty=../../../etc/passwd'],
  ),
  items('N15', 'SLURM_JOB_ID, XDG_SESSION_ID and NODE_OPTIONS in the PAM environment', [
    '-E',
    'SLURM_JOB_ID=../../x',
    '-E',
    'XDG_SESSION_ID=../x',
    '-E',
    'NODE_OPTIONS=--require /home/bob/x.js',
  ]),
  name('N16', 'PAM_USER is a second name of alice’s uid', 'alice2'),
  {
    id: 'N17',
    attack: 'PAM_USER is no UTF-8',
    tried: async (stage) => {
      await prepare(stage)
      await stage.sh('rm -rf /tmp/inst; mkdir -m 000 /tmp/inst; echo none >/run/seen')
      const result = await stage.box.run("pamtester app $'caf\\xe9' open_session")
      if (result.status !== 0) return notOpened(result)
      const own = await stage.sh('[ "$(cat /run/seen)" != $\'/tmp/inst/caf\\xe9\' ] || echo own')
      return own === 'own\n' ? 'private, by that name' : 'MISPLACED'
    },
  },
  tmpfs('M1', '`mntopts=mode=0777,uid=5001`, which an administrator may want', 'mode=0777,uid=5001'),
  tmpfs('M2', '`mntopts=size=0`, which means no limit', 'size=0'),
  tmpfs('M3', '`mntopts=suid,dev,exec`', 'suid,dev,exec'),
  tmpfs('M4', '`mntopts=source=/etc,mode=$USER`: nothing in options is expanded', 'mode=$USER'),
  {
    id: 'M5',
    attack:
      'a home directory that is called `/home/x tmpfs tmpfs:mntopts=mode=0`: nothing in it is read as a field',
    tried: async (stage) => {
      await stage.configure('$HOME /tmp/inst/ user:noinit root\n')
      const home = '/home/x tmpfs tmpfs'
      await stage.sh(`install -d -o alice -g alice "${home}"; usermod -d "${home}" alice`)
      await stage.sh('rm -rf /tmp/inst; mkdir -m 000 /tmp/inst')
      const root = (await stage.su('grep -F "/home/x\\\\040" /proc/self/mountinfo | cut -d" " -f4 | tail -1'))
        .stdout
      await stage.sh('usermod -d /home/alice alice')
      return root.trim() === '/tmp/inst/alice' ? 'private' : `SEES ${root}`
    },
  },
]

t.setTimeout(240_000)

t.test('names, items and options', { skip, timeout: 230_000 }, (t) =>
  tryAll(t, 'Names, items and options', import.meta.url, ATTACKS),
)
