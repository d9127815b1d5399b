/* The boot step on each kind of machine: what is private after it, and that its printed lines make the same mount table. */
import t from 'tap'
import { needs } from '../support/needs.js'
import { INITS, LAYOUTS, machine, nothingToDo, ok, propagation, scriptOf, table } from './setup.js'

const skip = needs('root', 'layer', 'dist')
t.setTimeout(400_000) // many machines, one after the other

const CONFIG = `/tmp /tmp/polyns-inst/ user:noinit root
/dev/shm /var/shm-inst/ user:noinit root
/var/tmp /var/tmp/polyns-inst/ user:noinit root
`
const SHARE = ['--share', '/srv', '--share', '/mnt/auto']

const VARIANTS: Record<string, string[][]> = {
  '/tmp on the root file system': [[], SHARE],
  'mounts below both': [[], ['--keep-root', ...SHARE]],
}

for (const [init, makeInit] of Object.entries(INITS)) {
  for (const [layout, makeLayout] of Object.entries(LAYOUTS)) {
    for (const args of VARIANTS[layout] ?? [[]]) {
      t.test(`${layout}, on a machine ${init}: ${args.join(' ')}`, { skip, timeout: 60_000 }, async (t) => {
        const make = `mkdir -p /srv /mnt/auto; mount -t tmpfs auto /mnt/auto; mount --make-private /mnt/auto
          ${makeLayout}; ${makeInit}`
        await using box = await machine(CONFIG)
        await box.sh(make)
        const before = table(box)
        if (layout.includes('partition'))
          t.match(before.join('\n'), / - ext4 \/dev\/loopN/, 'a real file system of its own')

        const dry = await ok(t, box, '--dry-run', ...args)
        t.same(table(box), before)
        const lines = await ok(t, box, ...args)
        t.strictSame(
          lines,
          dry.slice(0, -1).map((line) => line.replace('would  ', 'done   ')),
          'what the dry run said, done',
        )
        const visible = (path: string) => propagation(box, path).filter((line) => line.startsWith(`${path} `))
        t.match(visible('/tmp').at(-1), /private/)
        t.match(visible('/dev/shm').at(-1), /private/)
        t.match(
          visible('/mnt/auto').at(-1),
          args.includes('--share') || init.includes('private') ? /shared/ : /private/,
        )
        const after = table(box)

        {
          await using other = await machine(CONFIG)
          await other.sh(make)
          await other.sh(['sh'], { input: scriptOf(dry) })
          t.strictSame(table(other), after, 'the printed lines make the same table')
          await other.sh(['sh'], { input: scriptOf(await ok(t, box, '--undo', '--dry-run')) })
          t.strictSame(table(other), before, 'and those of --undo take it back')
        }

        t.same(table(box), after)
        if (!args.includes('--keep-root')) await nothingToDo(t, box, ...args)
        else {
          t.match(
            (await ok(t, box, ...args)).join('\n'),
            /^(already.*\n|skipped .*--keep-root\n)+nothing to do/,
          )
          t.same(table(box), after)
        }
        await ok(t, box, '--undo')
        t.strictSame(table(box), before, '--undo gives it back')
      })
    }
  }
}
