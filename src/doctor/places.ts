/*
 * The directories that the configuration is about, those that are the same for every user: what each check of mounts and
 * instances begins with. Where the configuration cannot be used there are none: that has a check of its own.
 */
import { staticParents, staticPolydirs } from '../propagation/places.js'
import { command } from '../propagation/step.js'
import type { Host } from './host.js'
import { remoteMount } from './networkfs.js'

export function polydirsOf(host: Host): string[] {
  return staticPolydirs(host.rules)
}

export function parentsOf(host: Host): string[] {
  return staticParents(host.rules)
}

/** Those that can be looked at without waiting for another machine. */
export function localOnly(host: Host, paths: readonly string[]): string[] {
  return paths.filter((path) => remoteMount(host.mounts, path) === null)
}

/** The shell line that sets up, from the configuration that is examined. */
export function setupCommand({ configFile }: Host, ...options: string[]): string {
  const config = configFile === undefined ? [] : ['--config', configFile]
  return command('polyns', 'setup', ...options, ...config)
}
