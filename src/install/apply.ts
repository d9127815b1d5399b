/* Does what a plan says, one thing after the other; each is in the state before it is begun. */
import { rmSync, symlinkSync } from 'node:fs'
import { command, type Step } from '../propagation/step.js'
import { ScriptError } from '../sys/errors.js'
import { copyWhole, digest, makeDirectory, place, readText, run, sync } from './files.js'
import type { Work } from './part.js'
import { type Action, BACKUP_DIRECTORY } from './state.js'

/** Copies what is to be replaced, before anything is. */
export function backUp(work: readonly Work[]): void {
  makeDirectory(BACKUP_DIRECTORY, 0o700)
  for (const { action } of work) {
    if (action.kind !== 'file' || action.before === null) continue
    rmSync(action.before.backup, { force: true })
    copyWhole(action.path, action.before.backup)
    sync(action.before.backup)
  }
  sync(BACKUP_DIRECTORY)
}

/** @param setUp the boot step in this process, where no systemd runs it @throws what stands in the way */
export function apply({ action, text }: Work, setUp: () => Step[]): Step[] {
  switch (action.kind) {
    case 'directory':
      makeDirectory(action.path)
      break
    case 'file': {
      const { path, before, mode = 0o644 } = action
      const now = readText(path)
      if ((now === null ? null : digest(now)) !== (before?.hash ?? null))
        throw new ScriptError(`${path} has been changed by somebody else meanwhile: try again`)
      place(path, text ?? '', before === null ? { mode } : { like: path })
      break
    }
    case 'link':
      symlinkSync(action.target, action.path)
      break
    case 'setup':
      return setUp()
    default:
      for (const words of commandsOf(action)) run(...words)
  }
  return say(action, 'done')
}

/** What is run for it, if anything. */
export function commandsOf(action: Action): [string, ...string[]][] {
  switch (action.kind) {
    case 'units': {
      const enable: [string, ...string[]] = [
        'systemctl',
        'enable',
        ...(action.reload ? ['--now'] : []),
        ...action.names,
      ]
      return action.reload ? [['systemctl', 'daemon-reload'], enable] : [enable]
    }
    case 'init':
      return [
        {
          'update-rc.d': ['update-rc.d', action.name, 'defaults'] as [string, ...string[]],
          'rc-update': ['rc-update', 'add', action.name, 'boot'] as [string, ...string[]],
          chkconfig: ['chkconfig', '--add', action.name] as [string, ...string[]],
        }[action.tool],
      ]
    case 'profile':
      return [['pam-auth-update', '--package']]
    default:
      return []
  }
}

/** As the shell lines that it equals. */
export function say(action: Action, outcome: Step['outcome']): Step[] {
  switch (action.kind) {
    case 'directory':
      return [{ outcome, command: command('mkdir', '-p', action.path), note: '' }]
    case 'file': {
      const { path, line, before } = action
      const note = line !== undefined ? `adds '${line}'` : before === null ? '' : 'in place of what is there'
      return [{ outcome, command: `write ${command(path)}`, note }]
    }
    case 'link':
      return [{ outcome, command: command('ln', '-s', action.target, action.path), note: '' }]
    case 'setup':
      return [{ outcome, command: 'polyns setup', note: 'the boot step, so that the machine is ready now' }]
    default:
      return commandsOf(action).map((words) => ({ outcome, command: command(...words), note: '' }))
  }
}
