/* Checks of what belongs to the real machine, and must not be changed for a test: its sysctls, its security modules. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import t from 'tap'
import { exclude } from '../../../src/doctor/checks/root-excluded.js'
import { judgeSelinux } from '../../../src/doctor/checks/selinux.js'
import { judgeMounts, judgeNamespaces } from '../../../src/doctor/checks/settings.js'
import { judgeYama } from '../../../src/doctor/checks/yama.js'
import { unitIn } from '../../../src/doctor/daemons.js'

const hostOf = (files: Record<string, string>) => ({
  read: (path: string) => files[path] ?? null,
  list: (path: string) => {
    const names = Object.keys(files).filter((file) => file.startsWith(`${path}/`))
    return names.length === 0 ? null : names.map((file) => file.slice(path.length + 1)).sort()
  },
})

t.test('yama', (t) => {
  const NOW = '/proc/sys/kernel/yama/ptrace_scope'
  const judge = (files: Record<string, string>) => judgeYama(hostOf(files))
  t.same(judge({}), [], 'a kernel without it')
  t.match(judge({ [NOW]: '1\n' }), [{ severity: 'ok' }])
  t.match(judge({ [NOW]: '2\n' }), [{ severity: 'ok' }], 'root may')
  t.match(judge({ [NOW]: '3\n' }), [{ severity: 'error', saw: /is 3$/, why: /reboot/, mend: [] }])
  const site = { '/etc/sysctl.d/50-site.conf': '# x\n kernel.yama.ptrace_scope=3\n' }
  const mend = ['sed -i --follow-symlinks 2s/3/1/ /etc/sysctl.d/50-site.conf']
  t.match(judge({ [NOW]: '3\n', ...site }), [{ severity: 'error', saw: /50-site.conf:2 sets 3/, mend }])
  t.match(judge({ [NOW]: '1\n', ...site }), [{ severity: 'warning', why: /next boot/, mend }])
  const later = { '/usr/lib/sysctl.d/60-x.conf': 'kernel/yama/ptrace_scope = 1\n' }
  t.match(judge({ [NOW]: '1\n', ...site, ...later }), [{ severity: 'ok' }], 'the last by name counts')
  const hidden = {
    '/usr/lib/sysctl.d/50-site.conf': 'kernel.yama.ptrace_scope=3',
    '/etc/sysctl.d/50-site.conf': '',
  }
  t.match(judge({ [NOW]: '1\n', ...hidden }), [{ severity: 'ok' }], 'one in /etc hides that of the vendor')
  t.match(judge({ [NOW]: '1\n', '/usr/lib/sysctl.d/9.conf': 'kernel.yama.ptrace_scope=3' }), [
    { severity: 'warning', mend: [/>\/etc\/sysctl.d\/zz-polyns-yama.conf$/] },
  ])
  t.end()
})

t.test('selinux', (t) => {
  const judge = (enforce: string | null, deny: string) =>
    judgeSelinux(
      hostOf({
        ...(enforce === null ? {} : { '/sys/fs/selinux/enforce': enforce }),
        '/sys/fs/selinux/booleans/deny_ptrace': deny,
      }),
    )
  t.same(judge(null, ''), [], 'off')
  t.match(judge('1', '0 0'), [{ severity: 'note', mend: [] }])
  t.match(judge('0', '0 0'), [{ severity: 'ok' }])
  t.match(judge('1', '1 1'), [{ severity: 'error', mend: ['setsebool -P deny_ptrace off'] }])
  t.match(judge('0', '1 1'), [{ severity: 'warning' }])
  t.end()
})

t.test('the limits', (t) => {
  t.same(judgeNamespaces(null, 5), [])
  t.match(judgeNamespaces(100, 5), [{ severity: 'ok' }])
  t.match(judgeNamespaces(100, 80), [
    { severity: 'warning', mend: [/sysctl.d/, 'sysctl -w user.max_mnt_namespaces=10000'] },
  ])
  t.match(judgeNamespaces(0, 5), [{ severity: 'error' }])
  t.match(judgeNamespaces(100_000, 100_000), [{ severity: 'error', mend: [/./, /=400000$/] }])
  t.match(judgeMounts(100_000, 40), [{ severity: 'ok' }])
  t.match(judgeMounts(100, 80), [{ severity: 'warning' }])
  t.match(judgeMounts(100, 95), [{ severity: 'error', mend: [/./, 'sysctl -w fs.mount-max=380'] }])
  t.end()
})

t.test('a line from which root is taken out', (t) => {
  const directory = mkdtempSync(`${tmpdir()}/polyns-`)
  t.teardown(() => rmSync(directory, { recursive: true }))
  const file = `${directory}/f`
  const users = { mode: 'except' as const, names: [], uids: [], ranges: [], groups: [] }
  const cases: [string, string | null][] = [
    ['/tmp /x/ user', '/tmp /x/ user root'],
    ['/tmp\t/x/ user  adm,bin \t', '/tmp\t/x/ user  adm,bin,root'],
    ['/tmp /x/ user # root', null],
    ['/tmp "/x y/" user', null],
  ]
  for (const [text, expected] of cases) {
    writeFileSync(file, `first\n${text}\n`)
    const [command] = exclude({ file, line: 2, users }, text)
    if (command !== undefined) execFileSync('sh', ['-c', command])
    t.equal(
      command === undefined ? null : readFileSync(file, 'utf8'),
      expected && `first\n${expected}\n`,
      text,
    )
  }
  t.same(exclude({ file, line: 1, users: { ...users, mode: 'only' } }, '/tmp /x/ user ~root'), [])
  t.end()
})

t.test('the unit that a process belongs to', (t) => {
  const cases: [string, string | null][] = [
    ['0::/system.slice/ssh.service\n', 'ssh.service'],
    ['12:pids:/x\n1:name=systemd:/system.slice/cron.service\n', 'cron.service'],
    ['0::/system.slice/system-getty.slice/getty@tty1.service\n', 'getty@tty1.service'],
    ['0::/user.slice/user-1000.slice/session-1.scope\n', null],
    ['0::/\n', null],
  ]
  for (const [text, unit] of cases) t.equal(unitIn(text), unit, text.trim())
  t.end()
})
