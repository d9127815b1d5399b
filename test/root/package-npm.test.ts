/* The npm package: `npm pack`, and `npm install -g` of what that made, give a polyns that opens sessions. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { basename } from 'node:path'
import t from 'tap'
import { PAM_LINE, TMP_AND_SHM } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')

t.test('npm install -g', { skip }, async (t) => {
  mkdirSync('.cache', { recursive: true })
  const work = mkdtempSync('.cache/npm-') // a sandbox sees it, and has no network itself
  t.teardown(() => rmSync(work, { recursive: true }))
  const npm = (...words: string[]) =>
    execFileSync('npm', [...words, '--ignore-scripts', '--loglevel=error', '--no-audit', '--no-fund'], {
      encoding: 'utf8',
      timeout: 120_000,
    })
  const [packed] = JSON.parse(npm('pack', '--json', '--pack-destination', work))
  const names: string[] = packed.files.map(({ path }: { path: string }) => path)
  for (const name of [
    'bin/polyns',
    'bin/polyns.sh',
    'dist/start.cjs',
    'dist/pam.cjs',
    'man/polyns.8',
    'config/pam/pam-auth-update',
  ])
    t.ok(names.includes(name), name)
  t.same(
    names.filter((name) => /^(src|test|tools|out|node_modules)\//.test(name)),
    [],
    'and nothing else',
  )
  npm('install', '--global', '--prefix', `${work}/prefix`, '--prefer-offline', `./${work}/${packed.filename}`)

  await using box = await Sandbox.start()
  const prefix = '/opt/npm'
  await box.sh(
    `cp -a /opt/polyns/.cache/${basename(work)}/prefix ${prefix}; ln -s ${prefix}/bin/polyns /usr/sbin/polyns`,
  )
  t.match(await box.run('polyns --version'), { status: 0, stdout: `${packed.version}\n`, stderr: '' })
  const koffi = 'strace -f -e trace=openat polyns --version 2>&1 | grep -o "/opt/.*koffi[^\\"]*"'
  t.match(
    await box.sh(koffi),
    /^\/opt\/npm\/lib\/node_modules\/polyns\/[^\n]*\/koffi\.node\n$/,
    'koffi’s file, at once',
  )
  await box.write('/etc/polyns/namespace.conf', TMP_AND_SHM)
  await box.pam('su', plainStack([PAM_LINE]))
  t.match(await box.run("su alice -c 'findmnt -no SOURCE /tmp'"), {
    status: 0,
    stdout: /\/tmp\/polyns-inst\/alice\]\n$/,
  })
})
