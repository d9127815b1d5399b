/* polyns pam on the command line, for --help only: a login never comes this way (cli/login.ts). */
import type { Command } from 'commander'
import { UsageError } from '../../sys/errors.js'
import { PAM_OPTIONS } from '../pam-options.js'

export function addPam(program: Command): void {
  const pam = program.command('pam').description('open or close a session; called by pam_exec, never by hand')
  for (const { name, value, help } of PAM_OPTIONS)
    pam.option(value === undefined ? name : `${name} <${value}>`, help)
  // In a PAM line that must not pass for a session that was opened.
  pam.action(() => {
    throw new UsageError("'pam' must be the first word after polyns; no option may come before it")
  })
}
