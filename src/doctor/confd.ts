/*
 * How systemd puts configuration together from several directories: a file in an earlier directory takes the place of one of
 * the same name in a later one, and all of them count in the order of their names. Pure: lists and texts come from functions.
 */

/** The names in a directory; null: there is none. */
export type ListNames = (path: string) => readonly string[] | null
/** The text of a file; null: there is none. */
export type ReadText = (path: string) => string | null

/** The `*.conf` files that count, each with its path, by name. @param directories the strongest first */
export function confFiles(directories: readonly string[], list: ListNames): string[] {
  const paths = new Map<string, string>()
  for (const directory of directories) {
    for (const name of list(directory) ?? []) {
      if (name.endsWith('.conf') && !paths.has(name)) paths.set(name, `${directory}/${name}`)
    }
  }
  return [...paths].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path)
}

export interface Setting {
  file: string
  line: number
  value: string
}

/** `[Section]`, `Key=value`, `#` and `;` begin a comment line. The last one counts, an empty one takes all back. */
export function settingIn(
  files: readonly { path: string; text: string }[],
  section: string,
  key: string,
): Setting | null {
  let found: Setting | null = null
  for (const { path, text } of files) {
    let current = ''
    for (const [index, raw] of text.split('\n').entries()) {
      const line = raw.trim()
      const heading = /^\[(.*)\]$/.exec(line)?.[1]
      if (heading !== undefined) current = heading
      const [, name, value] = /^([^#;=][^=]*?)\s*=\s*(.*)$/.exec(line) ?? []
      if (current !== section || name !== key || value === undefined) continue
      found = value === '' ? null : { file: path, line: index + 1, value }
    }
  }
  return found
}

/** systemd's spellings of a boolean; null: none of them. */
export function asBoolean(value: string): boolean | null {
  if (/^(?:1|yes|y|true|t|on)$/i.test(value)) return true
  return /^(?:0|no|n|false|f|off)$/i.test(value) ? false : null
}

/** The main file that counts and the drop-ins, in the order in which they are read. */
export function withDropIns(
  mains: readonly string[],
  dropInDirectories: readonly string[],
  { list, read }: { list: ListNames; read: ReadText },
): { path: string; text: string }[] {
  const main = mains.find((path) => read(path) !== null)
  const paths = [...(main === undefined ? [] : [main]), ...confFiles(dropInDirectories, list)]
  return paths.flatMap((path) => {
    const text = read(path)
    return text === null ? [] : [{ path, text }]
  })
}
