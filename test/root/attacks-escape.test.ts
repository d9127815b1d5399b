/* Ways out of a private view, and into another user's. */
import t from 'tap'
import { type Attack, notOpened, tryAll } from '../support/attacks.js'
import { needs } from '../support/needs.js'

const skip = needs('root', 'layer', 'dist')
const TMP = '/tmp /tmp/inst/ user:noinit root\n'
const PTRACE = process.arch === 'x64' ? 101 : 117

/** Whether a session of alice's comes to the host's /tmp by `script`, in which PID is a process of hers outside of any session. */
function wayOut(
  id: string,
  attack: string,
  script: string,
  options: { cwd?: string; before?: string; outside?: string } = {},
): Attack {
  return {
    id,
    attack,
    tried: async (stage) => {
      await stage.configure(TMP)
      await stage.sh('rm -rf /tmp/*; mkdir -m 000 /tmp/inst; echo "the host" >/tmp/whose')
      const { outside: how = 'exec' } = options
      const outside = stage.box.spawn(`${how} sh -c "echo ready; exec sleep 1000"`, { user: 'alice' })
      await outside.waitFor(/^ready$/m, 30_000)
      const pid = `${(await stage.box.pidOf(outside)).pid}`
      const result = await stage.su(`echo opened; ${script.replaceAll('PID', pid)}`, options)
      await stage.box.end(outside)
      if (!result.stdout.includes('opened')) return notOpened(result)
      return result.stdout.includes('the host') ? 'reaches the host’s, with her own rights' : 'stays private'
    },
  }
}

/** What another user comes to of a session of alice's that is open. SESSION is a process in it. */
function spying(id: string, attack: string, script: string): Attack {
  return {
    id,
    attack,
    tried: async (stage) => {
      await stage.configure(TMP)
      await stage.sh('rm -rf /tmp/*; mkdir -m 000 /tmp/inst')
      const session = stage.box.spawn([
        'su',
        '-s',
        '/bin/sh',
        'alice',
        '-c',
        'echo secret >/tmp/f; echo ready; exec sleep 999',
      ])
      await session.waitFor(/^ready$/m, 30_000)
      const pid = (await stage.sh('until pgrep -nu alice -x sleep; do sleep 0.05; done')).trim()
      const before = await stage.canaries()
      const spied = await stage.outside('bob', script.replaceAll('SESSION', pid))
      await stage.box.end(session)
      if ((await stage.canaries()) !== before) return 'ESCALATES'
      return spied.stdout.includes('secret') ? 'BOB READS IT' : 'nothing is seen'
    },
  }
}

const ATTACKS: Attack[] = [
  wayOut('E1', 'the caller’s working directory is the host’s /tmp', 'cat whose', { cwd: '/tmp' }),
  wayOut('E2', 'the caller leaves a descriptor of the host’s /tmp open', 'cat /proc/self/fd/9/whose', {
    before: 'exec 9</tmp',
  }),
  wayOut('E3', '`/proc/PID/root` or `cwd` of a process of hers outside', 'cat /proc/PID/root/tmp/whose'),
  wayOut(
    'E4',
    'ptrace of a process of hers outside',
    `perl -e 'print "the host" if syscall(${PTRACE}, 16, PID, 0, 0) == 0'`,
  ),
  wayOut('E5', '`nsenter -m` to a process of hers outside', 'nsenter -t PID -m cat /tmp/whose'),
  wayOut(
    'E6',
    '`nsenter -U -m` to a process of hers outside, in a user namespace of hers',
    'nsenter -t PID -U -m --preserve-credentials cat /tmp/whose',
    { outside: 'exec unshare -Urm' },
  ),
  wayOut(
    'E7',
    'umount and `mount --move` of /tmp in a user namespace of hers',
    'unshare -Urm sh -c "umount /tmp; umount -l /tmp; mount --move /tmp /mnt; cat /tmp/whose"',
  ),
  wayOut(
    'E8',
    '`fusermount3 -u /tmp`, which is set-user-ID root',
    'fusermount3 -u /tmp; fusermount3 -uz /tmp; cat /tmp/whose',
  ),
  spying(
    'E9',
    'bob reads `/proc/PID/root/tmp` of alice’s session',
    'cat /proc/SESSION/root/tmp/f; nsenter -t SESSION -m cat /tmp/f',
  ),
  spying('E10', 'bob looks into the instance parent', 'cat /tmp/inst/alice/f; cd /tmp/inst && cat alice/f'),
  spying(
    'E11',
    'bob looks into it as root of a user namespace of his',
    'unshare -Ur sh -c "cat /tmp/inst/alice/f; chmod 777 /tmp/inst; cat /tmp/inst/alice/f"',
  ),
]

t.setTimeout(200_000)

t.test('escapes', { skip, timeout: 190_000 }, (t) => tryAll(t, 'Escapes', import.meta.url, ATTACKS))
