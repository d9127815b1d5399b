/* Sessions of which something fails half way, what an init script is told, and what misleads the clean-up. */
import t from 'tap'
import { type Attack, notOpened, type Stage, tryAll } from '../support/attacks.js'
import { POLYNS } from '../support/install.js'
import { needs } from '../support/needs.js'

const skip = needs('root', 'layer', 'dist')
const TMP = '/tmp /tmp/inst/ user:noinit root\n'

/** A session with this configuration. */
function configured(id: string, attack: string, config: string, then = ''): Attack {
  return {
    id,
    attack,
    tried: async (stage) => {
      await stage.configure(config)
      await stage.sh(`rm -rf /tmp/inst /srv/bad; mkdir -m 000 /tmp/inst; install -d -o bob /srv/bad; ${then}`)
      return stage.session()
    },
  }
}

/** A session with this init script, of a caller who has prepared something for it; `report` reads what it wrote to /run/out. */
function script(
  id: string,
  attack: string,
  body: string,
  before = '',
  report: (out: string) => string = () => 'opened all the same',
): Attack {
  return {
    id,
    attack,
    tried: async (stage) => {
      await stage.configure('/tmp /tmp/inst/ user:iscript=/etc/init-script root\n')
      await stage.box.write('/etc/init-script', `#!/bin/bash\n${body}\n`, 0o755)
      await stage.sh('rm -rf /tmp/inst /run/out; mkdir -m 000 /tmp/inst')
      const result = await stage.su('echo opened', { before })
      if (!result.stdout.includes('opened')) return notOpened(result)
      return report(await stage.sh('cat /run/out 2>/dev/null || :'))
    },
  }
}

/** A session prepares something for the next one, whose init script acts as root on the path that it is told is safe. */
async function trusting(
  stage: Stage,
  config: string,
  body: string,
  prepare: string,
  own = 'true',
): Promise<string> {
  await stage.sh(`rm -rf /tmp/inst /srv/inst /home/alice/w* /run/out; mkdir -m 000 /tmp/inst; ${own}`)
  await stage.configure(config)
  await stage.su(prepare)
  await stage.box.write(
    '/etc/init-script',
    `#!/bin/bash\nexport PATH=/usr/sbin:/usr/bin:/sbin:/bin\n${body}\n`,
    0o755,
  )
  await stage.configure(config.replace('noinit', 'iscript=/etc/init-script'))
  const before = await stage.canaries()
  const result = await stage.su('echo opened')
  if ((await stage.canaries()) !== before) return 'ESCALATES'
  if (!result.stdout.includes('opened')) return notOpened(result)
  return (await stage.sh('cat /run/out')).trim() === '' ? 'is told nothing' : 'is told that it is not safe'
}

const HALF = `${TMP}/mnt /srv/bad/ user:noinit root\n`

async function halfDone(stage: Stage): Promise<string> {
  await stage.configure(HALF)
  await stage.sh('rm -rf /tmp/inst /srv/bad; mkdir -m 000 /tmp/inst; install -d -o bob /srv/bad')
  const { open, opened, before } = await stage.box.pamApp({ service: 'app', user: 'alice' })
  if (open === 0) return 'OPENED'
  return opened.mntNs === before.mntNs ? 'refused, nothing has changed' : 'refused, HALF OF IT STAYS'
}

async function bySudo(stage: Stage): Promise<string> {
  await stage.setLine('sudo')
  await stage.configure(HALF)
  await stage.sh('rm -rf /tmp/inst /srv/bad; mkdir -m 000 /tmp/inst; install -d -o bob /srv/bad')
  const result = await stage.box.run(['sudo', '-u', 'alice', 'echo', 'opened'])
  return result.stdout.includes('opened') ? 'RUNS ALL THE SAME' : notOpened(result)
}

const REAP = `${POLYNS} reap --json`

async function heldByBob(stage: Stage): Promise<string> {
  if (stage.product === 'pam_namespace') return 'nothing is ever removed'
  await stage.configure(TMP)
  await stage.sh('rm -rf /tmp/inst; mkdir -m 000 /tmp/inst')
  await stage.su('echo mine >/tmp/f')
  // One on another file system, at the very same place in it; and one on the same, at another.
  const mount = `exec unshare -Urm sh -c "
    mount -t tmpfs own /mnt; mkdir -p /mnt/tmp/inst/alice /mnt/inst/alice /tmp/x/alice ~/x/alice
    for dir in /mnt/tmp/inst/alice /mnt/inst/alice /tmp/x/alice ~/x/alice; do mount --bind \\$dir /media || exit; done
    echo ready; exec sleep 999"`
  const bob = stage.box.spawn(mount, { user: 'bob' })
  await bob.waitFor(/^ready$/m, 30_000)
  const { removed } = JSON.parse(await stage.sh(REAP))
  await stage.box.end(bob)
  return removed.length === 1 ? 'removed all the same' : 'KEPT'
}

