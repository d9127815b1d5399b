/*
 * Takes one thing back that install has done. What somebody has changed since is kept, but for the line of polyns; what is
 * gone stays gone. Each can be taken back again, or when it was never begun: an install may be killed anywhere.
 */
import { lstatSync, readlinkSync, rmdirSync, rmSync, unlinkSync } from 'node:fs'
import { command, type Outcome, type Step } from '../propagation/step.js'
import { asideOf, attempt, digest, has, place, putBack, readText, run, stateOf } from './files.js'
import type { Action } from './state.js'

export interface RevertOptions {
  dryRun: boolean
  /** Also what was changed since. */
  purge: boolean
}

type Undo<K extends Action['kind']> = (action: Extract<Action, { kind: K }>, options: RevertOptions) => Step[]

/** All but `setup`, which needs more than what stands in the action. @throws what stands in the way */
export function revert(action: Exclude<Action, { kind: 'setup' }>, options: RevertOptions): Step[] {
  switch (action.kind) {
    case 'directory':
      return revertDirectory(action, options)
    case 'file':
      return revertFile(action, options)
    case 'link':
      return revertLink(action, options)
    case 'units':
      return revertUnits(action, options)
    case 'init':
      return revertInit(action, options)
    case 'profile':
      return revertProfile(action, options)
  }
}

const revertFile: Undo<'file'> = ({ path, before, after, line }, options) => {
  if (!options.dryRun) rmSync(asideOf(path), { force: true })
  const text = readText(path)
  const away = command('rm', path)
  if (text === null)
    return before === null ? [] : [step('skipped', `restore ${path}`, 'somebody has removed it')]
  const now = digest(text)
  if (before === null) {
    if (now === after) return act(options, away, '', () => unlinkSync(path))
    if (line !== undefined) return takeLineOut(path, text, line, options)
    if (options.purge) return act(options, away, 'changed since the install', () => unlinkSync(path))
    return [step('skipped', away, 'it was changed since the install; --purge removes it')]
  }
  if (now === before.hash) return []
  if (now === after && stateOf(before.backup) !== null) {
    return act(options, command('cp', '-a', before.backup, path), 'as before the install', () =>
      putBack(path, before.backup),
    )
  }
  return line === undefined
    ? [
        step(
          'skipped',
          `restore ${path}`,
          `it was changed since the install; what was there is ${before.backup}`,
        ),
      ]
    : takeLineOut(path, text, line, options)
}

/** Of a stack that is not what install has made of it. */
function takeLineOut(path: string, text: string, line: string, options: RevertOptions): Step[] {
  const lines = text.split('\n')
  const rest = lines.filter((one) => one.trim() !== line)
  if (rest.length === lines.length) return []
  const note = 'it was changed since the install: only this line goes'
  return act(options, command('sed', '-i', `\\:^${line}$:d`, path), note, () =>
    place(path, rest.join('\n'), { like: path }),
  )
}

const revertDirectory: Undo<'directory'> = ({ path }, options) => removeEmpty(path, options)

const revertLink: Undo<'link'> = ({ path, target }, options) => {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return []
  const line = command('rm', path)
  if (!stat.isSymbolicLink() || readlinkSync(path) !== target)
    return [step('skipped', line, 'it was changed since the install')]
  return act(options, line, '', () => unlinkSync(path))
}

const revertUnits: Undo<'units'> = ({ names }, options) => {
  const isRunning = stateOf('/run/systemd/system') !== null
  if (names.length === 0 || !has('systemctl')) return []
  return act(options, command('systemctl', 'disable', ...(isRunning ? ['--now'] : []), ...names), '', () => {
    // One whose file is gone cannot be disabled, and need not be.
    for (const name of names) attempt('systemctl', 'disable', ...(isRunning ? ['--now'] : []), name)
  })
}

const revertInit: Undo<'init'> = ({ name, tool }, options) => {
  const words: [string, ...string[]] =
    tool === 'rc-update'
      ? ['rc-update', 'del', name, 'boot']
      : tool === 'chkconfig'
        ? ['chkconfig', '--del', name]
        : ['update-rc.d', '-f', name, 'remove']
  return has(words[0]) ? act(options, command(...words), '', () => void attempt(...words)) : []
}

const revertProfile: Undo<'profile'> = ({ name }, options) => {
  const words: [string, ...string[]] = ['pam-auth-update', '--package', '--remove', name]
  if (stateOf(`/usr/share/pam-configs/${name}`) === null) return []
  return act(options, command(...words), '', () => void run(...words))
}

/** A directory goes with the last thing in it, and not before. */
export function removeEmpty(path: string, options: RevertOptions): Step[] {
  if (stateOf(path) === null) return []
  if (options.dryRun) return [step('would', command('rmdir', path), 'if nothing is left in it')]
  try {
    rmdirSync(path)
    return [step('done', command('rmdir', path), '')]
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    const why = code === 'ENOTEMPTY' ? 'it is not empty' : code
    return [step('skipped', command('rmdir', path), why)]
  }
}

function act({ dryRun }: RevertOptions, line: string, note: string, fn: () => void): Step[] {
  if (!dryRun) fn()
  return [step(dryRun ? 'would' : 'done', line, note)]
}

export function step(outcome: Outcome, line: string, note: string): Step {
  return { outcome, command: line, note }
}
