import t from 'tap'
import { syscallError } from '../../../src/sys/call.js'
import { UnsupportedError } from '../../../src/sys/errors.js'
import { explainRights, probeCalls, probeCapabilities, requireKernel } from '../../../src/sys/probe.js'

const status = (effective: string) =>
  `Name:\tnode\nCapPrm:\tffffffffffffffff\nCapEff:\t${effective}\nCapBnd:\t0\n`
const lacking = (effective: string) =>
  probeCapabilities(status(effective))
    .filter(({ ok }) => !ok)
    .map(({ feature }) => feature)

t.test('the kernel', (t) => {
  for (const version of ['5.12.0', '5.12', '5.15.0-91-generic', '6.1.0-rc1', '10.0']) {
    t.doesNotThrow(() => requireKernel(version), version)
  }
  for (const version of ['5.11.22', '4.18.0-553.el8.x86_64', '3.10']) {
    t.throws(() => requireKernel(version), UnsupportedError, version)
  }
  t.throws(() => requireKernel('4.18.0'), /^Linux 4\.18\.0: polyns needs Linux 5\.12 or newer \(openat2,/)
  t.end()
})

t.test('capabilities, from /proc/PID/status', (t) => {
  t.strictSame(lacking('000001ffffffffff'), [])
  t.strictSame(lacking('0000000000000000'), [
    'CAP_CHOWN',
    'CAP_DAC_OVERRIDE',
    'CAP_FOWNER',
    'CAP_SYS_CHROOT',
    'CAP_SYS_PTRACE',
    'CAP_SYS_ADMIN',
  ])
  t.strictSame(lacking('00000000a80425fb'), ['CAP_SYS_PTRACE', 'CAP_SYS_ADMIN'], "docker's default")
  t.match(
    probeCapabilities(status('00000000a80425fb')).find(({ feature }) => feature === 'CAP_SYS_ADMIN'),
    { detail: /^missing; needed to make mount namespaces and mounts: run as root/ },
  )
  t.strictSame(
    probeCapabilities('Name:\tnode\n').filter(({ ok }) => ok),
    [],
    'a status without the line is no rights',
  )
  t.end()
})

t.test('the calls are there, and asking for them does nothing', (t) => {
  t.strictSame(
    probeCalls().filter(({ ok }) => !ok),
    [],
  )
  t.end()
})

t.test('only errors that rights explain are explained', (t) => {
  const failed = (errno: number) => syscallError(errno, { syscall: 'mount', show: () => '' })
  const gone = failed(2)
  t.equal(explainRights('a mount', gone), gone)
  const other = new Error('other')
  t.equal(explainRights('a mount', other), other)
  t.end()
})
