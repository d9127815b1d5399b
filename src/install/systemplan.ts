/* The boot step and the clean-up as services of this machine: systemd's units and tmpfiles.d, or a script of init's. */
import { command, type Step } from '../propagation/step.js'
import { shippedPath } from '../sys/program.js'
import { attempt, has, readText, stateOf } from './files.js'
import { EMPTY, type Part, planFile } from './part.js'
import type { Action } from './state.js'

const UNITS = ['polyns-setup.service', 'polyns-reap.service', 'polyns-reap.timer']
const ENABLED = ['polyns-setup.service', 'polyns-reap.timer']
const VENDOR = ['/usr/lib', '/lib']

export function planSystem(): Part {
  return hasSystemd() ? planSystemd() : planInit()
}

/** Installed, whether or not it runs: an image is made ready in a chroot. */
function hasSystemd(): boolean {
  const isThere = VENDOR.some((directory) => stateOf(`${directory}/systemd/systemd`) !== null)
  return has('systemctl') && (isThere || stateOf('/run/systemd/system') !== null)
}

function planSystemd(): Part {
  const files = [
    ...UNITS.map((name) => shipped(`config/systemd/${name}`, 'systemd/system', name)),
    shipped('config/tmpfiles/polyns.conf', 'tmpfiles.d', 'polyns.conf'),
  ]
  const names = ENABLED.filter((name) => attempt('systemctl', 'is-enabled', name).stdout.trim() !== 'enabled')
  const reload = stateOf('/run/systemd/system') !== null
  const enable: Action = { kind: 'units', names, reload }
  const already: Step = { outcome: 'already', command: command('systemctl', 'enable', ...ENABLED), note: '' }
  return {
    work: [...files.flatMap(({ work }) => work), ...(names.length === 0 ? [] : [{ action: enable }])],
    steps: [...files.flatMap(({ steps }) => steps), ...(names.length === 0 ? [already] : [])],
    problems: files.flatMap(({ problems }) => problems),
  }
}

/** Into /etc, unless the package has put it where packages do. */
function shipped(source: string, directory: string, name: string): Part {
  const vendors = VENDOR.map((root) => `${root}/${directory}/${name}`).find((path) => stateOf(path) !== null)
  if (vendors === undefined) return planFile(`/etc/${directory}/${name}`, readText(shippedPath(source)) ?? '')
  return { ...EMPTY, steps: [{ outcome: 'already', command: `write ${vendors}`, note: "the package's" }] }
}

const SCRIPT = '/etc/init.d/polyns'

function planInit(): Part {
  const isOpenRc = has('openrc-run') && has('rc-update')
  const source = isOpenRc ? 'config/init/polyns.openrc' : 'config/init/polyns.lsb'
  if (stateOf('/etc/init.d') === null) {
    const note =
      "there is neither systemd nor /etc/init.d: let 'polyns setup' run at each boot, before logins"
    return { ...EMPTY, steps: [{ outcome: 'skipped', command: `write ${SCRIPT}`, note }] }
  }
  const script = planFile(SCRIPT, readText(shippedPath(source)) ?? '', 0o755)
  const tool = isOpenRc
    ? ('rc-update' as const)
    : (['update-rc.d', 'chkconfig'] as const).find((program) => has(program))
  if (tool === undefined) {
    const note = 'there is neither update-rc.d nor chkconfig: link it into the run levels by hand'
    return { ...script, steps: [...script.steps, { outcome: 'skipped', command: `enable ${SCRIPT}`, note }] }
  }
  const enable: Action = { kind: 'init', name: 'polyns', tool }
  return script.work.length === 0 ? script : { ...script, work: [...script.work, { action: enable }] }
}
