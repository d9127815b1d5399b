/* What only looks, at a file system that hangs: it ends within its limit too, and says where it was. */
import t from 'tap'
import { POLYNS } from '../support/install.js'
import { AT_MOST_MS, LIMIT_S, machine } from '../support/limits.js'
import { needs } from '../support/needs.js'
import { mountSshfs } from '../support/sshfs.js'

const skip = needs('root', 'layer', 'dist', 'fuse')
const HUNG = '/srv/m'
const COMMANDS = ['explain --user alice', 'setup --dry-run']

for (const how of ['server', 'network'] as const) {
  t.test(`explain and setup --dry-run, and the ${how} has stopped`, { skip }, async (t) => {
    await using box = await machine(`${HUNG}/dir /srv/inst/ user:noinit root\n`)
    const fuse = await mountSshfs(box, '/srv/served', HUNG)
    const status = async (command: string) => (await box.run(`${POLYNS} ${command}`)).status
    for (const command of COMMANDS) t.equal(await status(command), 0, command)
    await fuse.hang(how)
    for (const command of COMMANDS) {
      const start = performance.now()
      // A pager must not wait either: it does as long as anybody holds the pipe.
      const r = await box.run(`{ ${POLYNS} ${command} --timeout ${LIMIT_S}s; echo "status $?" >&2; } | cat`)
      const ms = Math.round(performance.now() - start)
      t.ok(ms > LIMIT_S * 1000 && ms < AT_MOST_MS, `${command}: after ${ms} ms`)
      t.match(r, { stdout: '', timedOut: false, heldOpen: false })
      t.match(r.stderr, /: not done within 2 s\. It was at: \w+ '\/srv\/m\/dir'; .*server.*\nstatus 4\n$/)
    }
    await fuse.goOn()
    for (const command of COMMANDS) t.equal(await status(command), 0, `${command}, once it answers`)
  })
}

t.test('what they say and their status are as ever', { skip }, async (t) => {
  await using box = await machine()
  t.match(await box.run(`${POLYNS} explain --user nobody-knows`), {
    status: 5,
    stdout: '',
    stderr: /nobody-knows/,
  })
  t.match(await box.run(`${POLYNS} explain --user alice --timeout soon`), { status: 2, stderr: /--timeout/ })
  t.match(await box.run(`script -qec '${POLYNS} setup --dry-run' /dev/null`), { stdout: '\x1b[36mwould' })
  t.notOk((await box.sh(`${POLYNS} setup --dry-run`)).includes('\x1b'), 'no colour in a pipe')
  await box.sh(`${POLYNS} explain --user alice --json | grep -q '"outcome":"build"'`)
})
