/* Names against patterns of `*` and `?`, as carry= has them. Linear in both: the names are anybody's. */

/**
 * `*` stands for any characters, none too, `?` for one, everything else for itself. As in a shell, a name that begins with a
 * dot is matched only by a pattern that does.
 */
export function matches(name: string, pattern: string): boolean {
  if (name.startsWith('.') && !pattern.startsWith('.')) return false
  const chars = Array.from(name)
  const wanted = Array.from(pattern)
  let at = 0
  let want = 0
  // Where the last star stood, and what it has taken so far: to take one more is the only way back that is ever needed.
  let star = -1
  let taken = 0
  while (at < chars.length) {
    if (wanted[want] === '*') {
      star = want++
      taken = at
    } else if (want < wanted.length && (wanted[want] === '?' || wanted[want] === chars[at])) {
      at++
      want++
    } else if (star >= 0) {
      want = star + 1
      at = ++taken
    } else return false
  }
  while (wanted[want] === '*') want++
  return want === wanted.length
}

export function hasWildcard(pattern: string): boolean {
  return /[*?]/.test(pattern)
}
