/* polyns install, polyns uninstall, and the hidden command by which install tries a login, on the command line. */
import type { Command } from 'commander'
import { DEFAULT_SERVICES } from '../../install/services.js'
import { TRIAL_COMMAND } from '../../install/trial.js'
import { type TrialRequest, tryLogin } from '../../install/trylogin.js'
import { UsageError } from '../../sys/errors.js'
import { install, uninstall } from '../install.js'
import type { Io } from '../io.js'

interface InstallOptions {
  pam?: readonly string[]
  pamAuthUpdate?: boolean
  dryRun?: boolean
  trialUser?: string
}

export function addInstall(program: Command, io: Io): void {
  program
    .command('install')
    .description(
      'put polyns in place: configuration, boot step, and the line in each PAM stack; tries a login first',
    )
    .option(
      '--pam <SERVICES>',
      `only these, separated by commas; without it ${DEFAULT_SERVICES.join(', ')}`,
      list,
    )
    .option('--pam-auth-update', 'one line for all, by a profile of pam-auth-update (Debian and its kin)')
    .option(
      '--trial-user <USER>',
      'whose login is tried; without it the first whom the configuration concerns',
    )
    .option('--dry-run', 'print what would be done, with a diff of each file, and change nothing')
    .action(({ pam, pamAuthUpdate = false, dryRun = false, trialUser }: InstallOptions) => {
      process.exitCode = install({ pam, pamAuthUpdate, dryRun, trialUser }, io)
    })
  program
    .command(TRIAL_COMMAND, { hidden: true })
    .argument('<REQUEST>')
    .action((request: string) => {
      const report = tryLogin(JSON.parse(request) as TrialRequest)
      io.out(`trial ${JSON.stringify(report)}\n`)
    })
}

export function addUninstall(program: Command, io: Io): void {
  program
    .command('uninstall')
    .description('take back what install has done, and leave what others have changed since')
    .option('--dry-run', 'print what would be done, and change nothing')
    .option(
      '--purge',
      'also what was changed since, and the private directories of users who are not logged in',
    )
    .action(({ dryRun = false, purge = false }: { dryRun?: boolean; purge?: boolean }) => {
      process.exitCode = uninstall({ dryRun, purge }, io)
    })
}

function list(value: string): string[] {
  const names = value.split(',').filter((name) => name !== '')
  const [strange] = names.filter((name) => !/^[\w.@+-]+$/.test(name) || /^\.+$/.test(name))
  if (names.length > 0 && strange === undefined) return names
  throw new UsageError(`--pam takes names of PAM services, separated by commas, not '${strange ?? value}'`)
}
