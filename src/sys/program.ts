/* Where the program lies, what was shipped with it, and how it is started once more. */
import { realpathSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

// In a bundle, import.meta.url is the path of its file: dist/*.cjs; before that it is the URL of this one, two levels down.
const file = import.meta.url.replace(/^file:\/\//, '')
const root = resolve(dirname(file), file.endsWith('.ts') ? '../..' : '..')

/** Whether this is the single executable: its programs lie in it as if it were a directory, see tools/sea/main.cjs. */
export const isExecutable = dirname(file) === process.execPath

/** @param name below the directory that holds `config`, as `config/systemd/polyns-setup.service` */
export function shippedPath(name: string): string {
  return resolve(root, name)
}

/** The paths that start this program; its arguments go behind them. */
export function thisProgram(): string[] {
  // An upgrade that is under way has put another file in its place.
  const path = process.execPath.replace(/ \(deleted\)$/, '')
  return isExecutable ? [path] : [path, realpathSync(process.argv[1] ?? '')]
}
