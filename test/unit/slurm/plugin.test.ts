import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parseSlurmConf, pluginIn, pluginOf, settingsIn } from '../../../src/slurm/plugin.js'

t.test('slurm.conf is read as Slurm reads it', async (t) => {
  const cases: [string, string, Record<string, string>][] = [
    ['one a line', 'UsePAM=1\nEpilog=/x\n', { usepam: '1', epilog: '/x' }],
    ['several a line', 'NodeName=a CPUs=2 State=UNKNOWN', { nodename: 'a', cpus: '2', state: 'UNKNOWN' }],
    ['names in any case, spaces about the sign', 'USEPAM = 1', { usepam: '1' }],
    ['a quoted value', 'Comment="two words" X=1', { comment: 'two words', x: '1' }],
    ['comments', '# UsePAM=1\nA=b # C=d\n', { a: 'b' }],
    ['a line that goes on', 'A=b \\\nC=d', { a: 'b', c: 'd' }],
    ['the last of two counts', 'A=b\na=c', { a: 'c' }],
    ['nothing', '', {}],
  ]
  for (const [what, text, settings] of cases) t.same(Object.fromEntries(parseSlurmConf(text)), settings, what)
})

t.test('a setting that may come more than once', async (t) => {
  const text = 'Epilog=/a UsePAM=1\nepilog="/b c"\n#Epilog=/d\n'
  t.strictSame(settingsIn(text), [
    ['epilog', '/a'],
    ['usepam', '1'],
    ['epilog', '/b c'],
  ])
})

t.test('a plugin counts when it gives jobs a namespace', async (t) => {
  const cases: [string, string | null][] = [
    ['JobContainerType=job_container/tmpfs', 'job_container/tmpfs'],
    ['NamespaceType=namespace/tmpfs', 'namespace/tmpfs'],
    ['namespacetype=Namespace/linux', 'Namespace/linux'],
    ['JobContainerType=job_container/none NamespaceType=namespace/linux', 'namespace/linux'],
    ['JobContainerType=job_container/none', null],
    ['JobContainerType=job_container/cncu', null], // Cray's: no mount namespace
    ['NamespaceType=namespace/none', null],
    ['#JobContainerType=job_container/tmpfs', null],
    ['', null],
  ]
  for (const [text, plugin] of cases) t.equal(pluginIn(parseSlurmConf(text)), plugin, text)
})

t.test('a process that is no slurmstepd does not say where slurm.conf is', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'plugin-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  writeFileSync(join(dir, 'slurm.conf'), 'JobContainerType=job_container/tmpfs\n')
  process.env.SLURM_CONF = join(dir, 'slurm.conf')
  t.not(pluginOf(process.pid)?.file, join(dir, 'slurm.conf'))
})
