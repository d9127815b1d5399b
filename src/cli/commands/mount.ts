/* polyns mount and polyns umount on the command line. */
import { type Command, Option } from 'commander'
import type { Io } from '../io.js'
import { carryOut, type MountFlags } from '../mount.js'
import { work } from '../mount-workers.js'

type Flags = MountFlags & { worker?: boolean }

export function addMount(program: Command, io: Io): void {
  const mount = program
    .command('mount <path>')
    .description('bring a mount of the host into the running sessions that propagation did not reach')
  withOptions(mount).action((path: string, flags: Flags) => run('mount', path, flags, io))
}

export function addUmount(program: Command, io: Io): void {
  const umount = program
    .command('umount <path>')
    .description('unmount in the running sessions what the host has unmounted, or is about to')
    .option('--lazy', 'also where it is in use: gone from sight at once, and for good with its last user')
  withOptions(umount).action((path: string, flags: Flags) => run('umount', path, flags, io))
}

function withOptions(command: Command): Command {
  return command
    .option('--all', 'also in namespaces that polyns did not make')
    .option('--timeout <TIME>', 'how long to wait for one namespace', '5s')
    .option('--dry-run', 'say what would be done, and change nothing')
    .option('--json', 'as JSON')
    .addOption(new Option('--worker').hideHelp())
}

async function run(action: 'mount' | 'umount', path: string, flags: Flags, io: Io): Promise<void> {
  if (flags.worker === true) work()
  else process.exitCode = await carryOut(action, path, flags, io)
}
