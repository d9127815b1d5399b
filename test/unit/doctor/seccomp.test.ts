/* Which settings of a unit make a filter that polyns cannot work under, and that their drop-in lifts it. */
import t from 'tap'
import { forbiddenIn } from '../../../src/doctor/seccomp.js'
import { parseUnit } from '../../../src/doctor/unit.js'

const found = (...lines: string[]) => forbiddenIn(parseUnit(['[Service]', ...lines].join('\n'), 'x.conf'))

t.test('what polyns lacks under a filter', (t) => {
  const cases: [string[], needs: string][] = [
    [['SystemCallFilter=@system-service @mount @debug'], ''],
    [['SystemCallFilter=@known'], ''],
    [['SystemCallFilter=@system-service', 'SystemCallFilter=@mount ptrace pidfd_getfd'], ''],
    [['SystemCallFilter=@system-service @mount', 'SystemCallErrorNumber=EPERM'], 'pidfd_getfd ptrace'],
    [['SystemCallFilter=@system-service @mount @debug', 'SystemCallFilter=~setns:EPERM'], 'setns'],
    [['SystemCallFilter=~@obsolete @clock'], ''],
    [['SystemCallFilter=~@debug ptrace', 'SystemCallFilter=ptrace'], 'pidfd_getfd'],
    [['SystemCallFilter=~@mount', 'SystemCallFilter='], ''],
    [['SystemCallFilter=~@mount', 'SystemCallFilter=', 'SystemCallFilter=~setns'], 'setns'],
    [['RestrictNamespaces=~user'], ''],
    [['RestrictNamespaces=mnt pid'], ''],
    [['RestrictNamespaces=yes'], 'mount namespaces'],
    [['RestrictNamespaces=user'], 'mount namespaces'],
    [['RestrictNamespaces=~cgroup mnt'], 'mount namespaces'],
    [['MemoryDenyWriteExecute=yes'], 'code made at run time, for Node.js'],
    [['LockPersonality=yes', 'ProtectClock=yes', 'SystemCallArchitectures=native', 'PrivateDevices=yes'], ''],
  ]
  for (const [lines, needs] of cases) {
    const obstacles = found(...lines)
    t.equal(obstacles.map((one) => one.needs).join(), needs, lines.join(', '))
    t.same(found(...lines, ...obstacles.map(({ lift }) => lift)), [], 'and its drop-in lifts it')
  }
  t.end()
})
