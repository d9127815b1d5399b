/*
 * The shell lines that change a PAM stack. Pure. A vendor's file is copied to /etc/pam.d first, where libpam looks before it
 * looks there; a link, as authselect makes them, is followed.
 */
import { command } from '../propagation/step.js'
import { PAM_DIRECTORIES, type PamEntry, type Place } from './pamstack.js'

const [OWN = '', VENDOR = ''] = PAM_DIRECTORIES

/** @param scripts of sed, each on a line of the file as it is now */
function edit(file: string, ...scripts: string[]): string[] {
  const isVendors = file.startsWith(`${VENDOR}/`)
  const target = isVendors ? `${OWN}${file.slice(VENDOR.length)}` : file
  const sed = command(
    'sed',
    '-i',
    '--follow-symlinks',
    ...scripts.flatMap((script) => ['-e', script]),
    target,
  )
  return isVendors ? [command('cp', '-n', file, target), sed] : [sed]
}

const span = ({ line, lastLine }: PamEntry) => (line === lastLine ? `${line}` : `${line},${lastLine}`)
const asText = (line: string) => line.replaceAll('\\', '\\\\')

/** Replaces what `pattern`, as sed has it, finds first in each line of the entry. */
export function replaceIn(entry: PamEntry, pattern: string, by: string): string[] {
  return edit(entry.file, `${span(entry)}s/${pattern}/${by}/I`)
}

export function commentOut(entry: PamEntry): string[] {
  return edit(entry.file, `${span(entry)}s/^/# /`)
}

export function insertBefore({ file, line }: Place, text: string): string[] {
  return edit(file, `${line}i\\${asText(text)}`)
}

export function append(file: string, text: string): string[] {
  return edit(file, `$a\\${asText(text)}`)
}

/** Both in one file. */
export function moveBefore(entry: PamEntry, { file, line }: Place): string[] {
  return edit(file, `${line}i\\${asText(entry.text)}`, `${span(entry)}d`)
}

export function moveToEnd(entry: PamEntry): string[] {
  return edit(entry.file, `$a\\${asText(entry.text)}`, `${span(entry)}d`)
}
