/*
 * From the package to its purge on a real machine, as a person would do it: see README.md. Journals, the serial line, what
 * the commands said, and times: out/vm/SUITE. A phase that fails does not keep the others from being seen.
 */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { needs } from '../support/needs.js'
import { listing } from './listing.js'
import { Machine } from './machine.js'
import { boots } from './phases/boot.js'
import { logouts, removes } from './phases/end.js'
import { installs } from './phases/install.js'
import { jobs } from './phases/jobs.js'
import { logins, others } from './phases/people.js'
import type { People, Scene } from './phases/phase.js'
import { services } from './phases/services.js'
import { upgrades } from './phases/upgrade.js'
import type { Suite } from './qemu.js'

const out = fileURLToPath(new URL('../../out/', import.meta.url))

export function scenario(suite: Suite): void {
  t.test(`Debian ${suite}`, { skip: needs('root') }, async (t) => {
    const deb = newestPackage()
    await using vm = await Machine.boot(suite)
    t.comment(
      (await vm.sh('uname -r; ssh -V 2>&1; systemctl --version | head -n 1; slurmd -V')).replace(/\n/g, ', '),
    )
    const before = await listing(vm)
    vm.keep('listing-before.json', JSON.stringify(before, null, 1))
    const scene: Scene = { vm, suite, deb, host: '' }
    await t.test('install', (t) => installs(t, scene, before))
    await t.test('boot', async (t) => {
      await vm.reboot()
      scene.host = (await vm.sh('readlink /proc/1/ns/mnt')).trim()
      await boots(t, scene)
    })
    let people: People | undefined
    await t.test('logins', async (t) => {
      people = await logins(t, scene)
    })
    if (people === undefined) return
    const who = people
    await t.test('su, sudo, mounts', (t) => others(t, scene, who))
    await t.test('services', (t) => services(t, scene, who))
    await t.test('jobs', (t) => jobs(t, scene, who))
    await t.test('upgrade', (t) => upgrades(t, scene, who))
    await t.test('logout and reap', (t) => logouts(t, scene, who))
    await t.test('uninstall and purge', (t) => removes(t, scene, before))
  })
}

/** @throws {Error} where there is none */
function newestPackage(): string {
  const found = readdirSync(out).filter((name) => /^polyns_.*_amd64\.deb$/.test(name))
  const [name] = found.sort().reverse()
  if (name === undefined) throw new Error('no package in out/: npm run package')
  return `${out}${name}`
}
