/* Holds the import lines of src to the order of its rooms, and the files to what their rooms promise. */
import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const src = fileURLToPath(new URL('../../src', import.meta.url))

/** From the top down: a room imports from those below it. Neighbours may, but not each from the other. */
const FLOORS = [
  ['cli'],
  ['install', 'doctor'],
  ['session', 'cleanup', 'propagation'],
  ['slurm', 'ns'],
  ['config', 'mountinfo'],
  ['sys'],
]
const floorOf = (room: string) => FLOORS.findIndex((rooms) => rooms.includes(room))
const roomOf = (file: string) => file.split('/')[0] ?? ''

/** Which room alone may load a package. */
const KEEPERS: Record<string, string> = { koffi: 'sys', '@koromix': 'sys', commander: 'cli', pino: 'cli' }

/** Files that turn one text or value into another and touch nothing. */
const PURE = [
  'config/codes.ts',
  'config/create.ts',
  'config/describe.ts',
  'config/method.ts',
  'config/mntopts.ts',
  'config/parse.ts',
  'config/paths.ts',
  'config/problem.ts',
  'config/shape.ts',
  'config/types.ts',
  'config/users.ts',
  'config/whole.ts',
  'config/words.ts',
  'mountinfo/diff.ts',
  'mountinfo/parse.ts',
  'mountinfo/status.ts',
  'mountinfo/table.ts',
  'ns/plan.ts',
  'cli/list-words.ts',
  'cli/metrics-families.ts',
  'cli/metrics-format.ts',
  'propagation/live-judge.ts',
  'propagation/plan.ts',
  'propagation/step.ts',
  'session/tally-counts.ts',
]
const MACHINE = [
  'node:fs',
  'node:fs/promises',
  'node:child_process',
  'node:net',
  'node:os',
  'node:worker_threads',
]

const MAX_LINES = 300

interface Import {
  from: string
  /** `sys/fd.ts` for one of ours, else the name of the package or builtin. */
  what: string
  isTypeOnly: boolean
  isOurs: boolean
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
const text = new Map(files.map((file) => [file, readFileSync(join(src, file), 'utf8')]))

/** import and export ... from, import(), and what a created require loads. */
function importsOf(file: string): Import[] {
  const code = text.get(file) ?? ''
  const statements = code.matchAll(
    /^(?:import|export)\s+(type\s+)?(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]|\b(?:import|load|require)\(\s*(?:'([^']+)'|`([^`]+)`)/gm,
  )
  return Array.from(statements, ([, type, plain, called, template]) => {
    const name = plain ?? called ?? template ?? ''
    const isOurs = name.startsWith('.')
    const what = isOurs ? posix.join(dirname(file), name.replace(/\.js$/, '.ts')) : name
    return { from: file, what, isTypeOnly: type !== undefined, isOurs }
  })
}

const imports = files.flatMap(importsOf)
const show = (found: Import[]) => found.map(({ from, what }) => `${from} -> ${what}`).sort()

t.test('the imports are found at all', (t) => {
  t.ok(files.length > 30)
  t.ok(show(imports).includes('sys/mount.ts -> sys/call.ts'))
  t.ok(show(imports).includes('sys/koffi.ts -> koffi'), 'a required package too')
  t.end()
})

t.test('every file is in a room, and every import leads to a file', (t) => {
  t.strictSame(
    files.filter((file) => floorOf(roomOf(file)) < 0),
    [],
  )
  t.strictSame(show(imports.filter(({ what, isOurs }) => isOurs && !text.has(what))), [])
  t.end()
})

t.test(
  'imports go down: cli, install and doctor, session and cleanup and propagation, slurm and ns, config and mountinfo, sys',
  (t) => {
    const up = imports.filter(
      ({ from, what, isOurs }) => isOurs && floorOf(roomOf(what)) < floorOf(roomOf(from)),
    )
    t.strictSame(show(up), [])
    const between = imports.filter(({ from, what, isOurs }) => {
      const [a, b] = [roomOf(from), roomOf(what)]
      return isOurs && a !== b && floorOf(a) === floorOf(b)
    })
    const pairs = new Set(between.map(({ from, what }) => `${roomOf(from)} -> ${roomOf(what)}`))
    const mutual = between.filter(({ from, what }) => pairs.has(`${roomOf(what)} -> ${roomOf(from)}`))
    t.strictSame(show(mutual), [], 'and between neighbours one way only')
    t.end()
  },
)

t.test('no file needs itself: no circle of imports that are there at run time', (t) => {
  const needs = new Map(
    files.map((file) => [
      file,
      imports.filter((i) => i.from === file && i.isOurs && !i.isTypeOnly).map(({ what }) => what),
    ]),
  )
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (file: string, path: readonly string[]) => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
    if (done.has(file) || path.includes(file)) return
    for (const next of needs.get(file) ?? []) visit(next, [...path, file])
    done.add(file)
  }
  for (const file of files) visit(file, [])
  t.strictSame(circles, [])
  t.end()
})

t.test('packages: koffi in sys, commander and pino in cli, and nowhere else', (t) => {
  const packages = imports.filter(({ what, isOurs }) => !isOurs && !what.startsWith('node:'))
  const nameOf = (what: string) => what.split('/')[0] ?? ''
  t.strictSame(show(packages.filter(({ from, what }) => KEEPERS[nameOf(what)] !== roomOf(from))), [])
  t.strictSame(
    show(imports.filter(({ what }) => builtinModules.includes(what))),
    [],
    'builtins are written with node:',
  )
  t.end()
})

t.test('what every login loads holds neither commander nor pino', (t) => {
  const loaded = new Set<string>()
  const load = (file: string) => {
    if (loaded.has(file)) return
    loaded.add(file)
    for (const { what, isTypeOnly } of importsOf(file)) if (!isTypeOnly) load(what)
  }
  load('cli/login.ts')
  t.ok(loaded.has('session/open.ts'))
  t.notOk(loaded.has('commander'))
  t.notOk(loaded.has('pino'))
  t.end()
})

t.test('pure files import nothing that touches the machine', (t) => {
  t.strictSame(
    PURE.filter((file) => !text.has(file)),
    [],
    'each of them is there',
  )
  t.strictSame(show(imports.filter(({ from, what }) => PURE.includes(from) && MACHINE.includes(what))), [])
  t.end()
})

t.test(`no file is longer than ${MAX_LINES} lines, and each says at the top what it is for`, (t) => {
  const long = [...text].filter(([, code]) => code.split('\n').length > MAX_LINES + 1)
  t.strictSame(
    long.map(([file]) => file),
    [],
  )
  const silent = [...text].filter(([, code]) => !/^(#!.*\n)?(\/\*|\/\/)/.test(code))
  t.strictSame(
    silent.map(([file]) => file),
    [],
  )
  t.end()
})

t.test(
  'outside of cli nothing is async: an async call runs in another thread, which is in the old namespace',
  (t) => {
    const isAsync = (code: string) =>
      /\basync (?:function\b|\(|\w+ =>)|\bawait\b|fs\/promises/.test(withoutComments(code))
    const found = [...text].filter(([file, code]) => roomOf(file) !== 'cli' && isAsync(code))
    t.strictSame(
      found.map(([file]) => file),
      [],
    )
    t.end()
  },
)

function withoutComments(code: string): string {
  return code.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
}
