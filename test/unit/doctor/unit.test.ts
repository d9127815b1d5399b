import t from 'tap'
import { capabilitiesIn, namespaceIn, parseUnit, readUnit, seccompIn } from '../../../src/doctor/unit.js'

const settings = (...lines: string[]) => parseUnit(`[Service]\n${lines.join('\n')}\n`, 'f')

t.test('the settings of a unit', (t) => {
  const text = '[Unit]\nA=1\n[Service]\nB = 2 \\\n; x\n  3\n#C=1\nD=\n[Install]\nE=1\n'
  t.same(parseUnit(text, 'f'), [
    { key: 'B', value: '2    3', file: 'f', line: 4 },
    { key: 'D', value: '', file: 'f', line: 8 },
  ])
  t.end()
})

t.test('a unit and its drop-ins, in the order in which they count', (t) => {
  const files: Record<string, string> = {
    '/usr/lib/systemd/system/ssh@.service': '[Service]\nA=vendor',
    '/lib/systemd/system/ssh@.service': '[Service]\nA=other',
    '/etc/systemd/system/ssh@.service.d/b.conf': '[Service]\nA=b',
    '/usr/lib/systemd/system/ssh@.service.d/a.conf': '[Service]\nA=a',
    '/usr/lib/systemd/system/ssh@.service.d/b.conf': '[Service]\nA=hidden',
    '/run/systemd/system/service.d/z.conf': '[Service]\nA=all',
  }
  const host = {
    read: (path: string) => files[path] ?? null,
    list: (path: string) => {
      const names = Object.keys(files).flatMap((file) =>
        file.startsWith(`${path}/`) ? file.slice(path.length + 1) : [],
      )
      return names.length === 0 ? null : names.sort()
    },
  }
  t.same(
    readUnit('ssh@.service', host)?.map(({ value }) => value),
    ['vendor', 'a', 'b', 'all'],
  )
  t.equal(readUnit('cron.service', host), null)
  t.end()
})

t.test('capabilities that are left out', (t) => {
  const cases: [string[], string | undefined][] = [
    [[], undefined],
    [['CapabilityBoundingSet=~'], undefined],
    [['CapabilityBoundingSet=~CAP_NET_RAW'], undefined],
    [['CapabilityBoundingSet=~cap_sys_admin'], 'CAP_SYS_ADMIN'],
    [['CapabilityBoundingSet=~CAP_SYS_ADMIN', 'CapabilityBoundingSet=CAP_SYS_ADMIN'], undefined],
    [
      [
        'CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER',
        'CapabilityBoundingSet=CAP_SYS_CHROOT CAP_SYS_ADMIN',
      ],
      'CAP_SYS_PTRACE',
    ],
    [['CapabilityBoundingSet=CAP_SYS_ADMIN', 'CapabilityBoundingSet=~'], undefined],
    [
      ['CapabilityBoundingSet='],
      'CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_ADMIN',
    ],
  ]
  for (const [lines, missing] of cases) {
    const found = capabilitiesIn(settings(...lines))
    t.equal(found[0]?.missing.join(' '), missing, lines.join(', '))
    const [lift] = found.map((one) => one.lift)
    if (lift !== undefined) t.same(capabilitiesIn(settings(...lines, lift)), [], 'and its drop-in lifts it')
  }
  t.end()
})

t.test('settings that install a seccomp filter, or make a namespace', (t) => {
  const filters = [
    'SystemCallFilter=~@obsolete',
    'RestrictNamespaces=user',
    'LockPersonality=true',
    'ProtectHostname=private',
  ]
  const found = seccompIn(settings(...filters))
  t.equal(found.length, 4)
  t.same(seccompIn(settings(...filters, ...found.map(({ lift }) => lift))), [], 'lifted')
  t.same(seccompIn(settings('SystemCallFilter=', 'RestrictNamespaces=no', 'LockPersonality=false')), [])
  const mounts = [
    'PrivateTmp=disconnected',
    'ProtectSystem=strict',
    'ReadOnlyPaths=/srv',
    'ProtectProc=invisible',
  ]
  const apart = namespaceIn(settings(...mounts))
  t.equal(apart.length, 4)
  t.same(namespaceIn(settings(...mounts, ...apart.map(({ lift }) => lift))), [], 'lifted')
  t.same(namespaceIn(settings('PrivateTmp=no', 'ProtectHome=no', 'ProtectProc=default')), [])
  t.end()
})
