/*
 * All stacks of this machine with the new lines in them, in a private directory, to try a login with before any is changed.
 * The lines name this polyns by its own path, and the configuration where it is now, and are not `quiet`: pam_exec then tells.
 */
import { chmodSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PROGRAM } from '../doctor/pamline.js'
import { PAM_DIRECTORIES } from '../doctor/pamstack.js'
import { makeDirectory, readText, stateOf } from './files.js'
import type { InstallPlan } from './plan.js'
import { STAGE_DIRECTORY as STAGE } from './state.js'

export interface Stage extends Disposable {
  directory: string
}

export function stageStacks({ pam, launcher, stagedConfig }: InstallPlan): Stage {
  rmSync(STAGE, { recursive: true, force: true })
  makeDirectory(STAGE, 0o700)
  chmodSync(STAGE, 0o700)
  // In reverse: what is in /etc stands before the vendor's.
  for (const directory of [...PAM_DIRECTORIES].reverse()) {
    for (const name of stateOf(directory) === null ? [] : readdirSync(directory)) {
      const path = join(directory, name)
      if (statSync(path, { throwIfNoEntry: false })?.isFile()) put(name, readText(path) ?? '')
    }
  }
  const config = stagedConfig === undefined ? '' : ` --config ${stagedConfig}`
  const call = new RegExp(`^(session required pam_exec.so) quiet (seteuid) ${PROGRAM} (pam.*)$`, 'gm')
  for (const [path, text] of pam.texts) {
    put(path.slice(path.lastIndexOf('/') + 1), text.replace(call, `$1 $2 ${launcher} $3${config}`))
  }
  return { directory: STAGE, [Symbol.dispose]: () => rmSync(STAGE, { recursive: true, force: true }) }
}

function put(name: string, text: string): void {
  // Includes are looked for in /etc/pam.d, whatever pam_start_confdir(3) was told (seen with Linux-PAM 1.5.2 of Debian 12).
  const staged = text.replace(
    /^(\s*(?:@include|\S+\s+(?:include|substack))\s+)(?![/#])(\S+)/gim,
    `$1${STAGE}/$2`,
  )
  writeFileSync(join(STAGE, name), staged, { mode: 0o600 })
}
