/* dist and bin/polyns.sh: a file that is missing, empty or cut off is never taken for a session that may begin. */
import t from 'tap'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')

const TOP = '/usr/lib/polyns'
/** Makes each part of FILE that is `lengths` bytes long, tries it, and tells those with which the command gave status 0. */
const CUT = `
file=$1; shift
cp -p "$file" /run/whole
for n in $lengths; do
  head -c "$n" /run/whole >"$file"
  ! "$@" >/dev/null 2>&1 || echo "$n"
done
rm "$file"
! "$@" >/dev/null 2>&1 || echo missing
cp -p /run/whole "$file"
"$@" >/dev/null && echo whole`

t.test('what is not whole', { skip }, async (t) => {
  await using box = await Sandbox.start()
  await box.sh(
    `mkdir ${TOP}; cp -r /opt/polyns/bin /opt/polyns/dist ${TOP}; ln -s /opt/polyns/node_modules ${TOP}`,
  )
  // A session that is closed and was never opened: status 0, and nothing is done.
  const env = { PAM_TYPE: 'close_session', PAM_SERVICE: 'app', PAM_USER: 'alice' }
  const VERSION = `env -u PAM_TYPE ${TOP}/bin/polyns --version`
  const PAM = `${TOP}/bin/polyns pam`
  const sizeOf = async (file: string) => Number(await box.sh(`stat -c %s ${TOP}/${file}`))
  const works = (file: string, lengths: readonly number[], command: string) =>
    box.sh(
      ['sh', '-c', `lengths='${lengths.join(' ')}'; ${CUT}`, 'cut', `${TOP}/${file}`, ...command.split(' ')],
      {
        env,
        timeoutMs: 120_000,
      },
    )

  for (const [file, command] of [
    ['dist/pam.cjs', PAM],
    ['dist/polyns.cjs', VERSION],
  ] as const) {
    const size = await sizeOf(file)
    const lengths = [
      0,
      1,
      1000,
      4096,
      Math.floor(size / 2),
      size - 68,
      size - 67,
      size - 66,
      size - 2,
      size - 1,
    ]
    t.equal(await works(file, lengths, command), 'whole\n', file)
  }
  const size = await sizeOf('dist/start.cjs')
  const some = Array.from({ length: 20 }, (_, i) => Math.floor((i * size) / 20))
  // Without its last byte, the end of its last line, it is whole.
  t.equal(await works('dist/start.cjs', [...some, 1, size - 3, size - 2], PAM), 'whole\n', 'start.cjs')
  const script = await sizeOf('bin/polyns.sh')
  t.equal(
    await works('bin/polyns.sh', [0, 1, 12, 500, script - 100, script - 3, script - 2], PAM),
    'whole\n',
    'polyns.sh',
  )
  // Shorter, and a shell takes it for a script; pam_exec does not.
  t.equal(await works('bin/polyns', [176, 300, 400], PAM), 'whole\n', 'the launcher')

  await box.sh(
    `cp ${TOP}/dist/pam.cjs /run; printf 'process.on("exit", () => {})\n//%064d\n' 0 >${TOP}/dist/pam.cjs`,
  )
  t.match(await box.run(PAM, { env }), { status: 1 }, 'nor a program that ends without a word')
  await box.sh(`cp /run/pam.cjs ${TOP}/dist/pam.cjs`)

  for (const [name, command] of [
    ['pam', PAM],
    ['polyns', VERSION],
  ] as const) {
    const cache = await sizeOf(`dist/${name}.cache`)
    const lengths = [0, 1, 63, 64, 65, 96, 1000, Math.floor(cache / 2), cache - 1]
    const each = lengths.map((n) => `${n}\n`).join('')
    t.equal(
      await works(`dist/${name}.cache`, lengths, command),
      `${each}missing\nwhole\n`,
      `without ${name}.cache it works`,
    )
  }
})

t.test('a build replaces what is there as a whole', { skip }, async (t) => {
  await using box = await Sandbox.start({ sizeMb: 768 })
  const copy = 'bin src tools package.json tsconfig.json'
    .split(' ')
    .map((name) => `/opt/polyns/${name}`)
    .join(' ')
  await box.sh(
    `mkdir ${TOP}; cp -r ${copy} ${TOP}; ln -s /opt/polyns/node_modules ${TOP}; rm ${TOP}/bin/polyns`,
  )
  const build = `cd ${TOP} && umask 077 && node tools/build.mjs`
  await box.sh(build, { timeoutMs: 120_000 })
  t.match(await box.run(`${TOP}/bin/polyns --version`), { status: 0 })
  t.equal(await box.sh(`stat -c %a ${TOP}/bin/polyns`), '755\n', 'whatever the umask')
  const before = await box.sh(`cd ${TOP}; stat -c '%n %i' dist/* bin/polyns`)
  const watch = `while [ ! -e /run/done ]; do ${TOP}/bin/polyns --version >/dev/null || echo failed; done >/run/seen`
  const watcher = box.spawn(['sh', '-c', watch])
  await box.sh(`${build}; touch /run/done`, { timeoutMs: 120_000 })
  await watcher.exited
  t.equal(await box.read('/run/seen'), '', 'the program starts at any moment meanwhile')
  const after = await box.sh(`cd ${TOP}; stat -c '%n %i' dist/* bin/polyns`)
  const names = (text: string) =>
    text
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0])
  t.same(names(after), names(before), 'and nothing else is left')
  t.ok(
    after
      .trim()
      .split('\n')
      .every((line) => !before.includes(`${line}\n`)),
    'each file is another one',
  )
})

t.test('what is no session is not taken for one in a PAM line', { skip }, async (t) => {
  await using box = await Sandbox.start()
  const env = { PAM_TYPE: 'open_session', PAM_SERVICE: 'app', PAM_USER: 'alice' }
  for (const words of ['pam --help', 'pam -h', '--trace pam', '--trace pam --help'])
    t.match(await box.run(`/opt/polyns/bin/polyns ${words}`, { env }), { status: 2 }, words)
  t.match(await box.run('/opt/polyns/bin/polyns pam --help'), { status: 0, stdout: /^Usage: polyns pam/ })
})
