/* The files in config/ agree with each other and with the documentation: one program, one line, the same instance parents. */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { parsePamOptions } from '../../src/cli/pam-options.js'

const top = new URL('../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, top), 'utf8')
const files = readdirSync(new URL('config', top), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map(({ parentPath, name }) => `${parentPath}/${name}`.replace(/^.*\/config\//, 'config/'))

t.test('a PAM line is always the same, but for its options, and these exist', (t) => {
  const lines = files.flatMap(
    (path) => read(path).match(/^#?\s*(session\s+)?required\s+pam_exec\.so.*$/gm) ?? [],
  )
  t.ok(lines.length >= 6, `${lines.length} lines`)
  for (const line of lines) {
    const [, options = ''] =
      /required\s+pam_exec\.so quiet seteuid \/usr\/sbin\/polyns pam((?: --\S+)*)(?: +\{.*\})?$/.exec(
        line,
      ) ?? ['', '--none']
    t.doesNotThrow(() => parsePamOptions(options.split(' ').filter((word) => word !== '')), line)
  }
  t.end()
})

t.test('what tmpfiles.d spares is where the example keeps instances', (t) => {
  const spared = [...read('config/tmpfiles/polyns.conf').matchAll(/^x (\S+)$/gm)].map(([, path = '']) => path)
  const prefixes = [...read('config/namespace.conf.example').matchAll(/^\/\S+\s+(\/\S+)\/\s/gm)].map(
    ([, path = '']) => path,
  )
  t.ok(prefixes.length >= 2, prefixes.join(' '))
  for (const prefix of prefixes) t.ok(spared.includes(prefix), prefix)
  t.end()
})

t.test('the units give themselves no mount namespace', (t) => {
  const settings =
    /^(Private|Protect(?!Clock|Hostname)|ReadOnly|ReadWrite|Inaccessible|Bind|Temporary|RootDirectory|RootImage|MountFlags|DynamicUser)\w*=/m
  for (const path of files.filter((one) => one.endsWith('.service'))) t.notMatch(read(path), settings, path)
  t.end()
})