async function lured(stage: Stage): Promise<string> {
  if (stage.product === 'pam_namespace') return 'nothing is ever removed'
  await stage.configure('/tmp /tmp/inst/ user:noinit root\n/srv/x /home/bob/inst/ user:noinit root\n')
  await stage.sh('rm -rf /tmp/inst /home/bob/inst; mkdir -m 000 /tmp/inst; touch /home/alice/hers')
  await stage.outside('bob', 'ln -s /home ~/inst')
  const result = await stage.box.run(REAP)
  await stage.sh('test -e /home/alice/hers; rm /home/bob/inst')
  return result.status === 5 ? 'refused' : 'ACCEPTED'
}

/** Two configurations take each other's place by rename, all the while. */
async function replaced(stage: Stage): Promise<string> {
  await stage.configure(TMP)
  await stage.sh('rm -rf /tmp/inst; mkdir -m 000 /tmp/inst')
  const file = stage.config
  const swap = `i=0; until [ -e /run/enough ]; do i=$((1 - i)); printf "#%0$((i * 3000))d\\n/tmp /tmp/inst/ user:noinit root\\n" 0 >${file}.new; mv ${file}.new ${file}; done`
  const swapping = stage.box.spawn(swap)
  const found = new Set<string>()
  for (let i = 0; i < 20; i++) {
    const result = await stage.su('echo opened; grep -c "/tmp/inst/alice /tmp " /proc/self/mountinfo')
    const isPrivate = result.stdout.endsWith('\n1\n')
    found.add(isPrivate ? 'private' : result.stdout.includes('opened') ? "HOST'S VIEW" : notOpened(result))
  }
  await stage.sh('touch /run/enough')
  await swapping.exited
  return [...found].join(', ')
}

const ATTACKS: Attack[] = [
  {
    id: 'F1',
    attack: 'the second line of the configuration cannot be done: what is left in the application',
    tried: halfDone,
  },
  { id: 'F2', attack: 'the same, with sudo, for which PAM_SESSION_ERR is no reason to stop', tried: bySudo },
  {
    id: 'F3',
    attack: 'the configuration is writable for all',
    tried: async (stage) => {
      await stage.configure(TMP)
      await stage.sh(`rm -rf /tmp/inst; mkdir -m 000 /tmp/inst; chmod 666 ${stage.config}`)
      const outcome = await stage.session()
      return outcome === 'private' ? 'USED' : outcome
    },
  },
  configured('F4', 'a line with an empty method', '/tmp /tmp/inst/ "" root\n'),
  configured('F5', 'a line with one field', '/tmp\n'),
  configured('F6', 'a user list with a typing error, `~alicee`', '/tmp /tmp/inst/ user:noinit ~alicee\n'),
  configured('F7', 'no configuration', TMP, 'rm -f /etc/polyns/namespace.conf /etc/security/namespace.conf'),
  { id: 'F8', attack: 'the configuration is replaced all the while', tried: replaced },
  script('F9', 'the init script gives status 1', 'exit 1'),
  script('F10', 'the init script is killed', 'kill -9 $$'),
  script(
    'F11',
    'the init script under a caller with BASH_ENV, PATH and LD_LIBRARY_PATH of a user’s',
    'tr "\\0" "\\n" </proc/$$/environ >/run/out',
    'export BASH_ENV=/home/bob/evil PATH=/home/bob:$PATH LD_LIBRARY_PATH=/home/bob EVIL=evil',
    (out) => (/bob|EVIL/.test(out) ? 'HAS THE CALLER’S ENVIRONMENT' : 'has none of it'),
  ),
  script(
    'F12',
    'the init script under a caller with a descriptor of /root open',
    'ls -l /proc/$$/fd >/run/out',
    'exec 9</root',
    (out) => (out.includes('/root') ? 'HAS IT' : 'has it not'),
  ),
  {
    id: 'F13',
    attack:
      'a link in the private /tmp, where the path of the instance leads to, for an init script that trusts `$6`',
    tried: (stage) =>
      trusting(
        stage,
        TMP,
        'echo "$6" >/run/out; [ "$6" != 1 ] || touch "$2/made"',
        'mkdir -p /tmp/inst; ln -s /srv/canary /tmp/inst/alice',
      ),
  },
  {
    id: 'F14',
    attack: 'the directory above a polydir in her home becomes a link, for an init script that trusts `$5`',
    tried: (stage) =>
      trusting(
        stage,
        '/home/alice/w/poly /srv/inst/ user:noinit root\n',
        'runuser -u alice -- sh -c "cd; mv w w2; ln -s /srv/canary w"; echo "$5" >/run/out; [ "$5" != 1 ] || touch "$1/made"',
        'true',
        'install -d -o alice -g alice /home/alice/w /home/alice/w/poly; mkdir -m 000 /srv/inst; mkdir -p /srv/canary/poly',
      ),
  },
  {
    id: 'F15',
    attack:
      'bob mounts a directory that is called alice in a user namespace of his; then alice’s is to be reaped',
    tried: heldByBob,
  },
  {
    id: 'F16',
    attack: 'bob makes a link to alice’s home, and directories called like hers, where the clean-up looks',
    tried: lured,
  },
]

t.setTimeout(200_000)

t.test('failures', { skip, timeout: 190_000 }, (t) => tryAll(t, 'Failures', import.meta.url, ATTACKS))
